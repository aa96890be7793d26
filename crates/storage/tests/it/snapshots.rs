//! Checkpoints and snapshots: replaced as a whole, small or large, and what they let go.

use bytes::Bytes;
use storage::{Checkpoint, InstalledSnapshot, LogStore};
use types::GroupId;

use crate::support::{append, barrier, open, open_sabotaged, record, records, until, wait, waiter};

const A: GroupId = GroupId(1);
const B: GroupId = GroupId(2);

fn checkpoint(meta: &'static str, segments: u64, segment_bytes: usize) -> Checkpoint {
    let segment = Bytes::from(meta.as_bytes()[..1].repeat(segment_bytes));
    Checkpoint { meta: Bytes::from(meta), segments: (0..segments).map(|n| (n * 3, segment.clone())).collect() }
}

#[test]
fn a_checkpoint_replaces_the_one_before_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for meta in ["one", "two", "three"] {
        let store = open(folder.path());
        let next = checkpoint(meta, u64::try_from(meta.len()).unwrap(), 10);
        wait(|done| store.write_checkpoint(A, next.clone(), done)).unwrap();
        assert_eq!(store.read_checkpoint(A).unwrap(), Some(next));
        assert_eq!(store.read_checkpoint(B).unwrap(), None);
    }
    let store = open(folder.path());
    assert_eq!(store.recover(A).unwrap().checkpoint.as_deref(), Some(&b"three"[..]));
    assert_eq!(store.read_checkpoint(A).unwrap(), Some(checkpoint("three", 5, 10)));
}

#[test]
fn segments_are_read_back_by_ascending_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let segment = |n: u64| (n, Bytes::from(n.to_string()));
    let mixed =
        Checkpoint { meta: Bytes::new(), segments: vec![segment(u64::MAX), segment(0), segment(256), segment(9)] };
    wait(|done| store.write_checkpoint(A, mixed, done)).unwrap();
    let read = store.read_checkpoint(A).unwrap().unwrap();
    assert_eq!(read.segments, [segment(0), segment(9), segment(256), segment(u64::MAX)]);
}

#[test]
fn a_large_checkpoint_does_not_hold_back_other_groups_but_the_purge_that_relies_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, saboteur, _) = open_sabotaged(folder.path());
    append(&*store, A, records(1..101, 10));
    saboteur.hold_syncs();
    let large = checkpoint("large", 40, 1 << 20);
    let (done, switched) = waiter();
    store.write_checkpoint(A, large.clone(), done);
    store.purge(A, 100, Bytes::from_static(b"at 100"));
    store.append(B, records(1..2, 10), Box::new(drop));
    store.append(A, records(101..102, 10), Box::new(drop));
    until("appends beside the checkpoint", || {
        store.read_log(B, 1..2, 1).is_ok() && store.read_log(A, 101..102, 1).is_ok()
    });
    // The first part waits for its sync, so the switch cannot have come, nor the purge.
    assert!(store.read_checkpoint(A).unwrap().is_none());
    assert!(store.read_log(A, 1..2, 1).is_ok());
    saboteur.release();
    switched.recv().unwrap().unwrap();
    barrier(&*store);
    assert_eq!(store.read_checkpoint(A).unwrap(), Some(large));
    assert_eq!(store.recover(A).unwrap().first_index, Some(101));
}

#[test]
fn a_barrier_waits_for_a_large_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (one, two) = (checkpoint("1", 12, 1 << 20), checkpoint("2", 12, 1 << 20));
    store.write_checkpoint(A, one, Box::new(drop));
    store.write_checkpoint(B, checkpoint("b", 12, 1 << 20), Box::new(drop));
    store.write_checkpoint(A, two.clone(), Box::new(drop));
    barrier(&*store);
    assert_eq!(store.read_checkpoint(A).unwrap(), Some(two));
    assert_eq!(store.read_checkpoint(B).unwrap(), Some(checkpoint("b", 12, 1 << 20)));
}

#[test]
fn dropping_the_store_finishes_a_large_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.write_checkpoint(A, checkpoint("large", 20, 1 << 20), Box::new(drop));
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.read_checkpoint(A).unwrap(), Some(checkpoint("large", 20, 1 << 20)));
}

#[test]
fn an_installed_snapshot_replaces_log_and_checkpoint_and_keeps_live_blobs() {
    for segments in [3, 3000] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        append(&*store, A, records(1..1001, 10));
        wait(|done| store.write_checkpoint(A, checkpoint("old", 2, 10), done)).unwrap();
        let staged = [950, 1500, 1501].map(|index| (index, Bytes::from_static(b"staged")));
        store.put_blobs(A, staged.to_vec());
        // openraft truncates a log that conflicts with the snapshot between transfer and installation.
        wait(|done| store.truncate_after(A, Some(900), done)).unwrap();
        let snapshot = InstalledSnapshot {
            up_to: 2000,
            last_purged: Bytes::from_static(b"at 2000"),
            checkpoint: checkpoint("snapshot", segments, 2000),
            live: vec![5, 6, 700, 950, 1500],
        };
        let installed = snapshot.checkpoint.clone();
        let (done, result) = waiter();
        store.install_snapshot(A, snapshot, done);
        // The log goes on behind the snapshot, whether that is written at once or in parts.
        append(&*store, A, records(2001..2003, 10));
        result.recv().unwrap().unwrap();
        let there: Vec<u64> = (0..2000).filter(|index| store.read_blob(A, *index).unwrap().is_some()).collect();
        assert_eq!(there, [5, 6, 700, 950, 1500]);
        assert_eq!(store.read_blob(A, 950).unwrap().as_deref(), Some(&b"staged"[..]));
        drop(store);

        let store = open(folder.path());
        let state = store.recover(A).unwrap();
        assert_eq!((state.first_index, state.last), (Some(2001), Some(record(2002, 10))));
        assert_eq!(state.last_purged.as_deref(), Some(&b"at 2000"[..]));
        assert_eq!(store.read_checkpoint(A).unwrap(), Some(installed));
    }
}

#[test]
fn log_entries_above_an_installed_snapshot_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&*store, A, records(1..21, 10));
    let snapshot = InstalledSnapshot {
        up_to: 15,
        last_purged: Bytes::from_static(b"at 15"),
        checkpoint: checkpoint("snapshot", 1, 10),
        live: vec![2],
    };
    wait(|done| store.install_snapshot(A, snapshot, done)).unwrap();
    assert_eq!(store.read_log(A, 16..21, usize::MAX).unwrap(), records(16..21, 10));
    assert!(store.read_log(A, 15..16, 1).is_err());
    assert_eq!(store.read_blob(A, 2).unwrap(), Some(record(2, 10).blob));
    assert_eq!(store.read_blob(A, 15).unwrap(), None);
}

#[test]
fn blobs_of_an_unfinished_transfer_go_with_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path());
        append(&*store, A, records(1..5, 10));
        store.put_blobs(A, vec![(3, record(3, 10).blob), (9, Bytes::from_static(b"staged"))]);
        barrier(&*store);
        assert!(store.read_blob(A, 9).unwrap().is_some());
    }
    let store = open(folder.path());
    store.recover(A).unwrap();
    barrier(&*store);
    assert_eq!(store.read_blob(A, 9).unwrap(), None);
    assert_eq!(store.read_blob(A, 3).unwrap(), Some(record(3, 10).blob));
}

#[test]
fn an_append_without_a_blob_does_not_inherit_a_staged_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&*store, A, records(1..2, 10));
    store.put_blobs(A, vec![(2, Bytes::from_static(b"staged"))]);
    append(&*store, A, records(2..3, 0));
    assert_eq!(store.read_log(A, 2..3, 1).unwrap(), [record(2, 0)]);
}
