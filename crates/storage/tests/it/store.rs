//! What is written is read back, now and after a restart, and what is deleted is gone.

use std::{fs, sync::atomic::Ordering};

use bytes::Bytes;
use storage::{Checkpoint, Error, GroupState, LogStore, RocksStore};
use types::GroupId;

use crate::support::{
    Calls, append, barrier, ignore, open, open_sabotaged, options, record, records, until, wait, waiter,
};

const A: GroupId = GroupId(1);
const B: GroupId = GroupId(2);

#[test]
fn a_new_store_knows_nothing_of_a_group() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(store.recover(A).unwrap(), GroupState::default());
    assert_eq!(store.read_checkpoint(A).unwrap(), None);
    assert_eq!(store.read_blob(A, 1).unwrap(), None);
    assert!(matches!(store.read_log(A, 3..5, 1), Err(Error::Missing { index: 3, .. })));
    assert_eq!(store.read_log(A, 3..3, 1).unwrap(), []);
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path());
        append(&*store, A, records(1..20, 5000));
        append(&*store, B, records(0..3, 0));
        wait(|done| store.save_vote(A, Bytes::from_static(b"vote"), done)).unwrap();
        store.save_committed(A, Bytes::from_static(b"committed"));
        store.write_node_value("uuid", Bytes::from_static(b"me")).unwrap();
    }
    let store = open(folder.path());
    let state = store.recover(A).unwrap();
    assert_eq!(state.vote.as_deref(), Some(&b"vote"[..]));
    assert_eq!(state.committed.as_deref(), Some(&b"committed"[..]));
    assert_eq!((state.first_index, state.last), (Some(1), Some(record(19, 5000))));
    assert_eq!(store.read_log(A, 1..20, usize::MAX).unwrap(), records(1..20, 5000));
    assert_eq!(store.recover(B).unwrap().last, Some(record(2, 0)));
    assert_eq!(store.read_node_value("uuid").unwrap().as_deref(), Some(&b"me"[..]));
    assert_eq!(store.read_node_value("other").unwrap(), None);
}

#[test]
fn a_read_is_cut_at_its_bytes_but_has_at_least_one_entry() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&*store, A, records(1..10, 1000));
    assert_eq!(store.read_log(A, 2..10, 1).unwrap(), [record(2, 1000)]);
    assert_eq!(store.read_log(A, 2..10, 1500).unwrap(), records(2..4, 1000));
    assert!(matches!(store.read_log(A, 8..11, usize::MAX), Err(Error::Missing { index: 10, .. })));
}

#[test]
fn an_append_that_leaves_a_gap_is_refused_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&*store, A, records(1..4, 10));
    let refused = wait(|done| store.append(A, records(5..6, 10), done)).unwrap_err();
    assert!(matches!(refused, Error::OutOfOrder { expected: 4, found: 5, .. }));
    append(&*store, A, records(4..6, 10));
    assert_eq!(store.read_log(A, 1..6, usize::MAX).unwrap(), records(1..6, 10));
}

#[test]
fn truncation_takes_heads_and_blobs_above_and_the_log_goes_on_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&*store, A, records(1..1000, 10));
    wait(|done| store.truncate_after(A, Some(500), done)).unwrap();
    assert_eq!(store.read_blob(A, 500).unwrap(), Some(record(500, 10).blob));
    assert!((501..1000).all(|index| store.read_blob(A, index).unwrap().is_none()));
    append(&*store, A, records(501..503, 20));
    assert_eq!(store.recover(A).unwrap().last, Some(record(502, 20)));
    wait(|done| store.truncate_after(A, None, done)).unwrap();
    assert_eq!(store.recover(A).unwrap(), GroupState::default());
    append(&*store, A, records(0..1, 0));
}

#[test]
fn purge_takes_heads_and_leaves_blobs() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path());
        append(&*store, A, records(1..1001, 10));
        store.purge(A, 600, Bytes::from_static(b"at 600"));
        store.purge(A, 400, Bytes::from_static(b"late"));
        barrier(&*store);
        assert!(matches!(store.read_log(A, 600..602, usize::MAX), Err(Error::Missing { index: 600, .. })));
        assert_eq!(store.read_blob(A, 600).unwrap(), Some(record(600, 10).blob));
    }
    let store = open(folder.path());
    let state = store.recover(A).unwrap();
    assert_eq!(state.last_purged.as_deref(), Some(&b"at 600"[..]));
    assert_eq!((state.first_index, state.last), (Some(601), Some(record(1000, 10))));
    store.purge(A, 1000, Bytes::from_static(b"at 1000"));
    append(&*store, A, records(1001..1002, 10));
    assert_eq!(store.recover(A).unwrap().first_index, Some(1001));
}

#[test]
fn deleted_blobs_are_gone_and_their_entries_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&*store, A, records(1..1001, 100));
    append(&*store, B, records(1..1001, 100));
    let dead: Vec<u64> = (100..800).chain([3, 900, 1000]).collect();
    store.delete_blobs(A, dead.clone());
    barrier(&*store);
    for index in 1..1001 {
        assert_eq!(store.read_blob(A, index).unwrap().is_none(), dead.contains(&index), "blob {index}");
        assert!(store.read_blob(B, index).unwrap().is_some(), "another group's blob {index}");
    }
    let read = store.read_log(A, 99..101, usize::MAX).unwrap();
    assert_eq!((read[0].blob.len(), read[1].blob.len()), (100, 0));
}

#[test]
fn completions_of_one_sync_come_in_order_with_the_newest_append_of_each_group() {
    let folder = tempfile::tempdir().unwrap();
    let (store, saboteur, _) = open_sabotaged(folder.path());
    let calls = Calls::default();
    saboteur.hold_syncs();
    store.append(A, records(1..2, 10), calls.note("first sync"));
    saboteur.wait_held();
    store.append(A, records(2..3, 10), calls.note("a 2"));
    store.append(B, records(1..2, 10), calls.note("b 1"));
    store.save_vote(A, Bytes::from_static(b"v"), calls.note("vote"));
    store.append(A, records(3..4, 10), calls.note("a 3"));
    store.truncate_after(B, Some(1), calls.note("truncate"));
    // The next batches are written while the sync runs.
    until("writing during a sync", || store.read_log(A, 3..4, usize::MAX).is_ok());
    until("an empty queue", || store.queued_bytes() == 0);
    assert_eq!(calls.seen(), []);
    let (done, result) = waiter();
    store.barrier(done);
    saboteur.release();
    result.recv().unwrap().unwrap();
    let expected = ["first sync", "b 1", "vote", "a 3", "truncate"].map(|name| (name, true));
    assert_eq!(calls.seen(), expected);
}

#[test]
fn nothing_is_synced_for_what_nobody_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    let (store, saboteur, _) = open_sabotaged(folder.path());
    store.save_committed(A, Bytes::from_static(b"1"));
    store.put_blobs(A, vec![(4, Bytes::from_static(b"blob"))]);
    until("writing without a sync", || store.read_blob(A, 4).unwrap().is_some());
    assert_eq!(saboteur.syncs.load(Ordering::SeqCst), 0);
    barrier(&*store);
    assert_eq!(saboteur.syncs.load(Ordering::SeqCst), 1);
}

#[test]
fn a_folder_in_use_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let error = RocksStore::open(folder.path(), options()).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains(folder.path().to_str().unwrap()));
    drop(store);
    drop(open(folder.path()));
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"not a folder").unwrap();
    assert!(matches!(RocksStore::open(file.join("data"), options()), Err(Error::Disk { .. })));
}

#[test]
fn statistics_count_what_the_disk_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&*store, A, records(1..65, 64 * 1024));
    let statistics = store.statistics();
    assert!(statistics.wal_bytes >= 64 * 64 * 1024, "{statistics:?}");
    assert!(statistics.wal_bytes < 80 * 64 * 1024, "{statistics:?}");
    assert!(statistics.memtable_bytes > 0);
    assert!(store.free_bytes().unwrap() > 0);
    assert_eq!(store.queued_bytes(), 0);
    store.append(A, Vec::new(), ignore());
}

#[test]
fn heads_are_read_without_their_bodies() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&*store, A, records(1..8, 100));
    let heads = |records: Vec<storage::LogRecord>| records.into_iter().map(|r| (r.index, r.head)).collect::<Vec<_>>();
    let read = store.read_heads(A, 2..6, usize::MAX).unwrap();
    assert!(read.iter().all(|record| record.blob.is_empty()));
    assert_eq!(heads(read), heads(store.read_log(A, 2..6, usize::MAX).unwrap()));
    assert_eq!(store.read_heads(A, 2..6, 1).unwrap().len(), 1);
    assert!(matches!(store.read_heads(A, 6..9, usize::MAX), Err(Error::Missing { index: 8, .. })));
}

#[test]
fn a_group_that_is_forgotten_is_gone_for_good_and_may_begin_anew() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path());
        for group in [A, B] {
            append(&*store, group, records(1..600, 100));
            wait(|done| store.save_vote(group, Bytes::from_static(b"vote"), done)).unwrap();
            store.save_committed(group, Bytes::from_static(b"committed"));
            let checkpoint =
                Checkpoint { meta: Bytes::from_static(b"m"), segments: vec![(3, Bytes::from_static(b"s"))] };
            wait(|done| store.write_checkpoint(group, checkpoint.clone(), done)).unwrap();
            store.purge(group, 5, Bytes::from_static(b"at 5"));
            store.put_blobs(group, vec![(900, Bytes::from_static(b"staged"))]);
        }
        wait(|done| store.forget(A, done)).unwrap();
        assert_eq!(store.read_blob(A, 900).unwrap(), None);
        append(&*store, A, records(0..1, 10));
        wait(|done| store.forget(A, done)).unwrap();
    }
    let store = open(folder.path());
    assert_eq!(store.recover(A).unwrap(), GroupState::default());
    assert_eq!(store.read_blob(A, 30).unwrap(), None);
    assert_eq!(store.read_checkpoint(A).unwrap(), None);
    assert_eq!(store.read_log(B, 6..600, usize::MAX).unwrap(), records(6..600, 100));
    append(&*store, A, records(7..9, 10));
    assert_eq!(store.recover(A).unwrap().first_index, Some(7));
}
