//! The log store as the layers above see it: a trait, implemented on RocksDB and, for tests, in memory.
//!
//! Everything that changes the store goes through one ordered queue; calls that change return at once, and complete later.
//! Whatever is durable is a prefix of that queue.

use std::{fmt, ops::Range};

use bytes::Bytes;
use types::GroupId;

use crate::Error;

/// Called once from the store's own thread when the write and all before it are durable, or when they failed. Must not block,
/// nor queue anything at the store, whose queue may be full.
pub type Completion = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// One entry of a group's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRecord {
    /// Raft log index.
    pub index: u64,
    /// Term, leader and commands, as the replication layer encodes them.
    pub head: Bytes,
    /// The message bodies; empty when the entry has none, or when they were deleted.
    pub blob: Bytes,
}

/// The state of a group's machine at one log index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// What the replication layer needs to know of it (last applied log id, membership).
    pub meta: Bytes,
    /// The state in pieces; keys are unique.
    pub segments: Vec<(u64, Bytes)>,
}

/// A snapshot whose blobs have been staged with [`LogStore::put_blobs`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstalledSnapshot {
    /// Index of the last log entry that it covers.
    pub up_to: u64,
    /// The same as a log id, as given to [`LogStore::purge`].
    pub last_purged: Bytes,
    /// The machine's state.
    pub checkpoint: Checkpoint,
    /// Indexes of the blobs that the state refers to, ascending.
    pub live: Vec<u64>,
}

/// What is known of a group when the node starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    /// As given to [`LogStore::save_vote`].
    pub vote: Option<Bytes>,
    /// As given to [`LogStore::save_committed`].
    pub committed: Option<Bytes>,
    /// As given to [`LogStore::purge`] or [`LogStore::install_snapshot`].
    pub last_purged: Option<Bytes>,
    /// Index of the first log entry that is there.
    pub first_index: Option<u64>,
    /// The last log entry that is there.
    pub last: Option<LogRecord>,
    /// Meta of the current checkpoint.
    pub checkpoint: Option<Bytes>,
}

/// Logs, bodies, votes and checkpoints of all groups of a node.
pub trait LogStore: fmt::Debug + Send + Sync + 'static {
    /// Appends entries to a group's log. Indexes follow each other without gap; an append that does not follow the last entry
    /// is refused with [`Error::OutOfOrder`] and changes nothing.
    ///
    /// When several appends of one group become durable together, only the completion of the newest is called; the others are
    /// dropped. (openraft reads them as a watermark.)
    fn append(&self, group: GroupId, records: Vec<LogRecord>, done: Completion);

    /// Replaces the vote; `done` is called when it is durable.
    fn save_vote(&self, group: GroupId, vote: Bytes, done: Completion);

    /// Replaces the last committed log id. Not synced.
    fn save_committed(&self, group: GroupId, committed: Bytes);

    /// Removes log entries (heads and blobs) above `last_kept`, all when it is `None`.
    fn truncate_after(&self, group: GroupId, last_kept: Option<u64>, done: Completion);

    /// Removes the heads of log entries up to and including `up_to`; blobs stay. Not synced.
    fn purge(&self, group: GroupId, up_to: u64, last_purged: Bytes);

    /// Removes the blobs of these entries. Not synced.
    fn delete_blobs(&self, group: GroupId, indexes: Vec<u64>);

    /// Writes blobs of entries whose heads are not here (a snapshot on its way). Not synced. They survive
    /// [`LogStore::truncate_after`], which openraft calls between the transfer and the installation; those of a transfer
    /// that was not installed go with the next [`LogStore::recover`].
    fn put_blobs(&self, group: GroupId, blobs: Vec<(u64, Bytes)>);

    /// Replaces the group's checkpoint in one atomic step. Segments may come in any order and are read back by ascending key.
    ///
    /// Blobs that died up to this state must have been given to [`LogStore::delete_blobs`] before (or be named in the
    /// checkpoint's meta): after a crash nobody else remembers them, and they would stay for ever.
    fn write_checkpoint(&self, group: GroupId, checkpoint: Checkpoint, done: Completion);

    /// Takes over a snapshot in one atomic, synced step: the checkpoint becomes current, heads up to and including `up_to` go
    /// with `last_purged`, and so do blobs up to and including `up_to` that are not in `live`. Log entries above stay: their
    /// append may have been acknowledged.
    fn install_snapshot(&self, group: GroupId, snapshot: InstalledSnapshot, done: Completion);

    /// Removes everything of the group: its log, bodies, vote and checkpoint. The group may begin anew afterwards.
    fn forget(&self, group: GroupId, done: Completion);

    /// Called when everything that was queued before is durable.
    fn barrier(&self, done: Completion);

    /// Reads what is known of a group, and drops the blobs of a snapshot transfer that was not finished. Called once per group,
    /// before anything else of it.
    ///
    /// # Errors
    /// When the disk fails, or what is read is damaged or has a gap.
    fn recover(&self, group: GroupId) -> Result<GroupState, Error>;

    /// Reads entries in order, at least one when the range is not empty, and no more than about `max_bytes`. Sees only what
    /// the writer has written; the caller keeps what it appended until [`LogStore::append`] completes.
    ///
    /// # Errors
    /// When an entry of the range is missing, or the disk fails.
    fn read_log(&self, group: GroupId, range: Range<u64>, max_bytes: usize) -> Result<Vec<LogRecord>, Error>;

    /// The same without blobs, which are empty then: a machine that is restored needs none of them.
    ///
    /// # Errors
    /// As [`LogStore::read_log`].
    fn read_heads(&self, group: GroupId, range: Range<u64>, max_bytes: usize) -> Result<Vec<LogRecord>, Error> {
        let records = self.read_log(group, range, max_bytes)?;
        Ok(records.into_iter().map(|record| LogRecord { blob: Bytes::new(), ..record }).collect())
    }

    /// Reads one entry's blob.
    ///
    /// # Errors
    /// When the disk fails.
    fn read_blob(&self, group: GroupId, index: u64) -> Result<Option<Bytes>, Error>;

    /// Reads the current checkpoint.
    ///
    /// # Errors
    /// When the disk fails or a segment is missing.
    fn read_checkpoint(&self, group: GroupId) -> Result<Option<Checkpoint>, Error>;

    /// Reads a value of the node itself (identity, founding record).
    ///
    /// # Errors
    /// When the disk fails.
    fn read_node_value(&self, name: &str) -> Result<Option<Bytes>, Error>;

    /// Replaces a value of the node itself; returns when it is durable.
    ///
    /// # Errors
    /// When the disk fails.
    fn write_node_value(&self, name: &str, value: Bytes) -> Result<(), Error>;

    /// Whether nothing here ever waits for a disk.
    fn is_in_memory(&self) -> bool {
        false
    }

    /// Bytes that wait for the writer. Callers hold back above their limit.
    fn queued_bytes(&self) -> usize;

    /// Milliseconds for which work has waited without a completed sync; zero when nothing waits.
    fn stalled_ms(&self) -> u64;
}
