//! Assembles a RocksDB batch from operations.

use bytes::Bytes;
use rocksdb::WriteBatch;
use types::GroupId;

use super::group_log::{GroupLog, GroupLogs};
use crate::{
    Completion, Error, LogRecord,
    done::Done,
    index_runs::{Run, gaps, runs},
    keys::{self, CurrentCheckpoint, Tag},
    op::{InstallOp, Op, SnapshotOp},
    rocks::{Disk, Families},
};

/// Runs of so many indexes are deleted by one range tombstone; shorter ones one by one, since each range tombstone slows reads
/// until it is compacted away.
const RANGE_DELETE_MIN: u64 = 256;

/// A batch in the making, with who waits for it.
pub(super) struct Assembler<'a> {
    families: Families<'a>,
    logs: &'a mut GroupLogs,
    batch: WriteBatch,
    completions: Vec<Done>,
}

impl<'a> Assembler<'a> {
    pub(super) fn new(disk: &'a Disk, logs: &'a mut GroupLogs, batch: WriteBatch) -> Self {
        Assembler { families: disk.families(), logs, batch, completions: Vec::new() }
    }

    pub(super) fn finish(self) -> (WriteBatch, Vec<Done>) {
        (self.batch, self.completions)
    }

    /// What the group's log will be with this batch.
    pub(super) fn log(&mut self, group: GroupId) -> &mut GroupLog {
        self.logs.get(group)
    }

    /// Adds an operation of a group that is loaded. A checkpoint is added as a whole.
    pub(super) fn add(&mut self, op: Op) {
        match op {
            Op::Append { group, records, done } => self.append(group, &records, done),
            Op::Value { group, tag, value, done } => {
                self.batch.put_cf(self.families.meta, keys::meta(group, tag), value);
                self.completions.extend(done.map(Done::Each));
            }
            Op::Truncate { group, last_kept, done } => {
                self.truncate(group, last_kept);
                self.completions.push(Done::Each(done));
            }
            Op::Purge { group, up_to, last_purged } => self.purge(group, up_to, &last_purged),
            Op::DeleteBlobs { group, indexes } => self.delete_blobs(group, indexes),
            Op::PutBlobs { group, blobs } => self.put_blobs(group, &blobs),
            Op::DropOrphans { group } => self.drop_orphans(group),
            Op::Install(install) => self.install(*install),
            Op::Forget { group, done } => {
                self.forget(group);
                self.completions.push(Done::Each(done));
            }
            Op::Barrier { done } => self.completions.push(Done::Each(done)),
            Op::NodeValue { key, value, done } => {
                self.batch.put_cf(self.families.default, key, value);
                self.completions.push(Done::Each(done));
            }
        }
    }

    fn append(&mut self, group: GroupId, records: &[LogRecord], done: Completion) {
        let log = self.logs.get(group);
        if let Some(error) = out_of_order(group, log, records) {
            self.completions.push(Done::Refused(done, error));
            return;
        }
        for record in records {
            let key = keys::entry(group, record.index);
            self.batch.put_cf(self.families.log, key, &record.head);
            if !record.blob.is_empty() {
                self.batch.put_cf(self.families.body, key, &record.blob);
            } else if log.staged.contains(record.index) {
                // A blob of a transfer that came to nothing is not this entry's.
                self.batch.delete_cf(self.families.body, key);
            }
            if !log.staged.is_empty() {
                log.staged.remove(record.index);
            }
        }
        log.last = records.last().map(|record| record.index).or(log.last);
        self.completions.push(Done::Append(group, done));
    }

    fn truncate(&mut self, group: GroupId, last_kept: Option<u64>) {
        let log = self.logs.get(group);
        let first = last_kept.map_or(0, |last| last.saturating_add(1)).max(log.first_possible());
        if let Some(last) = log.last.filter(|last| *last >= first) {
            let gone = Run { first, last };
            let bodies = log.staged.gaps(gone);
            log.truncate(last_kept);
            delete_run(&mut self.batch, self.families.log, group, gone);
            for run in bodies {
                delete_run(&mut self.batch, self.families.body, group, run);
            }
        }
    }

    fn purge(&mut self, group: GroupId, up_to: u64, last_purged: &[u8]) {
        let log = self.logs.get(group);
        if log.purged.is_some_and(|purged| purged > up_to) {
            // An older purge must not take back what a snapshot installed.
            return;
        }
        if let Some(last) = log.last.map(|last| last.min(up_to)).filter(|last| *last >= log.first_possible()) {
            let gone = Run { first: log.first_possible(), last };
            delete_run(&mut self.batch, self.families.log, group, gone);
        }
        log.purge(up_to);
        let value = keys::encode_purged(up_to, last_purged);
        self.batch.put_cf(self.families.meta, keys::meta(group, Tag::Purged), value);
    }

    fn delete_blobs(&mut self, group: GroupId, mut indexes: Vec<u64>) {
        if !indexes.is_sorted() {
            indexes.sort_unstable();
        }
        for run in runs(&indexes) {
            delete_run(&mut self.batch, self.families.body, group, run);
        }
    }

    fn put_blobs(&mut self, group: GroupId, blobs: &[(u64, Bytes)]) {
        let log = self.logs.get(group);
        for (index, blob) in blobs {
            log.staged.insert(*index);
            self.batch.put_cf(self.families.body, keys::entry(group, *index), blob);
        }
    }

    fn drop_orphans(&mut self, group: GroupId) {
        let log = self.logs.get(group);
        let first = log.next().unwrap_or(0);
        delete_range(&mut self.batch, self.families.body, group, Run { first, last: u64::MAX - 1 });
    }

    fn forget(&mut self, group: GroupId) {
        let all = Run { first: 0, last: u64::MAX - 1 };
        delete_range(&mut self.batch, self.families.log, group, all);
        delete_range(&mut self.batch, self.families.body, group, all);
        let (from, to) = (keys::segment(group, 0, 0), keys::segment(group, u32::MAX, u64::MAX));
        self.batch.delete_range_cf(self.families.checkpoint, from, to);
        self.batch.delete_cf(self.families.checkpoint, to);
        for tag in Tag::ALL {
            self.batch.delete_cf(self.families.meta, keys::meta(group, tag));
        }
        *self.logs.get(group) = GroupLog::default();
    }

    fn install(&mut self, install: InstallOp) {
        let InstallOp { group, checkpoint, snapshot, done } = install;
        let epoch = self.begin_checkpoint(group);
        for (number, segment) in &checkpoint.segments {
            self.add_segment(group, epoch, *number, segment);
        }
        self.end_checkpoint(group, epoch, checkpoint.segments.len(), &checkpoint.meta);
        if let Some(snapshot) = snapshot {
            self.take_over(group, &snapshot);
        }
        self.completions.push(Done::Each(done));
    }

    /// The epoch for the group's next checkpoint, free of leftovers.
    pub(super) fn begin_checkpoint(&mut self, group: GroupId) -> u32 {
        let log = self.logs.get(group);
        // Epochs start again when they are used up: at one checkpoint per second after 136 years.
        let epoch = log.epoch.checked_add(1).unwrap_or(1);
        if std::mem::replace(&mut log.next_epoch_unclean, false) {
            self.delete_epoch(group, epoch);
        }
        epoch
    }

    pub(super) fn add_segment(&mut self, group: GroupId, epoch: u32, number: u64, segment: &[u8]) {
        self.batch.put_cf(self.families.checkpoint, keys::segment(group, epoch, number), segment);
    }

    /// Makes the epoch the current one and drops the one before.
    pub(super) fn end_checkpoint(&mut self, group: GroupId, epoch: u32, segments: usize, meta: &[u8]) {
        let log = self.logs.get(group);
        let old = std::mem::replace(&mut log.epoch, epoch);
        let segments = u64::try_from(segments).expect("a count fits 64 bits");
        let current = CurrentCheckpoint { epoch, segments, meta }.encode();
        self.batch.put_cf(self.families.meta, keys::meta(group, Tag::Checkpoint), current);
        if old != 0 {
            self.delete_epoch(group, old);
        }
    }

    fn delete_epoch(&mut self, group: GroupId, epoch: u32) {
        let from = keys::segment(group, epoch, 0);
        let to = keys::segment(group, epoch, u64::MAX);
        self.batch.delete_range_cf(self.families.checkpoint, from, to);
        self.batch.delete_cf(self.families.checkpoint, to);
    }

    /// The log's part of a snapshot: what it covers goes, but for the blobs that live.
    pub(super) fn take_over(&mut self, group: GroupId, snapshot: &SnapshotOp) {
        let log = self.logs.get(group);
        let first = log.first_possible();
        if let Some(last) = log.last.map(|last| last.min(snapshot.up_to)).filter(|last| *last >= first) {
            delete_run(&mut self.batch, self.families.log, group, Run { first, last });
        }
        // Above the log's end and what was staged there are no blobs.
        let end = log.last.max(log.purged).max(log.staged.last()).map(|last| last.min(snapshot.up_to));
        if let Some(last) = end {
            for run in gaps(Run { first: 0, last }, runs(&snapshot.live)) {
                delete_run(&mut self.batch, self.families.body, group, run);
            }
        }
        log.purge(snapshot.up_to);
        log.staged.remove_up_to(snapshot.up_to);
        let value = keys::encode_purged(snapshot.up_to, &snapshot.last_purged);
        self.batch.put_cf(self.families.meta, keys::meta(group, Tag::Purged), value);
    }

    pub(super) fn complete(&mut self, done: Completion) {
        self.completions.push(Done::Each(done));
    }

    pub(super) fn size(&self) -> usize {
        self.batch.size_in_bytes()
    }
}

fn out_of_order(group: GroupId, log: &GroupLog, records: &[LogRecord]) -> Option<Error> {
    let mut next = log.next();
    for record in records {
        match next {
            Some(expected) if expected != record.index => {
                return Some(Error::OutOfOrder { group, expected, found: record.index });
            }
            Some(_) | None => next = Some(record.index.saturating_add(1)),
        }
    }
    None
}

fn delete_run(batch: &mut WriteBatch, family: &rocksdb::ColumnFamily, group: GroupId, run: Run) {
    if run.count() >= RANGE_DELETE_MIN {
        delete_range(batch, family, group, run);
    } else {
        for index in run.first..=run.last {
            batch.delete_cf(family, keys::entry(group, index));
        }
    }
}

/// No entry has the highest number as its index, so that `last + 1` exists.
fn delete_range(batch: &mut WriteBatch, family: &rocksdb::ColumnFamily, group: GroupId, run: Run) {
    batch.delete_range_cf(family, keys::entry(group, run.first), keys::entry(group, run.last.saturating_add(1)));
}
