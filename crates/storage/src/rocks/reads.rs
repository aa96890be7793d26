//! Reads: what is known of a group at start, entries, blobs, checkpoints.
//!
//! Scans are bounded on both sides and see one state of the store, and leave the block cache to point reads.

use std::ops::Range;

use bytes::Bytes;
use rocksdb::{DBRawIterator, ReadOptions};
use types::GroupId;

use super::disk::{Disk, scan};
use crate::{
    Checkpoint, Error, GroupState, LogRecord,
    keys::{self, CurrentCheckpoint, Tag},
    options::MIB,
};

const READ_LOG: &str = "reading a log";
const READ_BLOB: &str = "reading a message body";
const READ_CHECKPOINT: &str = "reading a checkpoint";

/// At start so many of the newest entries are checked to follow each other. Older ones are checked when they are read.
const CHECKED_ENTRIES: u64 = 100_000;

impl Disk {
    /// What is known of the group, and whether there are blobs above the end of its log.
    pub(super) fn recover(&self, group: GroupId) -> Result<(GroupState, bool), Error> {
        let purged = self.purged(group)?;
        let first_possible = purged.as_ref().map_or(0, |(up_to, _)| up_to.saturating_add(1));
        let first_index = self.first_head(group, first_possible)?;
        let last_index = self.last_head(group, first_possible)?.map(|(index, _)| index);
        if let (Some(first), Some(last)) = (first_index, last_index) {
            if purged.is_some() && first != first_possible {
                return Err(Error::Missing { group, index: first_possible });
            }
            self.check_gapless(group, first.max(last.saturating_sub(CHECKED_ENTRIES)), last)?;
        }
        let last = match last_index {
            Some(last) => self.read_log(group, last..last + 1, usize::MAX)?.pop(),
            None => None,
        };
        let end = last_index.map_or(first_possible, |last| last + 1);
        let orphans = self.last_entry(self.families().body, group, end)?.is_some();
        let checkpoint = match self.meta(group, Tag::Checkpoint)? {
            Some(value) => Some(Bytes::copy_from_slice(CurrentCheckpoint::decode(group, &value)?.meta)),
            None => None,
        };
        let state = GroupState {
            vote: self.meta(group, Tag::Vote)?.map(Bytes::from),
            committed: self.meta(group, Tag::Committed)?.map(Bytes::from),
            last_purged: purged.map(|(_, last_purged)| Bytes::from(last_purged)),
            first_index,
            last,
            checkpoint,
        };
        Ok((state, orphans))
    }

    fn first_head(&self, group: GroupId, first: u64) -> Result<Option<u64>, Error> {
        let mut heads = self.db.raw_iterator_cf_opt(self.families().log, scan(group, first, u64::MAX));
        heads.seek_to_first();
        Ok(item(&heads, group, READ_LOG)?.map(|(index, _)| index))
    }

    fn check_gapless(&self, group: GroupId, first: u64, last: u64) -> Result<(), Error> {
        let mut options = scan(group, first, last + 1);
        options.set_readahead_size(MIB);
        let mut heads = self.db.raw_iterator_cf_opt(self.families().log, options);
        heads.seek_to_first();
        for index in first..=last {
            if item(&heads, group, READ_LOG)?.is_none_or(|(found, _)| found != index) {
                return Err(Error::Missing { group, index });
            }
            heads.next();
        }
        Ok(())
    }

    pub(super) fn read_log(
        &self,
        group: GroupId,
        range: Range<u64>,
        max_bytes: usize,
    ) -> Result<Vec<LogRecord>, Error> {
        let mut records = Vec::new();
        if range.is_empty() {
            return Ok(records);
        }
        // Without a snapshot the blob of a new entry could be read with the head of the one that it replaced.
        let snapshot = self.db.snapshot();
        let options = || {
            let mut options = scan(group, range.start, range.end);
            options.set_snapshot(&snapshot);
            options.set_readahead_size(MIB);
            options
        };
        let mut heads = self.db.raw_iterator_cf_opt(self.families().log, options());
        let mut blobs = self.db.raw_iterator_cf_opt(self.families().body, options());
        heads.seek_to_first();
        blobs.seek_to_first();
        let mut bytes = 0;
        for index in range {
            let Some((_, head)) = item(&heads, group, READ_LOG)?.filter(|(found, _)| *found == index) else {
                return Err(Error::Missing { group, index });
            };
            let head = Bytes::copy_from_slice(head);
            let blob = blob_at(&mut blobs, group, index)?;
            heads.next();
            bytes += head.len() + blob.len();
            records.push(LogRecord { index, head, blob });
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(records)
    }

    pub(super) fn read_heads(
        &self,
        group: GroupId,
        range: Range<u64>,
        max_bytes: usize,
    ) -> Result<Vec<LogRecord>, Error> {
        let mut options = scan(group, range.start, range.end);
        options.set_readahead_size(MIB);
        let mut heads = self.db.raw_iterator_cf_opt(self.families().log, options);
        heads.seek_to_first();
        let (mut records, mut bytes) = (Vec::new(), 0);
        for index in range {
            let Some((_, head)) = item(&heads, group, READ_LOG)?.filter(|(found, _)| *found == index) else {
                return Err(Error::Missing { group, index });
            };
            bytes += head.len();
            records.push(LogRecord { index, head: Bytes::copy_from_slice(head), blob: Bytes::new() });
            heads.next();
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(records)
    }

    pub(super) fn read_blob(&self, group: GroupId, index: u64) -> Result<Option<Bytes>, Error> {
        let blob = self.db.get_pinned_cf(self.families().body, keys::entry(group, index));
        Ok(blob.map_err(|e| Error::disk(READ_BLOB, e))?.map(|blob| Bytes::copy_from_slice(&blob)))
    }

    pub(super) fn read_checkpoint(&self, group: GroupId) -> Result<Option<Checkpoint>, Error> {
        // The next checkpoint may replace this one while it is read.
        let snapshot = self.db.snapshot();
        let mut options = ReadOptions::default();
        options.set_snapshot(&snapshot);
        let value = self.db.get_cf_opt(self.families().meta, keys::meta(group, Tag::Checkpoint), &options);
        let Some(value) = value.map_err(|e| Error::disk(READ_CHECKPOINT, e))? else { return Ok(None) };
        let current = CurrentCheckpoint::decode(group, &value)?;
        options.set_iterate_lower_bound(keys::segment(group, current.epoch, 0));
        options.set_iterate_upper_bound([&keys::segment(group, current.epoch, u64::MAX)[..], &[0]].concat());
        options.set_total_order_seek(true);
        options.fill_cache(false);
        options.set_readahead_size(MIB);
        let mut iterator = self.db.raw_iterator_cf_opt(self.families().checkpoint, options);
        iterator.seek_to_first();
        let mut segments = Vec::new();
        while let Some((key, value)) = iterator.item() {
            let number = keys::segment_number(key)
                .ok_or(Error::Damaged { group, what: "key of a checkpoint's segment is cut short" })?;
            segments.push((number, Bytes::copy_from_slice(value)));
            iterator.next();
        }
        iterator.status().map_err(|e| Error::disk(READ_CHECKPOINT, e))?;
        if u64::try_from(segments.len()) != Ok(current.segments) {
            return Err(Error::Damaged { group, what: "a segment of the checkpoint is missing" });
        }
        Ok(Some(Checkpoint { meta: Bytes::copy_from_slice(current.meta), segments }))
    }

    pub(super) fn read_node_value(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let value = self.db.get_cf(self.families().default, keys::node_value(name));
        Ok(value.map_err(|e| Error::disk("reading a value of the node", e))?.map(Bytes::from))
    }
}

/// The blob of the entry, found by moving forward. Stays there, since moving on would read the next blob from the disk, which may
/// not be wanted.
fn blob_at(blobs: &mut DBRawIterator<'_>, group: GroupId, index: u64) -> Result<Bytes, Error> {
    loop {
        match item(blobs, group, READ_BLOB)? {
            Some((found, _)) if found < index => blobs.next(),
            Some((found, blob)) if found == index => return Ok(Bytes::copy_from_slice(blob)),
            Some(_) | None => return Ok(Bytes::new()),
        }
    }
}

/// The entry under the iterator, `None` at its end.
fn item<'i>(
    iterator: &'i DBRawIterator<'_>,
    group: GroupId,
    operation: &'static str,
) -> Result<Option<(u64, &'i [u8])>, Error> {
    let Some((key, value)) = iterator.item() else {
        iterator.status().map_err(|e| Error::disk(operation, e))?;
        return Ok(None);
    };
    let index = keys::entry_index(key).ok_or(Error::Damaged { group, what: "key of an entry is cut short" })?;
    Ok(Some((index, value)))
}
