//! Gives disk space back while the store is quiet.
//!
//! Under load RocksDB does that by itself: memtables fill and are flushed, tables pile up and are compacted. When the load ends, it
//! stops in the middle: what was consumed last is dead, but the log that has it stays until its memtables are flushed, and the tables
//! that have it until their tombstones meet it. The keeper ends what was begun.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rocksdb::{ColumnFamily, CompactOptions, FlushOptions};

use super::{Disk, collector::Collector};
use crate::{
    Error,
    handoff::{Nothing, Receiver},
    watch::Watch,
};

/// So much written within a second still counts as quiet. A compaction does no harm beside it.
const QUIET_BYTES_PER_SECOND: u64 = 256 * 1024;
/// So much in the log makes a flush worth it. What a quiet store keeps in its log is below this, and files for recycling.
const FLUSH_BYTES: u64 = 16 * 1024 * 1024;
/// Families with smaller files than this are left alone.
const COMPACT_BYTES: u64 = 16 * 1024 * 1024;
/// Up to this size a family is compacted though it is not known how much of it is dead: after a restart nobody has counted.
const COMPACT_UNKNOWN_BYTES: u64 = 1024 * 1024 * 1024;
/// A family is rewritten when as many entries have died as a quarter of those that live: each death costs four entries at most.
const DEAD_PARTS: u64 = 4;

pub(super) struct Keeper {
    disk: Arc<Disk>,
    watch: Arc<Watch>,
    collector: Collector,
    /// Closed when the store is dropped.
    end: Receiver<()>,
    round: Duration,
    /// Written to the log when it was looked at last, and when it was flushed last.
    seen_bytes: u64,
    flushed_bytes: u64,
    /// Bodies that had died at the last compaction of their family; `None` before the first.
    compacted_dead: Option<u64>,
    /// Bodies that had died when it was looked last whether that is worth a flush.
    looked_dead: u64,
}

/// What a family's tables say of themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tables {
    entries: u64,
    deletions: u64,
    range_deletions: u64,
    bytes: u64,
    blob_bytes: u64,
}

impl Keeper {
    pub(super) fn new(disk: Arc<Disk>, watch: Arc<Watch>, end: Receiver<()>, quiet_after: Duration) -> Self {
        Keeper {
            disk,
            watch,
            collector: Collector::default(),
            end,
            round: quiet_after,
            seen_bytes: 0,
            flushed_bytes: 0,
            compacted_dead: None,
            looked_dead: 0,
        }
    }

    /// Works until the store is dropped or has failed.
    pub(super) fn run(mut self) {
        while self.end.recv_timeout(self.round) == Err(Nothing::Empty) {
            if self.watch.failure().is_some() {
                return;
            }
            self.collector.look(&self.disk);
            let written = self.disk.wal_bytes();
            let since = written - std::mem::replace(&mut self.seen_bytes, written);
            if is_quiet(since, self.round)
                && let Err(error) = self.tidy(written)
            {
                // What cannot be flushed is in the log; writes will meet the same error.
                tracing::warn!(%error, "disk space could not be given back");
            }
        }
    }

    fn tidy(&mut self, written: u64) -> Result<(), Error> {
        if written - self.flushed_bytes >= FLUSH_BYTES || self.has_died_enough() {
            self.flushed_bytes = written;
            self.disk.flush_all()?;
        }
        let families = self.disk.families();
        for (name, family) in [("rlog", families.log), ("ckpt", families.checkpoint)] {
            let tables = self.disk.tables(family);
            // Both are small beside what they were made for, and hardly anything in them lives for long.
            if tables.has_tombstones() && tables.bytes >= COMPACT_BYTES {
                self.disk.compact(name, family, tables);
            }
        }
        self.tidy_bodies();
        Ok(())
    }

    /// Whether enough bodies that are in tables have died, of which only memory knows: a backlog that was consumed is a few bytes in the
    /// log.
    fn has_died_enough(&mut self) -> bool {
        let died = self.watch.dead_bodies();
        if std::mem::replace(&mut self.looked_dead, died) == died {
            return false;
        }
        let family = self.disk.families().body;
        let dead = Some(died - self.compacted_dead.unwrap_or(0));
        self.disk.tables(family).is_worth_it(dead, || self.disk.is_empty(family))
    }

    fn tidy_bodies(&mut self) {
        let family = self.disk.families().body;
        let before = self.disk.tables(family);
        let died = self.watch.dead_bodies();
        let dead = self.compacted_dead.map(|counted| died - counted);
        if before.has_tombstones() && before.is_worth_it(dead, || self.disk.is_empty(family)) {
            self.disk.compact("rbody", family, before);
            self.compacted_dead = Some(died);
        }
        let (disk, end, begun, written) = (&self.disk, &self.end, Instant::now(), self.disk.wal_bytes());
        let goes_on = || {
            let is_open = end.recv_timeout(Duration::ZERO) == Err(Nothing::Empty);
            is_open && is_quiet(disk.wal_bytes() - written, begun.elapsed().max(self.round))
        };
        self.collector.collect(disk, goes_on);
    }
}

impl Tables {
    fn has_tombstones(&self) -> bool {
        self.deletions + self.range_deletions > 0
    }

    /// Whether bodies are to be compacted: enough are dead, or all, or it does not cost much to find out.
    fn is_worth_it(&self, dead: Option<u64>, is_empty: impl FnOnce() -> bool) -> bool {
        let size = self.bytes + self.blob_bytes;
        if size < COMPACT_BYTES {
            return false;
        }
        let enough = self.entries.saturating_sub(self.deletions) / DEAD_PARTS;
        dead.unwrap_or(0).max(self.deletions) >= enough
            || (dead.is_none() && size <= COMPACT_UNKNOWN_BYTES)
            || is_empty()
    }
}

impl Disk {
    fn flush_all(&self) -> Result<(), Error> {
        let f = self.families();
        let mut options = FlushOptions::default();
        options.set_wait(true);
        let all = [f.default, f.log, f.body, f.meta, f.checkpoint];
        self.db.flush_cfs_opt(&all.each_ref(), &options).map_err(|e| Error::disk("flushing memory to table files", e))
    }

    fn compact(&self, name: &str, family: &ColumnFamily, tables: Tables) {
        let before = tables.bytes + tables.blob_bytes;
        self.db.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &compaction());
        let now = self.tables(family);
        let after = now.bytes + now.blob_bytes;
        tracing::info!(family = name, before_bytes = before, after_bytes = after, "disk space given back");
    }

    fn tables(&self, family: &ColumnFamily) -> Tables {
        let text = self.db.property_value_cf(family, rocksdb::properties::AGGREGATED_TABLE_PROPERTIES).ok().flatten();
        let text = text.unwrap_or_default();
        let count = |name: &str| field(&text, name).unwrap_or(0);
        Tables {
            entries: count("# entries"),
            deletions: count("# deletions"),
            range_deletions: count("# range deletions"),
            bytes: self.property(family, c"rocksdb.total-sst-files-size"),
            blob_bytes: self.property(family, c"rocksdb.total-blob-file-size"),
        }
    }

    fn is_empty(&self, family: &ColumnFamily) -> bool {
        let mut first = self.db.raw_iterator_cf(family);
        first.seek_to_first();
        !first.valid() && first.status().is_ok()
    }
}

/// Whether next to nothing was written.
fn is_quiet(written: u64, time: Duration) -> bool {
    written <= u64::try_from(time.as_millis()).unwrap_or(u64::MAX).saturating_mul(QUIET_BYTES_PER_SECOND) / 1000
}

pub(super) fn compaction() -> CompactOptions {
    let mut options = CompactOptions::default();
    // Others go on beside it.
    options.set_exclusive_manual_compaction(false);
    options
}

/// The number behind a name in RocksDB's `name=number; name=number`.
fn field(text: &str, name: &str) -> Option<u64> {
    let found = text.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))?;
    found.trim().parse().ok()
}

/// Everything in a folder. Unit: bytes.
pub(super) fn folder_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        // A file may go while this looks.
        sum += entry?.metadata().map_or(0, |file| file.len());
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_properties_of_tables() {
        let text =
            "# data blocks=2; # entries=2048; # deletions=7; # merge operands=0; # range deletions=3; raw key size=4";
        assert_eq!(field(text, "# entries"), Some(2048));
        assert_eq!(field(text, "# deletions"), Some(7));
        assert_eq!(field(text, "# range deletions"), Some(3));
        assert_eq!(field(text, "# nothing"), None);
    }

    #[test]
    fn bodies_are_compacted_when_it_pays() {
        let mib = 1024 * 1024;
        let large = Tables { entries: 1000, range_deletions: 1, bytes: 2048 * mib, ..Tables::default() };
        let no = || false;
        assert!(!large.is_worth_it(None, no), "who knows how much lives");
        assert!(large.is_worth_it(None, || true), "nothing lives");
        assert!(!large.is_worth_it(Some(249), no));
        assert!(large.is_worth_it(Some(250), no));
        assert!(!large.is_worth_it(Some(0), no));
        assert!(Tables { bytes: 100 * mib, ..large }.is_worth_it(None, no), "it is cheap to find out");
        assert!(!Tables { bytes: mib, ..large }.is_worth_it(None, || true), "not worth the trouble");
    }
}
