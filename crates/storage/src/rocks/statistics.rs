//! What the disk was given, as RocksDB counts it, and what is free.

use std::ffi::CStr;

use rocksdb::statistics::Ticker;

use super::{Disk, RocksStore, keeper::folder_bytes};
use crate::{Error, metrics};

/// Totals since the store was opened, and sizes now. What was written to the disk is `wal_bytes + flush_bytes +
/// compaction_write_bytes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageStatistics {
    /// Written to the write-ahead log.
    pub wal_bytes: u64,
    /// Written to table and blob files from memory.
    pub flush_bytes: u64,
    /// Read by compactions.
    pub compaction_read_bytes: u64,
    /// Written to table and blob files by compactions.
    pub compaction_write_bytes: u64,
    /// Written to blob files; part of what flushes and compactions wrote.
    pub blob_file_bytes: u64,
    /// Moved from one blob file to another to get rid of dead neighbours; part of `blob_file_bytes`.
    pub blob_relocated_bytes: u64,
    /// Known to be dead in blob files.
    pub blob_garbage_bytes: u64,
    /// Size of all blob files.
    pub blob_files_bytes: u64,
    /// Size of all table files.
    pub table_files_bytes: u64,
    /// Memory of data that is not in table files yet.
    pub memtable_bytes: u64,
}

impl RocksStore {
    /// What the disk was given so far.
    pub fn statistics(&self) -> StorageStatistics {
        self.disk.statistics()
    }

    /// Sets the metrics that nobody counts on the way. Called before a scrape.
    pub fn publish_metrics(&self) {
        metrics::publish(&self.statistics(), self.free_bytes().ok());
    }

    /// Everything that the store has on the disk, log files that wait to be used again included. Unit: bytes.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn disk_bytes(&self) -> Result<u64, Error> {
        folder_bytes(&self.path).map_err(|e| Error::disk("looking at the data folder", e))
    }

    /// Free space, for this process, of the file system that holds the store. Unit: bytes.
    ///
    /// # Errors
    /// When the file system does not say.
    pub fn free_bytes(&self) -> Result<u64, Error> {
        let there = rustix::fs::statvfs(&self.path).map_err(|e| Error::disk("asking for free disk space", e))?;
        Ok(there.f_bavail.saturating_mul(there.f_frsize))
    }
}

impl Disk {
    fn statistics(&self) -> StorageStatistics {
        let ticker = |ticker| self.options.get_ticker_count(ticker);
        let families = self.families();
        let all = [families.default, families.log, families.body, families.meta, families.checkpoint];
        let sum = |name: &CStr| all.iter().map(|family| self.property(family, name)).sum();
        StorageStatistics {
            wal_bytes: ticker(Ticker::WalFileBytes),
            flush_bytes: ticker(Ticker::FlushWriteBytes),
            compaction_read_bytes: ticker(Ticker::CompactReadBytes),
            compaction_write_bytes: ticker(Ticker::CompactWriteBytes),
            blob_file_bytes: ticker(Ticker::BlobDbBlobFileBytesWritten),
            blob_relocated_bytes: ticker(Ticker::BlobDbGcBytesRelocated),
            blob_garbage_bytes: sum(c"rocksdb.live-blob-file-garbage-size"),
            blob_files_bytes: sum(c"rocksdb.total-blob-file-size"),
            table_files_bytes: sum(c"rocksdb.total-sst-files-size"),
            memtable_bytes: sum(c"rocksdb.cur-size-all-mem-tables"),
        }
    }
}
