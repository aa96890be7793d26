//! Moves bodies that live out of files that are mostly dead.
//!
//! RocksDB does that as part of each compaction, for the oldest blob files, and whether or not anything in them is dead: a backlog
//! that only grows would be written again and again, and the more often the longer it is. So the part of the files that
//! compactions look at is none until more is dead than lives, and then no more than [`STEP_BYTES`]: compactions stay short, and take
//! little space before they give some back. What is moved is in the newest file afterwards, so each file has its turn.

use rocksdb::BottommostLevelCompaction;

use super::{Disk, keeper::compaction};

/// What is moved by one compaction at most, about. Unit: bytes.
const STEP_BYTES: u64 = 512 * 1024 * 1024;
/// Less garbage than this is left alone. Unit: bytes.
const GARBAGE_BYTES: u64 = 16 * 1024 * 1024;
/// The largest part of the files that are looked at under load. Unit: thousandths.
const LARGEST_PART: u16 = 250;

/// Decides which part of the blob files compactions look at.
#[derive(Debug, Default)]
pub(super) struct Collector {
    is_on: bool,
    /// As RocksDB has it. Unit: thousandths.
    part: u16,
}

/// Sizes of blob files. Unit: bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Blobs {
    /// Of all that is in the files.
    pub(super) bytes: u64,
    /// Of what is known to be dead.
    pub(super) garbage: u64,
}

impl Collector {
    /// Has compactions move what lives from when most is dead until little is.
    pub(super) fn look(&mut self, disk: &Disk) {
        let blobs = disk.blobs();
        self.is_on = blobs.are_worth_it(self.is_on);
        self.set(disk, if self.is_on { blobs.part(STEP_BYTES).min(LARGEST_PART) } else { 0 });
    }

    /// Moves what lives, a step at a time, until most in the files is alive, each file had its turn, or it is to stop.
    pub(super) fn collect(&mut self, disk: &Disk, goes_on: impl Fn() -> bool) {
        let before = disk.blobs();
        // A step rewrites all table files, too.
        let step = STEP_BYTES.max(disk.property(disk.families().body, c"rocksdb.total-sst-files-size"));
        let mut steps = 0;
        while disk.blobs().are_worth_it(false) && steps <= before.bytes.div_ceil(step) && goes_on() {
            self.set(disk, disk.blobs().part(step));
            let mut options = compaction();
            options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
            disk.db.compact_range_cf_opt(disk.families().body, None::<&[u8]>, None::<&[u8]>, &options);
            steps += 1;
        }
        if steps > 0 {
            let after = disk.blobs().bytes;
            tracing::info!(before_bytes = before.bytes, after_bytes = after, "space of dead bodies given back");
            self.look(disk);
        }
    }

    fn set(&mut self, disk: &Disk, part: u16) {
        const CUTOFF: &str = "blob_garbage_collection_age_cutoff";
        if self.part == part {
            return;
        }
        let cutoff = (f64::from(part) / 1000.0).to_string();
        match disk.db.set_options_cf(disk.families().body, &[(CUTOFF, &cutoff)]) {
            Ok(()) => self.part = part,
            Err(error) => tracing::warn!(%error, "the space of dead bodies may not be given back"),
        }
    }
}

impl Blobs {
    /// Whether more is dead than lives; once that was so, whether more than a quarter is dead.
    fn are_worth_it(self, was: bool) -> bool {
        self.garbage >= GARBAGE_BYTES && self.garbage > if was { self.bytes / 4 } else { self.bytes / 2 }
    }

    /// The part that `step` bytes are of all, one at least. Unit: thousandths.
    fn part(self, step: u64) -> u16 {
        let part = step.saturating_mul(1000).div_ceil(self.bytes.max(1)).min(1000);
        u16::try_from(part).expect("it is at most 1000")
    }
}

impl Disk {
    fn blobs(&self) -> Blobs {
        let size = |name| self.property(self.families().body, name);
        Blobs { bytes: size(c"rocksdb.live-blob-file-size"), garbage: size(c"rocksdb.live-blob-file-garbage-size") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn what_lives_is_moved_from_when_most_is_dead_until_little_is() {
        let blobs = |garbage| Blobs { bytes: 100 * GIB, garbage: garbage * GIB };
        assert!(!blobs(50).are_worth_it(false));
        assert!(blobs(51).are_worth_it(false));
        assert!(blobs(26).are_worth_it(true));
        assert!(!blobs(25).are_worth_it(true));
        assert!(!Blobs { bytes: 20 << 20, garbage: 15 << 20 }.are_worth_it(true), "not worth the trouble");
    }

    #[test]
    fn a_step_is_of_the_same_size_however_much_there_is() {
        let part = |bytes| Blobs { bytes, garbage: 0 }.part(GIB);
        assert_eq!([0, GIB, 4 * GIB, 100 * GIB, 5000 * GIB].map(part), [1000, 1000, 250, 10, 1]);
    }
}
