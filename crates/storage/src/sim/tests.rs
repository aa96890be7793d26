//! Tests of the simulated store's own powers: lost suffixes, failing syncs, completions on demand.

use std::sync::Arc;

use super::*;

const GROUP: GroupId = GroupId(7);

type Calls = Arc<Mutex<Vec<(&'static str, bool)>>>;

fn note(calls: &Calls, name: &'static str) -> Completion {
    let calls = Arc::clone(calls);
    Box::new(move |result| calls.lock().push((name, result.is_ok())))
}

fn record(index: u64) -> LogRecord {
    LogRecord { index, head: Bytes::from(format!("head {index}")), blob: Bytes::from(format!("blob {index}")) }
}

#[test]
fn nothing_is_acknowledged_before_a_sync_and_appends_only_by_the_newest() {
    let store = SimStore::new(SyncMode::Manual);
    let calls = Calls::default();
    store.append(GROUP, vec![record(1)], note(&calls, "first"));
    store.append(GROUP, vec![record(2)], note(&calls, "second"));
    store.save_vote(GROUP, Bytes::from_static(b"vote"), note(&calls, "vote"));
    assert_eq!(*calls.lock(), []);
    assert_eq!(store.read_log(GROUP, 1..3, usize::MAX).unwrap().len(), 2);
    assert_eq!(store.sync(), 3);
    assert_eq!(*calls.lock(), [("second", true), ("vote", true)]);
}

#[test]
fn a_crash_keeps_a_prefix_and_calls_nothing() {
    let store = SimStore::new(SyncMode::Manual);
    let calls = Calls::default();
    store.append(GROUP, vec![record(1)], note(&calls, "synced"));
    store.sync();
    store.append(GROUP, vec![record(2)], note(&calls, "kept"));
    store.append(GROUP, vec![record(3)], note(&calls, "lost"));
    store.crash(1);
    assert_eq!(*calls.lock(), [("synced", true)]);
    let state = store.recover(GROUP).unwrap();
    assert_eq!(state.first_index, Some(1));
    assert_eq!(state.last, Some(record(2)));
    store.append(GROUP, vec![record(3)], note(&calls, "again"));
    store.sync();
    assert_eq!(calls.lock().last(), Some(&("again", true)));
}

#[test]
fn a_failed_sync_fails_all_that_waits_and_all_that_comes_until_a_restart() {
    let store = SimStore::new(SyncMode::Manual);
    let calls = Calls::default();
    store.append(GROUP, vec![record(1)], note(&calls, "append"));
    store.barrier(note(&calls, "barrier"));
    store.fail_next_sync();
    store.sync_some(1);
    store.save_vote(GROUP, Bytes::from_static(b"v"), note(&calls, "vote"));
    store.sync();
    assert_eq!(*calls.lock(), [("append", false), ("barrier", false), ("vote", false)]);
    assert!(store.write_node_value("id", Bytes::from_static(b"1")).is_err());
    store.crash(0);
    assert_eq!(store.recover(GROUP).unwrap(), GroupState::default());
    store.write_node_value("id", Bytes::from_static(b"2")).unwrap();
    assert_eq!(store.read_node_value("id").unwrap(), Some(Bytes::from_static(b"2")));
}

#[test]
fn in_immediate_mode_completions_are_called_at_once_and_may_use_the_store() {
    let store = Arc::new(SimStore::new(SyncMode::Immediate));
    let inner = Arc::clone(&store);
    let calls = Calls::default();
    let noted = note(&calls, "read");
    store.append(
        GROUP,
        vec![record(5)],
        Box::new(move |result| {
            assert_eq!(inner.read_blob(GROUP, 5).unwrap(), Some(record(5).blob));
            noted(result);
        }),
    );
    assert_eq!(*calls.lock(), [("read", true)]);
    assert_eq!(store.queued_bytes(), 0);
}
