//! Disk space comes back when the store is quiet, whatever was left in the middle.

use std::{sync::Arc, time::Duration};

use storage::{LogStore, RocksStore};
use types::GroupId;

use crate::support::{DEADLINE, append, barrier, options, records, until, wait};

const A: GroupId = GroupId(1);
const ENTRIES: u64 = 1500;
const MIB: u64 = 1 << 20;
/// What a quiet store of this size may keep: its log and those for recycling, and what is not worth a compaction.
const LEFT_BYTES_MAX: u64 = 48 * MIB;

fn open(folder: &std::path::Path) -> Arc<RocksStore> {
    let mut options = options();
    options.quiet_after = Duration::from_millis(100);
    RocksStore::open(folder, options).unwrap()
}

/// Waits until the store is small; its bound is generous against what was written.
fn shrinks(store: &RocksStore) {
    let start = std::time::Instant::now();
    while store.disk_bytes().unwrap() > LEFT_BYTES_MAX {
        let bytes = store.disk_bytes().unwrap();
        assert!(start.elapsed() < DEADLINE, "{} MiB are left: {:?}", bytes / MIB, store.statistics());
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn fill(store: &RocksStore, blob_bytes: usize) {
    for first in (1..ENTRIES).step_by(50) {
        append(store, A, records(first..(first + 50), blob_bytes));
    }
}

#[test]
fn space_of_consumed_messages_comes_back() {
    for blob_bytes in [3 << 10, 64 << 10] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        fill(&store, blob_bytes);
        store.delete_blobs(A, (1..=ENTRIES).collect());
        barrier(&*store);
        shrinks(&store);
    }
}

#[test]
fn one_message_that_is_never_settled_holds_nothing_but_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    fill(&store, 64 << 10);
    store.delete_blobs(A, (1..=ENTRIES).filter(|index| *index != 7).collect());
    barrier(&*store);
    shrinks(&store);
    assert_eq!(store.read_blob(A, 7).unwrap().unwrap().len(), 64 << 10);
}

#[test]
fn what_lives_among_the_dead_is_moved_when_the_store_is_quiet() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    fill(&store, 64 << 10);
    until("the backlog is in files", || store.statistics().blob_files_bytes > 80 * MIB);
    store.delete_blobs(A, (1..=ENTRIES).filter(|index| index % 16 != 7).collect());
    barrier(&*store);
    shrinks(&store);
    assert!(store.statistics().blob_relocated_bytes < 32 * MIB, "{:?}", store.statistics());
}

#[test]
fn what_lives_among_the_dead_is_moved_under_load() {
    const BATCH: u64 = 50;
    const LATER: u64 = 800;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut first = 1;
    let written = |first| first * (64 << 10);
    // Of what is older than 50 MiB the sixteenth part lives, some in each file.
    while written(first) < 200 * MIB || store.statistics().blob_files_bytes > written(first) / 2 {
        append(&*store, A, records(first..first + BATCH, 64 << 10));
        let old = first.saturating_sub(LATER);
        store.delete_blobs(A, (old..old + BATCH).filter(|index| index % 16 != 7).collect());
        barrier(&*store);
        first += BATCH;
        assert!(written(first) < 1024 * MIB, "{:?}", store.statistics());
    }
    assert!(store.statistics().blob_relocated_bytes > 0, "{:?}", store.statistics());
}

#[test]
fn space_comes_back_of_a_backlog_that_lay_in_tables_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    fill(&store, 64 << 10);
    // Until nothing but what lives is there, and the log is short.
    until("the backlog is in tables", || store.statistics().blob_files_bytes > 80 * MIB);
    drop(store);
    let store = open(folder.path());
    store.delete_blobs(A, (1..=ENTRIES).collect());
    barrier(&*store);
    shrinks(&store);
}

#[test]
fn space_comes_back_of_messages_that_were_consumed_before_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    fill(&store, 64 << 10);
    store.delete_blobs(A, (1..=ENTRIES).filter(|index| index % 500 != 7).collect());
    barrier(&*store);
    drop(store);
    shrinks(&open(folder.path()));
}

#[test]
fn old_checkpoints_and_purged_logs_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for round in 0..40_u64 {
        let first = round * 100 + 1;
        append(&*store, A, records(first..first + 100, 0));
        let segments = (0..100).map(|n| (n, vec![u8::try_from(round).unwrap(); 20_000].into())).collect();
        let checkpoint = storage::Checkpoint { meta: vec![1].into(), segments };
        wait(|done| store.write_checkpoint(A, checkpoint, done)).unwrap();
        store.purge(A, first + 50, vec![2].into());
    }
    barrier(&*store);
    shrinks(&store);
    assert_eq!(store.read_checkpoint(A).unwrap().unwrap().segments.len(), 100);
}
