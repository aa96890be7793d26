//! A disk in memory that can hang, and that can be full of what waits.

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytes::Bytes;
use parking_lot::Mutex;
use storage::{
    Checkpoint, Completion, Error, GroupState, InstalledSnapshot, LogRecord, LogStore,
    sim::{SimStore, SyncMode},
};
use types::GroupId;

type Held = Box<dyn FnOnce(&SimStore) + Send>;

/// The disk.
pub(crate) struct Gate {
    store: SimStore,
    /// What waits while the disk hangs.
    held: Mutex<Option<Vec<Held>>>,
    full: AtomicBool,
    installed: AtomicUsize,
    fails: AtomicBool,
}

impl Default for Gate {
    fn default() -> Self {
        Gate {
            store: SimStore::new(SyncMode::Immediate),
            held: Mutex::default(),
            full: AtomicBool::new(false),
            installed: AtomicUsize::new(0),
            fails: AtomicBool::new(false),
        }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Gate {
    /// The process is gone, with what it waited for.
    pub(crate) fn restart(&self) {
        drop(self.held.lock().take());
        self.store.crash(usize::MAX);
    }

    /// From now on nothing is written and nothing completes.
    pub(crate) fn hang(&self) {
        self.held.lock().get_or_insert_default();
    }

    /// The disk works again, on what has waited first.
    pub(crate) fn resume(&self) {
        let mut held = self.held.lock();
        for write in held.take().unwrap_or_default() {
            write(&self.store);
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.held.lock().as_ref().map_or(0, Vec::len)
    }

    /// Whether so much waits for the disk that no more should come.
    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// Whether no checkpoint can be written.
    pub(crate) fn fail_checkpoints(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// Snapshots that were installed.
    pub(crate) fn installed(&self) -> usize {
        self.installed.load(Ordering::SeqCst)
    }

    fn write(&self, write: impl FnOnce(&SimStore) + Send + 'static) {
        let mut held = self.held.lock();
        match held.as_mut() {
            Some(held) => held.push(Box::new(write)),
            // Under the lock, so that it is written after what has waited.
            None => write(&self.store),
        }
    }
}

impl LogStore for Gate {
    fn append(&self, group: GroupId, records: Vec<LogRecord>, done: Completion) {
        self.write(move |store| store.append(group, records, done));
    }

    fn save_vote(&self, group: GroupId, vote: Bytes, done: Completion) {
        self.write(move |store| store.save_vote(group, vote, done));
    }

    fn save_committed(&self, group: GroupId, committed: Bytes) {
        self.write(move |store| store.save_committed(group, committed));
    }

    fn forget(&self, group: GroupId, done: Completion) {
        self.write(move |store| store.forget(group, done));
    }

    fn truncate_after(&self, group: GroupId, last_kept: Option<u64>, done: Completion) {
        self.write(move |store| store.truncate_after(group, last_kept, done));
    }

    fn purge(&self, group: GroupId, up_to: u64, last_purged: Bytes) {
        self.write(move |store| store.purge(group, up_to, last_purged));
    }

    fn delete_blobs(&self, group: GroupId, indexes: Vec<u64>) {
        self.write(move |store| store.delete_blobs(group, indexes));
    }

    fn put_blobs(&self, group: GroupId, blobs: Vec<(u64, Bytes)>) {
        self.write(move |store| store.put_blobs(group, blobs));
    }

    fn write_checkpoint(&self, group: GroupId, checkpoint: Checkpoint, done: Completion) {
        if self.fails.load(Ordering::SeqCst) {
            return done(Err(Error::Closed));
        }
        self.write(move |store| store.write_checkpoint(group, checkpoint, done));
    }

    fn install_snapshot(&self, group: GroupId, snapshot: InstalledSnapshot, done: Completion) {
        self.installed.fetch_add(1, Ordering::SeqCst);
        self.write(move |store| store.install_snapshot(group, snapshot, done));
    }

    fn barrier(&self, done: Completion) {
        self.write(move |store| store.barrier(done));
    }

    fn recover(&self, group: GroupId) -> Result<GroupState, Error> {
        self.store.recover(group)
    }

    fn read_log(&self, group: GroupId, range: Range<u64>, max_bytes: usize) -> Result<Vec<LogRecord>, Error> {
        self.store.read_log(group, range, max_bytes)
    }

    fn read_blob(&self, group: GroupId, index: u64) -> Result<Option<Bytes>, Error> {
        self.store.read_blob(group, index)
    }

    fn read_checkpoint(&self, group: GroupId) -> Result<Option<Checkpoint>, Error> {
        self.store.read_checkpoint(group)
    }

    fn read_node_value(&self, name: &str) -> Result<Option<Bytes>, Error> {
        self.store.read_node_value(name)
    }

    fn write_node_value(&self, name: &str, value: Bytes) -> Result<(), Error> {
        self.store.write_node_value(name, value)
    }

    fn queued_bytes(&self) -> usize {
        if self.full.load(Ordering::SeqCst) { usize::MAX } else { self.store.queued_bytes() }
    }

    fn is_in_memory(&self) -> bool {
        true
    }

    fn stalled_ms(&self) -> u64 {
        // It is not said for how long; long enough.
        if self.held.lock().as_ref().is_some_and(|held| !held.is_empty()) { 10_000 } else { 0 }
    }
}
