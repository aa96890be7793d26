//! How a store is opened, and what that means for RocksDB.
//!
//! Sizes start from one memory setting. Syncs are always real: there is no option to weaken them.

use std::{fmt, io, sync::Arc, time::Duration};

use crate::Error;

/// Called once, from a thread of the store, when a write or a sync failed: the process must stop, as nobody knows what of the
/// page cache is on the disk. It must not block for long; completions fail after it returned.
pub type OnFatal = Arc<dyn Fn(&Error) + Send + Sync>;

/// Faults on purpose, for tests: called on the store's threads before each write and each sync. May block.
pub trait Fault: Send + Sync {
    /// Before a batch is written.
    ///
    /// # Errors
    /// The error with which the write is to fail.
    fn before_write(&self) -> io::Result<()> {
        Ok(())
    }

    /// Before the write-ahead log is synced.
    ///
    /// # Errors
    /// The error with which the sync is to fail.
    fn before_sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    /// Memory for data that is not in table files yet. More memory: more messages are consumed before they are written a
    /// second time. Unit: bytes; at least [`Options::MEMORY_BYTES_MIN`] is used.
    pub memory_bytes: usize,
    /// Memory for blocks of table files. Unit: bytes.
    pub cache_bytes: usize,
    /// Threads for flushes and compactions. One flush and one compaction should be able to run at once.
    pub background_jobs: u16,
    /// Limit for flushes and compactions together; zero means none. A flush that is held back fills the memory and then stops all
    /// writers, so there is no limit unless the disk is shared with somebody else. Unit: bytes per second.
    pub background_bytes_per_second: u32,
    /// Whether flushes and compactions bypass the page cache. Some file systems (tmpfs, overlays) refuse it.
    pub direct_io: bool,
    /// How long next to nothing was written before space is given back that RocksDB would only give back under load.
    pub quiet_after: Duration,
    /// What to do when the store failed.
    pub on_fatal: OnFatal,
    /// Faults on purpose.
    pub fault: Option<Arc<dyn Fault>>,
}

impl Options {
    /// Below this, memtables are so small that every body is written twice.
    pub const MEMORY_BYTES_MIN: usize = 32 * MIB;

    /// Options with default sizes.
    pub fn new(on_fatal: OnFatal) -> Self {
        Options {
            memory_bytes: 256 * MIB,
            cache_bytes: 32 * MIB,
            background_jobs: 2,
            background_bytes_per_second: 0,
            direct_io: false,
            quiet_after: Duration::from_secs(5),
            on_fatal,
            fault: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("memory_bytes", &self.memory_bytes)
            .field("cache_bytes", &self.cache_bytes)
            .field("background_jobs", &self.background_jobs)
            .field("background_bytes_per_second", &self.background_bytes_per_second)
            .field("direct_io", &self.direct_io)
            .field("quiet_after", &self.quiet_after)
            .field("fault", &self.fault.is_some())
            .finish_non_exhaustive()
    }
}

pub(crate) const KIB: usize = 1024;
pub(crate) const MIB: usize = 1024 * KIB;
