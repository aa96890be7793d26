//! openraft's log storage on top of [`storage::LogStore`] and the entry cache.
//!
//! Votes and truncations are waited for where openraft's contract asks for it; appends complete later, by callback; the committed
//! log id and purges are only queued. All of them share the store's one order, so what is durable is a prefix of it.

use std::{
    fmt::Debug,
    io,
    ops::{Bound, Range, RangeBounds},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use openraft::{
    OptionalSend, RaftLogReader,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use parking_lot::{Mutex, MutexGuard};
use storage::{LogRecord, LogStore};
use tokio::sync::oneshot;
use types::GroupId;

use crate::{
    blocking,
    entry_cache::EntryCache,
    log_codec,
    log_size::LogSize,
    raft_types::{C, Entry, LogId, Vote},
};

/// Most bytes of one read: what one append message to a follower may carry. One entry larger than that travels alone.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// The log of one group; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct GroupLog {
    group: GroupId,
    store: Arc<dyn LogStore>,
    cache: Arc<EntryCache>,
    state: Arc<Mutex<State>>,
    size: Arc<Mutex<LogSize>>,
    /// Size of the last checkpoint.
    state_bytes: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct State {
    vote: Option<Vote>,
    committed: Option<LogId>,
    last_purged: Option<LogId>,
    /// Index of the first entry, when there are any.
    first: u64,
    last: Option<LogId>,
}

impl GroupLog {
    /// Reads what the store knows of the group.
    pub(crate) fn open(group: GroupId, store: Arc<dyn LogStore>, cache: Arc<EntryCache>) -> Result<Self, io::Error> {
        let recovered = store.recover(group).map_err(io::Error::other)?;
        let last_purged = match recovered.last_purged {
            Some(bytes) => log_codec::log_id_from(bytes).map_err(io::Error::other)?,
            None => None,
        };
        let last = recovered.last.as_ref().map(log_codec::record_log_id).transpose().map_err(io::Error::other)?;
        let committed = match recovered.committed {
            Some(bytes) => log_codec::log_id_from(bytes).map_err(io::Error::other)?,
            None => None,
        };
        let last = last.max(last_purged);
        let state = State {
            vote: recovered.vote.map(log_codec::vote).transpose().map_err(io::Error::other)?,
            // Unsynced, so it may be ahead of a log that lost its unsynced end.
            committed: committed.min(last),
            last_purged,
            first: recovered.first_index.unwrap_or(0),
            last,
        };
        cache.reset(last.map_or(0, |id| id.index));
        let state = Arc::new(Mutex::new(state));
        Ok(GroupLog { group, store, cache, state, size: Arc::default(), state_bytes: Arc::default() })
    }

    /// The vote as last saved.
    pub(crate) fn vote(&self) -> Option<Vote> {
        self.state.lock().vote
    }

    /// The last entry's log id.
    pub(crate) fn last_log_id(&self) -> Option<LogId> {
        self.state.lock().last
    }

    /// Sizes of what was appended since the start.
    pub(crate) fn size(&self) -> MutexGuard<'_, LogSize> {
        self.size.lock()
    }

    /// Size of the last checkpoint. Unit: bytes.
    pub(crate) fn state_bytes(&self) -> u64 {
        self.state_bytes.load(Ordering::Relaxed)
    }

    /// A checkpoint of so many bytes is taken.
    pub(crate) fn set_state_bytes(&self, bytes: u64) {
        self.state_bytes.store(bytes, Ordering::Relaxed);
    }

    /// A snapshot covers the log up to `last`; entries above it stay.
    pub(crate) fn covered(&self, last: Option<LogId>) {
        let mut state = self.state.lock();
        state.last_purged = state.last_purged.max(last);
        let replaced = state.last <= last;
        if replaced {
            state.last = last;
        }
        drop(state);
        if replaced {
            self.cache.reset(last.map_or(0, |id| id.index));
        }
    }

    /// Entries of the range, about `bytes_max` at most but at least one. Without `blobs`, some may come without theirs.
    async fn read(&self, range: Range<u64>, bytes_max: usize, blobs: bool) -> Result<Vec<Entry>, io::Error> {
        let range = self.clamp(range);
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (cached_from, cached) = self.cache.range(range.clone(), bytes_max);
        if cached_from <= range.start {
            return Ok(cached);
        }
        let missing = range.start..cached_from;
        let (store, group, wanted) = (Arc::clone(&self.store), self.group, missing.clone());
        let read = move || match blobs {
            true => store.read_log(group, wanted, bytes_max),
            false => store.read_heads(group, wanted, bytes_max),
        };
        let records = blocking::read(self.store.is_in_memory(), read).await?.map_err(io::Error::other)?;
        let mut entries = Vec::with_capacity(records.len() + cached.len());
        let mut bytes = 0;
        for record in records {
            bytes += record.head.len() + record.blob.len();
            entries.push(log_codec::entry(record).map_err(io::Error::other)?);
        }
        if entries.last().is_some_and(|last| last.log_id.index + 1 == cached_from) && bytes < bytes_max {
            entries.extend(cached);
        }
        Ok(entries)
    }

    fn clamp(&self, range: Range<u64>) -> Range<u64> {
        let state = self.state.lock();
        let first = state.last_purged.map_or(0, |id| id.index + 1).max(state.first);
        let end = state.last.map_or(0, |id| id.index + 1);
        range.start.max(first)..range.end.min(end)
    }
}

fn range_of(bounds: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match bounds.start_bound() {
        Bound::Included(at) => *at,
        Bound::Excluded(at) => at.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match bounds.end_bound() {
        Bound::Included(at) => at.saturating_add(1),
        Bound::Excluded(at) => *at,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

impl RaftLogReader<C> for GroupLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let mut wanted = self.clamp(range_of(&range));
        let mut entries = Vec::new();
        while !wanted.is_empty() {
            // What is asked for here is applied, for which the bodies are not needed: after a restart they would be read for nothing.
            let mut part = self.read(wanted.clone(), READ_BYTES_MAX, false).await?;
            let Some(last) = part.last() else {
                return Err(io::Error::other(format!("log entries {wanted:?} are missing")));
            };
            wanted.start = last.log_id.index + 1;
            entries.append(&mut part);
        }
        Ok(entries)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.vote())
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start..end, READ_BYTES_MAX, true).await
    }
}

impl RaftLogStorage<C> for GroupLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<C>, io::Error> {
        let state = self.state.lock();
        Ok(LogState { last_purged_log_id: state.last_purged, last_log_id: state.last })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.state.lock().vote = Some(*vote);
        let (sender, done) = oneshot::channel();
        let completion = Box::new(move |result| drop(sender.send(result)));
        self.store.save_vote(self.group, log_codec::vote_bytes(vote), completion);
        done.await.map_err(io::Error::other)?.map_err(io::Error::other)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.state.lock().committed = committed;
        self.store.save_committed(self.group, log_codec::log_id_bytes(committed.as_ref()));
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.state.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<C>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let (Some(first), Some(last)) = (entries.first().map(|e| e.log_id.index), entries.last().map(|e| e.log_id))
        else {
            callback.io_completed(Ok(()));
            return Ok(());
        };
        let records: Vec<LogRecord> = entries.iter().map(log_codec::record).collect();
        {
            let mut size = self.size.lock();
            records.iter().for_each(|record| size.append(record.index, record.head.len(), record.blob.len()));
        }
        self.cache.append(&entries);
        {
            let mut state = self.state.lock();
            if state.last == state.last_purged {
                state.first = first; // The log was empty.
            }
            state.last = Some(last);
        }
        let cache = Arc::clone(&self.cache);
        let completion = Box::new(move |result: Result<(), storage::Error>| {
            if result.is_ok() {
                cache.durable(last.index);
            }
            callback.io_completed(result.map_err(io::Error::other));
        });
        self.store.append(self.group, records, completion);
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let kept = last_log_id.map(|id| id.index);
        self.cache.truncate_after(kept);
        {
            let mut state = self.state.lock();
            if state.last.map(|last| last.index) > kept {
                state.last = last_log_id.max(state.last_purged);
            }
        }
        let (sender, done) = oneshot::channel();
        let completion = Box::new(move |result| drop(sender.send(result)));
        self.store.truncate_after(self.group, kept, completion);
        done.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        // Entries that went may have become durable while this waited; those that will take their place have not.
        self.cache.truncate_after(kept);
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        {
            let mut state = self.state.lock();
            state.last_purged = state.last_purged.max(Some(log_id));
            state.last = state.last.max(Some(log_id));
        }
        self.store.purge(self.group, log_id.index, log_codec::log_id_bytes(Some(&log_id)));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
