//! Failing and stalling disks: nothing is acknowledged that is not durable, nothing is tried again.

use std::{io, sync::atomic::Ordering};

use bytes::Bytes;
use storage::{Error, LogStore};
use types::GroupId;

use crate::support::{Calls, append, open, open_sabotaged, record, records, until, wait, waiter};

const A: GroupId = GroupId(1);
const B: GroupId = GroupId(2);

#[test]
fn a_failed_sync_fails_everything_for_good_and_reports_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, saboteur, fatal) = open_sabotaged(folder.path());
    append(&*store, A, records(1..2, 10));
    let calls = Calls::default();
    saboteur.hold_syncs();
    store.append(A, records(2..3, 10), calls.note("a"));
    saboteur.wait_held();
    store.append(B, records(1..2, 10), calls.note("b"));
    store.save_vote(B, Bytes::from_static(b"v"), calls.note("vote"));
    saboteur.fail_syncs();
    saboteur.release();
    let error = wait(|done| store.barrier(done)).unwrap_err();
    assert!(matches!(error, Error::Disk { .. }) && !error.is_disk_full());
    assert_eq!(calls.seen(), [("a", false), ("b", false), ("vote", false)]);

    let syncs = saboteur.syncs.load(Ordering::SeqCst);
    assert!(wait(|done| store.append(A, records(3..4, 10), done)).is_err());
    assert!(wait(|done| store.truncate_after(A, None, done)).is_err());
    assert!(wait(|done| store.write_checkpoint(A, storage::Checkpoint::default(), done)).is_err());
    assert!(store.write_node_value("id", Bytes::new()).is_err());
    assert_eq!(saboteur.syncs.load(Ordering::SeqCst), syncs, "a failed sync is never tried again");
    assert_eq!(fatal.load(Ordering::SeqCst), 1);
    assert_eq!((store.queued_bytes(), store.stalled_ms()), (0, 0));
    drop(store);

    let store = open(folder.path());
    assert!(store.recover(A).unwrap().last.is_some_and(|last| last.index <= 2));
    assert_eq!(store.read_log(A, 1..2, 1).unwrap(), [record(1, 10)]);
}

#[test]
fn a_full_disk_stops_the_store_and_leaves_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (store, saboteur, fatal) = open_sabotaged(folder.path());
    append(&*store, A, records(1..4, 10));
    saboteur.fail_from_write(0, io::ErrorKind::StorageFull);
    let error = wait(|done| store.append(A, records(4..5, 10), done)).unwrap_err();
    assert!(error.is_disk_full(), "{error:?}");
    assert!(wait(|done| store.barrier(done)).is_err());
    assert_eq!(fatal.load(Ordering::SeqCst), 1);
    drop(store);
    assert_eq!(open(folder.path()).recover(A).unwrap().last, Some(record(3, 10)));
}

#[test]
fn a_stalled_sync_is_seen_as_long_as_somebody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (store, saboteur, _) = open_sabotaged(folder.path());
    append(&*store, A, records(1..2, 10));
    assert_eq!(store.stalled_ms(), 0);
    saboteur.hold_syncs();
    let (done, result) = waiter();
    store.append(A, records(2..3, 10), done);
    until("the stall", || store.stalled_ms() >= 20);
    saboteur.release();
    result.recv().unwrap().unwrap();
    assert_eq!(store.stalled_ms(), 0);
}

#[test]
fn the_last_handle_may_be_dropped_by_a_completion() {
    let folder = tempfile::tempdir().unwrap();
    let (store, saboteur, fatal) = open_sabotaged(folder.path());
    saboteur.hold_syncs();
    let held = std::sync::Arc::clone(&store);
    let (done, result) = waiter();
    store.append(
        A,
        records(1..2, 10),
        Box::new(move |r| {
            drop(held);
            done(r);
        }),
    );
    saboteur.wait_held();
    drop(store);
    saboteur.release();
    result.recv().unwrap().unwrap();
    until("the store is closed", || storage::RocksStore::open(folder.path(), crate::support::options()).is_ok());
    assert_eq!(fatal.load(Ordering::SeqCst), 0);
}
