//! What only a look into the database shows: foreign formats, damage, and that nothing is left behind.

use bytes::Bytes;
use types::GroupId;

use super::*;
use crate::{Checkpoint, Completion, InstalledSnapshot, LogRecord, LogStore, keys};

const GROUP: GroupId = GroupId(1);

fn open(path: &Path) -> Result<Arc<RocksStore>, Error> {
    let mut options = Options::new(Arc::new(|_| {}));
    options.memory_bytes = Options::MEMORY_BYTES_MIN;
    RocksStore::open(path, options)
}

fn wait(call: impl FnOnce(Completion)) {
    let (done, result) = bounded(1);
    call(Box::new(move |r| drop(done.send(r))));
    result.recv().unwrap().unwrap();
}

fn append(store: &RocksStore, indexes: std::ops::Range<u64>, blob_bytes: usize) {
    append_to(store, GROUP, indexes, blob_bytes);
}

fn append_to(store: &RocksStore, group: GroupId, indexes: std::ops::Range<u64>, blob_bytes: usize) {
    let blob = Bytes::from(vec![1; blob_bytes]);
    let records =
        indexes.map(|index| LogRecord { index, head: Bytes::from_static(b"head"), blob: blob.clone() }).collect();
    wait(|done| store.append(group, records, done));
}

fn count(store: &RocksStore, family: &str) -> usize {
    let family = store.disk.db.cf_handle(family).unwrap();
    store.disk.db.iterator_cf(family, rocksdb::IteratorMode::Start).map(Result::unwrap).count()
}

#[test]
fn a_folder_of_another_format_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path()).unwrap();
        store.disk.db.put(keys::FORMAT_KEY, b"2").unwrap();
    }
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(&error, Error::Format { found, known: 1, .. } if found == "2"));
    assert!(error.to_string().contains("format 2") && error.to_string().contains("format 1"), "{error}");
}

#[test]
fn a_folder_with_unknown_parts_is_refused_by_their_name() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        drop(rocksdb::DB::open_cf(&options, folder.path(), ["streams"]).unwrap());
    }
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Format { .. }) && error.to_string().contains("streams"), "{error}");
}

#[test]
fn a_hole_in_a_log_is_found_at_start_and_stops_the_store() {
    for (purged, hole) in [(None, 5), (Some(2), 3)] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).unwrap();
        append(&store, 1..10, 0);
        if let Some(up_to) = purged {
            store.purge(GROUP, up_to, Bytes::new());
            wait(|done| store.barrier(done));
        }
        store.recover(GROUP).unwrap();
        store.disk.db.delete_cf(store.disk.families().log, keys::entry(GROUP, hole)).unwrap();
        assert!(matches!(store.recover(GROUP), Err(Error::Missing { index, .. }) if index == hole));
        assert!(store.watch.failure().is_some_and(Error::is_damage));
    }
}

#[test]
fn a_missing_segment_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let checkpoint = Checkpoint { meta: Bytes::new(), segments: vec![(0, Bytes::new()), (1, Bytes::new())] };
    wait(|done| store.write_checkpoint(GROUP, checkpoint, done));
    store.disk.db.delete_cf(store.disk.families().checkpoint, keys::segment(GROUP, 1, 1)).unwrap();
    assert!(matches!(store.read_checkpoint(GROUP), Err(Error::Damaged { .. })));
}

#[test]
fn old_epochs_and_dead_entries_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    append(&store, 1..1001, 10);
    for segments in [5, 9, 2] {
        let segments = (0..segments).map(|n| (n * u64::MAX.div_ceil(9), Bytes::from_static(b"s"))).collect();
        wait(|done| store.write_checkpoint(GROUP, Checkpoint { meta: Bytes::new(), segments }, done));
    }
    assert_eq!(count(&store, keys::CF_CHECKPOINT), 2);
    store.purge(GROUP, 990, Bytes::new());
    store.delete_blobs(GROUP, (1..990).collect());
    wait(|done| store.barrier(done));
    assert_eq!((count(&store, keys::CF_LOG), count(&store, keys::CF_BODY)), (10, 11));
    let snapshot = InstalledSnapshot { up_to: 2000, live: vec![995], ..InstalledSnapshot::default() };
    wait(|done| store.install_snapshot(GROUP, snapshot, done));
    assert_eq!(count(&store, keys::CF_CHECKPOINT), 0);
    assert_eq!((count(&store, keys::CF_LOG), count(&store, keys::CF_BODY)), (0, 1));
}

#[test]
fn bodies_that_die_before_their_memtable_is_flushed_are_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    // 25 MiB, several times what the memtables of bodies hold; 256 KiB are alive at any time.
    for batch in 0..100 {
        append(&store, batch * 4..(batch + 1) * 4, 64 * 1024);
        store.delete_blobs(GROUP, (batch * 4..(batch + 1) * 4).collect());
    }
    wait(|done| store.barrier(done));
    store.disk.db.wait_for_compact(&rocksdb::WaitForCompactOptions::default()).unwrap();
    let statistics = store.statistics();
    let again = statistics.flush_bytes + statistics.compaction_write_bytes;
    assert!(statistics.wal_bytes > 25 << 20 && statistics.flush_bytes > 0, "{statistics:?}");
    assert!(again * 10 < statistics.wal_bytes, "{statistics:?}");
}

#[test]
fn a_backlog_that_grows_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    // 128 MiB, which is some twenty flushes, with a compaction for every other one: each table has a part of each group.
    for batch in 0..32 {
        for group in 1..=4 {
            append_to(&store, GroupId(group), batch * 16 + 1..batch * 16 + 17, 64 * 1024);
        }
    }
    store.disk.db.wait_for_compact(&rocksdb::WaitForCompactOptions::default()).unwrap();
    let statistics = store.statistics();
    assert!(statistics.blob_files_bytes > 64 << 20, "{statistics:?}");
    assert!(statistics.compaction_write_bytes < 1 << 20, "{statistics:?}");
}
