//! The store in memory, for tests and simulation: what is not synced yet is kept apart, so that a crash can lose any suffix.
//!
//! It reads and answers as [`RocksStore`](crate::RocksStore) does; a property test compares the two.

mod state;

use std::{
    collections::VecDeque,
    fmt,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use parking_lot::Mutex;
use types::GroupId;

use self::state::State;
use crate::{
    Checkpoint, Completion, Error, GroupState, InstalledSnapshot, LogRecord, LogStore,
    done::{Done, newest_appends},
    keys::{self, Tag},
    op::{InstallOp, Op},
};

/// When what was queued becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// At once: completions are called before the call that queued returns.
    Immediate,
    /// When [`SimStore::sync`] or [`SimStore::sync_some`] is called.
    Manual,
}

/// A [`LogStore`] in memory, with crashes and failing syncs on demand.
pub struct SimStore {
    mode: SyncMode,
    stalled_ms: AtomicU64,
    disk: Mutex<SimDisk>,
}

#[derive(Default)]
struct SimDisk {
    /// What a crash leaves.
    durable: State,
    /// What reads see: the durable state with all that is pending.
    written: State,
    pending: VecDeque<Op>,
    fail_next_sync: bool,
    failure: Option<Error>,
}

impl SimStore {
    /// An empty store.
    pub fn new(mode: SyncMode) -> Self {
        SimStore { mode, stalled_ms: AtomicU64::new(0), disk: Mutex::default() }
    }

    /// Operations that are not durable yet.
    pub fn pending(&self) -> usize {
        self.disk.lock().pending.len()
    }

    /// Makes everything durable and calls the completions; returns how many operations became durable.
    pub fn sync(&self) -> usize {
        self.sync_some(usize::MAX)
    }

    /// Makes the oldest pending operations durable, at most so many, and calls their completions as for one sync.
    pub fn sync_some(&self, operations: usize) -> usize {
        let (count, completions, failure) = self.disk.lock().sync(operations);
        call(completions, failure.as_ref());
        count
    }

    /// The machine stops: of what is pending, only the oldest `keep` operations are found after the restart. No completion is
    /// called. The store goes on as if it were opened again; a failed sync is forgotten.
    pub fn crash(&self, keep: usize) {
        // Completions may hold anything; they are dropped when the lock is not held any more.
        let lost = self.disk.lock().crash(keep);
        drop(lost);
    }

    /// Nothing is left, as on a new disk.
    pub fn wipe(&self) {
        let mut disk = self.disk.lock();
        let lost = disk.crash(0);
        disk.durable = State::default();
        disk.written = State::default();
        drop(disk);
        drop(lost);
    }

    /// Lets the next sync that has something to do fail: all completions fail from then on, until a [`SimStore::crash`].
    pub fn fail_next_sync(&self) {
        self.disk.lock().fail_next_sync = true;
    }

    /// What [`LogStore::stalled_ms`] answers from now on.
    pub fn set_stalled_ms(&self, stalled_ms: u64) {
        self.stalled_ms.store(stalled_ms, Ordering::Relaxed);
    }

    /// Whether a sync has failed since the last crash.
    pub fn has_failed(&self) -> bool {
        self.disk.lock().failure.is_some()
    }

    /// A bug on purpose: calls the completions of the oldest operations, at most so many, without making them durable.
    pub fn pretend_sync(&self, operations: usize) {
        let completions = self.disk.lock().pretend(operations);
        call(completions, None);
    }

    /// The first and the last entry of a group's log.
    pub fn log_bounds(&self, group: GroupId) -> Option<(u64, u64)> {
        self.read(|state| state.log_bounds(group))
    }

    fn queue(&self, op: Op) {
        {
            let mut disk = self.disk.lock();
            if disk.failure.is_none() {
                // A refused append changes nothing, here as in the durable state, where the refusal is answered.
                drop(disk.written.apply(&op));
            }
            disk.pending.push_back(op);
        }
        if self.mode == SyncMode::Immediate {
            self.sync();
        }
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.disk.lock().written)
    }
}

impl SimDisk {
    fn sync(&mut self, operations: usize) -> (usize, Vec<Done>, Option<Error>) {
        let count = operations.min(self.pending.len());
        if count > 0 && std::mem::take(&mut self.fail_next_sync) {
            self.failure.get_or_insert_with(|| Error::disk("syncing the simulated disk", "injected"));
        }
        // After a failure there is no more order to keep: everything that waits fails.
        let count = if self.failure.is_some() { self.pending.len() } else { count };
        let mut completions = Vec::new();
        for op in self.pending.drain(..count) {
            let applied = if self.failure.is_some() { Ok(()) } else { self.durable.apply(&op) };
            completions.extend(op.into_done().map(|done| match (applied, done) {
                (Err(error), Done::Append(_, done) | Done::Each(done)) => Done::Refused(done, error),
                (_, done) => done,
            }));
        }
        (count, newest_appends(completions), self.failure.clone())
    }

    fn pretend(&mut self, operations: usize) -> Vec<Done> {
        let nobody = || -> Completion { Box::new(drop) };
        let waiting = self.pending.iter_mut().take(operations).filter_map(|op| match op {
            Op::Append { group, done, .. } => Some(Done::Append(*group, std::mem::replace(done, nobody()))),
            Op::Truncate { done, .. } | Op::Forget { done, .. } | Op::Barrier { done } | Op::NodeValue { done, .. } => {
                Some(Done::Each(std::mem::replace(done, nobody())))
            }
            Op::Install(install) => Some(Done::Each(std::mem::replace(&mut install.done, nobody()))),
            Op::Value { done, .. } => done.take().map(Done::Each),
            Op::Purge { .. } | Op::DeleteBlobs { .. } | Op::PutBlobs { .. } | Op::DropOrphans { .. } => None,
        });
        newest_appends(waiting.collect())
    }

    fn crash(&mut self, keep: usize) -> VecDeque<Op> {
        let keep = if self.failure.is_some() { 0 } else { keep };
        for op in self.pending.iter().take(keep) {
            drop(self.durable.apply(op));
        }
        self.durable.forget_memory();
        self.written = self.durable.clone();
        self.fail_next_sync = false;
        self.failure = None;
        std::mem::take(&mut self.pending)
    }
}

fn call(completions: Vec<Done>, failure: Option<&Error>) {
    for done in completions {
        match done {
            Done::Append(_, done) | Done::Each(done) => done(failure.map_or(Ok(()), |error| Err(error.clone()))),
            Done::Refused(done, error) => done(Err(error)),
        }
    }
}

impl LogStore for SimStore {
    fn append(&self, group: GroupId, records: Vec<LogRecord>, done: Completion) {
        self.queue(Op::Append { group, records, done });
    }

    fn save_vote(&self, group: GroupId, vote: Bytes, done: Completion) {
        self.queue(Op::Value { group, tag: Tag::Vote, value: vote, done: Some(done) });
    }

    fn save_committed(&self, group: GroupId, committed: Bytes) {
        self.queue(Op::Value { group, tag: Tag::Committed, value: committed, done: None });
    }

    fn truncate_after(&self, group: GroupId, last_kept: Option<u64>, done: Completion) {
        self.queue(Op::Truncate { group, last_kept, done });
    }

    fn purge(&self, group: GroupId, up_to: u64, last_purged: Bytes) {
        self.queue(Op::Purge { group, up_to, last_purged });
    }

    fn delete_blobs(&self, group: GroupId, indexes: Vec<u64>) {
        self.queue(Op::DeleteBlobs { group, indexes });
    }

    fn put_blobs(&self, group: GroupId, blobs: Vec<(u64, Bytes)>) {
        self.queue(Op::PutBlobs { group, blobs });
    }

    fn write_checkpoint(&self, group: GroupId, checkpoint: Checkpoint, done: Completion) {
        self.queue(Op::Install(Box::new(InstallOp { group, checkpoint, snapshot: None, done })));
    }

    fn install_snapshot(&self, group: GroupId, snapshot: InstalledSnapshot, done: Completion) {
        self.queue(Op::Install(Box::new(InstallOp::from_snapshot(group, snapshot, done))));
    }

    fn forget(&self, group: GroupId, done: Completion) {
        self.queue(Op::Forget { group, done });
    }

    fn barrier(&self, done: Completion) {
        self.queue(Op::Barrier { done });
    }

    fn recover(&self, group: GroupId) -> Result<GroupState, Error> {
        let (state, orphans) = self.read(|state| state.recover(group))?;
        if orphans {
            self.queue(Op::DropOrphans { group });
        }
        Ok(state)
    }

    fn read_log(&self, group: GroupId, range: Range<u64>, max_bytes: usize) -> Result<Vec<LogRecord>, Error> {
        self.read(|state| state.read_log(group, range, max_bytes))
    }

    fn read_blob(&self, group: GroupId, index: u64) -> Result<Option<Bytes>, Error> {
        Ok(self.read(|state| state.blob(group, index)))
    }

    fn read_checkpoint(&self, group: GroupId) -> Result<Option<Checkpoint>, Error> {
        Ok(self.read(|state| state.checkpoint(group)))
    }

    fn read_node_value(&self, name: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.read(|state| state.node_value(&keys::node_value(name))))
    }

    fn write_node_value(&self, name: &str, value: Bytes) -> Result<(), Error> {
        self.queue(Op::NodeValue { key: keys::node_value(name), value, done: Box::new(drop) });
        // Whoever writes it waits for it, in any mode.
        self.sync();
        self.disk.lock().failure.clone().map_or(Ok(()), Err)
    }

    fn is_in_memory(&self) -> bool {
        true
    }

    fn queued_bytes(&self) -> usize {
        self.disk.lock().pending.iter().map(Op::queued_bytes).sum()
    }

    fn stalled_ms(&self) -> u64 {
        self.stalled_ms.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for SimStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimStore").field("mode", &self.mode).field("pending", &self.pending()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
