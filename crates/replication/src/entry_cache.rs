//! The latest entries of one group's log, in memory: what was appended and is not durable yet, and what apply, replication and
//! deliveries are about to read.
//!
//! Entries that the store has not completed are never evicted, so a read that misses here finds its entry in the store.

use std::{collections::VecDeque, ops::Range};

use openraft::EntryPayload;
use parking_lot::Mutex;
use types::Blob;

use crate::raft_types::Entry;

/// Most bytes of durable entries that one group keeps. With 12 groups on a node 384 MiB at the very most, and only for groups
/// whose traffic fills it.
pub(crate) const CACHE_BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Debug, Default)]
pub(crate) struct EntryCache {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Entry>,
    bytes: usize,
    durable: u64,
}

impl EntryCache {
    /// Takes appended entries; they follow each other without gap.
    pub(crate) fn append(&self, entries: &[Entry]) {
        let mut inner = self.inner.lock();
        for entry in entries {
            let follows = inner.entries.back().is_none_or(|last| last.log_id.index + 1 == entry.log_id.index);
            if !follows {
                inner.clear();
            }
            inner.bytes += size(entry);
            inner.entries.push_back(entry.clone());
        }
        inner.evict();
    }

    /// Everything up to `index` is in the store.
    pub(crate) fn durable(&self, index: u64) {
        let mut inner = self.inner.lock();
        inner.durable = inner.durable.max(index);
        inner.evict();
    }

    /// Forgets entries above `last_kept`.
    pub(crate) fn truncate_after(&self, last_kept: Option<u64>) {
        let mut inner = self.inner.lock();
        while inner.entries.back().is_some_and(|entry| last_kept.is_none_or(|kept| entry.log_id.index > kept)) {
            if let Some(entry) = inner.entries.pop_back() {
                inner.bytes -= size(&entry);
            }
        }
        let last = last_kept.unwrap_or(0);
        inner.durable = inner.durable.min(last);
    }

    /// Forgets everything (a snapshot replaced the log up to `index`).
    pub(crate) fn reset(&self, index: u64) {
        let mut inner = self.inner.lock();
        inner.clear();
        inner.durable = index;
    }

    /// The entries of the range that are here, which are its end; and the first index that is not asked of the store.
    pub(crate) fn range(&self, range: Range<u64>, bytes_max: usize) -> (u64, Vec<Entry>) {
        let inner = self.inner.lock();
        let Some(first) = inner.entries.front().map(|entry| entry.log_id.index) else {
            return (range.end, Vec::new());
        };
        let from = range.start.max(first);
        let Ok(skip) = usize::try_from(from - first) else { return (range.end, Vec::new()) };
        let mut bytes = 0;
        let mut found = Vec::new();
        for entry in inner.entries.iter().skip(skip).take_while(|entry| entry.log_id.index < range.end) {
            bytes += size(entry);
            if bytes > bytes_max && !found.is_empty() {
                break;
            }
            found.push(entry.clone());
        }
        (from.min(range.end), found)
    }

    /// The blob of an entry, when it is here.
    pub(crate) fn blob(&self, index: u64) -> Option<Blob> {
        let inner = self.inner.lock();
        let first = inner.entries.front()?.log_id.index;
        let at = usize::try_from(index.checked_sub(first)?).ok()?;
        match &inner.entries.get(at)?.payload {
            EntryPayload::Normal(batch) if !batch.blob.as_bytes().is_empty() => Some(batch.blob.clone()),
            EntryPayload::Normal(_) | EntryPayload::Blank | EntryPayload::Membership(_) => None,
        }
    }
}

impl Inner {
    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    fn evict(&mut self) {
        while self.bytes > CACHE_BYTES_MAX {
            match self.entries.front() {
                Some(entry) if entry.log_id.index <= self.durable => {
                    self.bytes -= size(entry);
                    self.entries.pop_front();
                }
                _ => break,
            }
        }
    }
}

/// What an entry costs in memory, about. Unit: bytes.
fn size(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(batch) => batch.head.len() + batch.blob.as_bytes().len() + 128,
        EntryPayload::Blank | EntryPayload::Membership(_) => 128,
    }
}

#[cfg(test)]
mod tests;
