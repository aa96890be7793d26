//! One run of dependent operations, cut off at each of its writes: what is found afterwards always fits together.

use std::io;

use bytes::Bytes;
use storage::{Checkpoint, InstalledSnapshot, LogStore, RocksStore};
use types::GroupId;

use crate::support::{ignore, open, open_sabotaged, records, wait, waiter};

const A: GroupId = GroupId(1);
const B: GroupId = GroupId(2);
/// More than the run below ever writes.
const WRITES_MAX: usize = 60;

fn checkpoint(meta: &'static str, segments: u64, segment_bytes: usize) -> Checkpoint {
    let segment = Bytes::from(meta.as_bytes()[..1].repeat(segment_bytes));
    Checkpoint { meta: Bytes::from(meta), segments: (0..segments).map(|n| (n, segment.clone())).collect() }
}

fn small() -> Checkpoint {
    checkpoint("small", 2, 10)
}

fn large() -> Checkpoint {
    checkpoint("large", 6, 1 << 20)
}

fn snapshot() -> InstalledSnapshot {
    InstalledSnapshot {
        up_to: 30,
        last_purged: Bytes::from_static(b"at 30"),
        checkpoint: checkpoint("taken over", 5, 1 << 20),
        live: vec![2, 25],
    }
}

/// Everything waits for the one before where a real node would wait, and is queued together where it would not.
fn run(store: &RocksStore) {
    store.append(A, records(1..11, 100), ignore());
    store.write_checkpoint(A, small(), ignore());
    store.append(B, records(1..5, 100), ignore());
    store.write_checkpoint(A, large(), ignore());
    store.purge(A, 10, Bytes::from_static(b"at 10"));
    store.append(A, records(11..13, 100), ignore());
    let (done, barrier) = waiter();
    store.barrier(done);
    drop(barrier.recv());
    store.put_blobs(A, vec![(25, Bytes::from_static(b"live")), (26, Bytes::from_static(b"dead"))]);
    store.install_snapshot(A, snapshot(), ignore());
    store.append(A, records(31..33, 100), ignore());
    let (done, barrier) = waiter();
    store.barrier(done);
    drop(barrier.recv());
}

fn check(store: &RocksStore, cut: usize) {
    let state = store.recover(A).unwrap();
    let current = store.read_checkpoint(A).unwrap();
    match state.checkpoint.as_deref() {
        None => assert_eq!(current, None, "cut {cut}"),
        Some(b"small") => assert_eq!(current, Some(small()), "cut {cut}"),
        Some(b"large") => assert_eq!(current, Some(large()), "cut {cut}"),
        Some(b"taken over") => assert_eq!(current, Some(snapshot().checkpoint), "cut {cut}"),
        Some(other) => panic!("cut {cut}: checkpoint {other:?}"),
    }
    let last = state.last.as_ref().map(|last| last.index);
    match (state.last_purged.as_deref(), state.checkpoint.as_deref()) {
        (None, None | Some(b"small" | b"large")) => assert!(state.first_index.is_none_or(|first| first == 1)),
        (Some(b"at 10"), Some(b"large")) => assert!(state.first_index.is_none_or(|first| first == 11)),
        (Some(b"at 30"), Some(b"taken over")) => {
            assert!(state.first_index.is_none_or(|first| first == 31));
            let there: Vec<u64> = (0..31).filter(|index| store.read_blob(A, *index).unwrap().is_some()).collect();
            assert_eq!(there, [2, 25], "cut {cut}");
        }
        (purged, checkpoint) => panic!("cut {cut}: purged {purged:?} with checkpoint {checkpoint:?}"),
    }
    if let (Some(first), Some(last)) = (state.first_index, last) {
        store.read_log(A, first..last + 1, usize::MAX).unwrap();
    }
}

/// Parts of a checkpoint that was never finished are in nobody's way.
fn check_next_checkpoint(store: &RocksStore) {
    let next = checkpoint("next", 1, 10);
    wait(|done| store.write_checkpoint(A, next.clone(), done)).unwrap();
    assert_eq!(store.read_checkpoint(A).unwrap(), Some(next));
}

#[test]
fn whatever_write_is_the_last_the_log_fits_its_checkpoint() {
    for cut in 0..WRITES_MAX {
        let folder = tempfile::tempdir().unwrap();
        let (store, saboteur, fatal) = open_sabotaged(folder.path());
        saboteur.fail_from_write(cut, io::ErrorKind::Other);
        run(&store);
        let finished = fatal.load(std::sync::atomic::Ordering::SeqCst) == 0;
        drop(store);
        let store = open(folder.path());
        check(&store, cut);
        check_next_checkpoint(&store);
        if finished {
            assert_eq!(store.recover(A).unwrap().last.map(|last| last.index), Some(32));
            assert!(cut > 10, "the run has more than {cut} writes");
            return;
        }
    }
    panic!("the run has more than {WRITES_MAX} writes");
}
