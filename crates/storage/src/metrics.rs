//! The store's metrics: names, units and help in one place, and the handles the threads use.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit, counter, gauge, histogram};
use telemetry::metrics::{Metric, describe_all};

use crate::StorageStatistics;

const BATCHES: &str = "quorate_storage_batches_total";
const OPERATIONS: &str = "quorate_storage_operations_total";
const OPERATION_BYTES: &str = "quorate_storage_operation_bytes_total";
const QUEUED: &str = "quorate_storage_queued_bytes";
const SYNCS: &str = "quorate_storage_sync_seconds";
const FAILURES: &str = "quorate_storage_failures_total";
const WAL: &str = "quorate_storage_wal_bytes_total";
const FLUSH: &str = "quorate_storage_flush_bytes_total";
const COMPACTION_READ: &str = "quorate_storage_compaction_read_bytes_total";
const COMPACTION_WRITE: &str = "quorate_storage_compaction_write_bytes_total";
const BLOB_FILE: &str = "quorate_storage_blob_file_bytes_total";
const BLOB_GC: &str = "quorate_storage_blob_relocated_bytes_total";
const BLOB_GARBAGE: &str = "quorate_storage_blob_garbage_bytes";
const BLOB_FILES: &str = "quorate_storage_blob_files_bytes";
const TABLE_FILES: &str = "quorate_storage_table_files_bytes";
const MEMTABLES: &str = "quorate_storage_memtable_bytes";
const FREE: &str = "quorate_storage_disk_free_bytes";

/// All metrics of this crate.
pub const METRICS: &[Metric] = &[
    Metric::counter(BATCHES, Unit::Count, "Batches written to the log of the store"),
    Metric::counter(OPERATIONS, Unit::Count, "Operations in those batches"),
    Metric::counter(OPERATION_BYTES, Unit::Bytes, "Payload of those operations"),
    Metric::gauge(QUEUED, Unit::Bytes, "Bytes that wait for the writer"),
    Metric::histogram(SYNCS, Unit::Seconds, "Duration of syncs of the write-ahead log"),
    Metric::counter(FAILURES, Unit::Count, "Writes or syncs that failed; the node stops at the first"),
    Metric::counter(WAL, Unit::Bytes, "Bytes written to the write-ahead log"),
    Metric::counter(FLUSH, Unit::Bytes, "Bytes written to table and blob files from memory"),
    Metric::counter(COMPACTION_READ, Unit::Bytes, "Bytes read by compactions"),
    Metric::counter(COMPACTION_WRITE, Unit::Bytes, "Bytes written to table and blob files by compactions"),
    Metric::counter(BLOB_FILE, Unit::Bytes, "Bytes written to blob files, part of what flushes and compactions wrote"),
    Metric::counter(BLOB_GC, Unit::Bytes, "Bytes in blob files that were moved to get rid of dead ones beside them"),
    Metric::gauge(BLOB_GARBAGE, Unit::Bytes, "Bytes in blob files that are known to be dead"),
    Metric::gauge(BLOB_FILES, Unit::Bytes, "Size of all blob files"),
    Metric::gauge(TABLE_FILES, Unit::Bytes, "Size of all table files"),
    Metric::gauge(MEMTABLES, Unit::Bytes, "Memory of data that is not in table files yet"),
    Metric::gauge(FREE, Unit::Bytes, "Free space of the file system"),
];

/// Hands names, units and help to the recorder. Called once, after it is installed and before a store is opened.
pub fn describe() {
    describe_all(METRICS);
}

/// What the store's threads count.
pub(crate) struct StoreMetrics {
    batches: Counter,
    operations: Counter,
    operation_bytes: Counter,
    queued: Gauge,
    syncs: Histogram,
    failures: Counter,
}

impl StoreMetrics {
    pub(crate) fn new() -> Self {
        StoreMetrics {
            batches: counter!(BATCHES),
            operations: counter!(OPERATIONS),
            operation_bytes: counter!(OPERATION_BYTES),
            queued: gauge!(QUEUED),
            syncs: histogram!(SYNCS),
            failures: counter!(FAILURES),
        }
    }

    pub(crate) fn wrote(&self, operations: usize, bytes: usize, queued: usize) {
        self.batches.increment(1);
        self.operations.increment(wide(operations));
        self.operation_bytes.increment(wide(bytes));
        self.queued.set(float(wide(queued)));
    }

    pub(crate) fn synced(&self, took: Duration) {
        self.syncs.record(took);
    }

    pub(crate) fn failed(&self) {
        self.failures.increment(1);
    }
}

/// Publishes what RocksDB counts. Called before a scrape.
pub(crate) fn publish(statistics: &StorageStatistics, free_bytes: Option<u64>) {
    counter!(WAL).absolute(statistics.wal_bytes);
    counter!(FLUSH).absolute(statistics.flush_bytes);
    counter!(COMPACTION_READ).absolute(statistics.compaction_read_bytes);
    counter!(COMPACTION_WRITE).absolute(statistics.compaction_write_bytes);
    counter!(BLOB_FILE).absolute(statistics.blob_file_bytes);
    counter!(BLOB_GC).absolute(statistics.blob_relocated_bytes);
    gauge!(BLOB_GARBAGE).set(float(statistics.blob_garbage_bytes));
    gauge!(BLOB_FILES).set(float(statistics.blob_files_bytes));
    gauge!(TABLE_FILES).set(float(statistics.table_files_bytes));
    gauge!(MEMTABLES).set(float(statistics.memtable_bytes));
    if let Some(free) = free_bytes {
        gauge!(FREE).set(float(free));
    }
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[expect(clippy::as_conversions, reason = "a gauge is a float; sizes lose precision above 8 PiB")]
fn float(value: u64) -> f64 {
    value as f64
}
