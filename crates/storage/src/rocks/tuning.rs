//! RocksDB's options for the database and each column family.
//!
//! What matters most: memtables that are large, and merged in pairs before a flush. In a healthy queue a body is deleted
//! before its memtable is flushed, and then only the write-ahead log ever had it.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, CompactionPri, DBCompressionType, DBRecoveryMode, LogLevel,
    Options as RocksOptions, WriteBufferManager, statistics::StatsLevel,
};

use crate::{
    Options, keys,
    options::{KIB, MIB},
};

/// Number of equal shares of the memory: four memtables of one share for `rlog`, eight of five shares for `rbody`. Heads are a few
/// percent of the bodies. Eight, because writers are slowed down when all but one wait for their flush, and then stopped: a flush
/// takes two, so six may fill while the disk is slow.
const SHARES: usize = 44;
/// Shares of one memtable of `rbody`.
const BODY_SHARES: usize = 5;
/// Memtables of `rbody`.
const BODY_MEMTABLES: i32 = 8;

pub(super) fn database(options: &Options) -> RocksOptions {
    let memory = memory(options);
    let mut db = RocksOptions::default();
    db.create_if_missing(true);
    db.create_missing_column_families(true);
    // A torn tail is cut: what was not synced may be lost, what was is a prefix.
    db.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // Overwriting an old log file changes no size, which makes fdatasync cheaper.
    db.set_recycle_log_file_num(4);
    // When the log is longer, the oldest memtables are flushed. A restart has to read all of it and to write what is in it to tables,
    // so it is no longer than the memory. Bodies fill theirs long before; what is flushed for this is the little of the others.
    db.set_max_total_wal_size(as_u64(memory.clamp(128 * MIB, 1024 * MIB)));
    db.set_wal_bytes_per_sync(as_u64(512 * KIB));
    db.set_bytes_per_sync(as_u64(MIB));
    db.set_max_background_jobs(i32::from(options.background_jobs.max(2)));
    db.set_max_subcompactions(1);
    db.set_write_buffer_manager(&WriteBufferManager::new_write_buffer_manager(memory, false));
    db.set_max_open_files(1024);
    if options.background_bytes_per_second > 0 {
        db.set_auto_tuned_ratelimiter(i64::from(options.background_bytes_per_second), 100_000, 10);
    }
    db.set_use_direct_io_for_flush_and_compaction(options.direct_io);
    db.set_skip_stats_update_on_db_open(true);
    db.set_stats_dump_period_sec(600);
    // RocksDB's own log, in the data folder.
    db.set_log_level(LogLevel::Info);
    db.set_max_log_file_size(16 * MIB);
    db.set_keep_log_file_num(4);
    db.enable_statistics();
    db.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
    db
}

pub(super) fn families(options: &Options) -> Vec<ColumnFamilyDescriptor> {
    let share = memory(options) / SHARES;
    let cache = Cache::new_lru_cache(options.cache_bytes);
    let small = (share / 4).min(16 * MIB);
    vec![
        ColumnFamilyDescriptor::new(keys::CF_DEFAULT, family(&cache, MIB)),
        ColumnFamilyDescriptor::new(keys::CF_LOG, log_family(&cache, share)),
        ColumnFamilyDescriptor::new(keys::CF_BODY, body_family(&cache, BODY_SHARES * share)),
        ColumnFamilyDescriptor::new(keys::CF_META, family(&cache, small)),
        ColumnFamilyDescriptor::new(keys::CF_CHECKPOINT, checkpoint_family(&cache, small)),
    ]
}

fn memory(options: &Options) -> usize {
    options.memory_bytes.max(Options::MEMORY_BYTES_MIN)
}

fn family(cache: &Cache, write_buffer_bytes: usize) -> RocksOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_size(32 * KIB);
    table.set_block_cache(cache);
    let mut family = RocksOptions::default();
    family.set_block_based_table_factory(&table);
    family.set_write_buffer_size(write_buffer_bytes);
    family.set_level_compaction_dynamic_level_bytes(true);
    family.set_compression_type(DBCompressionType::None);
    family
}

/// Common to the families that are written at one end and deleted at the other.
fn queue_family(cache: &Cache, write_buffer_bytes: usize) -> RocksOptions {
    let mut family = family(cache, write_buffer_bytes);
    family.set_max_write_buffer_number(4);
    family.set_min_write_buffer_number_to_merge(2);
    family.set_compression_per_level(&[
        DBCompressionType::None,
        DBCompressionType::None,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
    ]);
    family.set_compaction_pri(CompactionPri::OldestSmallestSeqFirst);
    // Files with many tombstones are compacted soon, or reads would have to skip them.
    family.add_compact_on_deletion_collector_factory(4096, 2048, 0.0);
    family
}

fn log_family(cache: &Cache, write_buffer_bytes: usize) -> RocksOptions {
    queue_family(cache, write_buffer_bytes)
}

fn body_family(cache: &Cache, write_buffer_bytes: usize) -> RocksOptions {
    let mut family = queue_family(cache, write_buffer_bytes);
    family.set_max_write_buffer_number(BODY_MEMTABLES);
    family.set_enable_blob_files(true);
    family.set_min_blob_size(as_u64(4 * KIB));
    family.set_blob_file_size(as_u64(128 * MIB));
    family.set_blob_compression_type(DBCompressionType::None);
    family.set_enable_blob_gc(true);
    // Until the collector sees that it pays.
    family.set_blob_gc_age_cutoff(0.0);
    family.set_blob_gc_force_threshold(0.5);
    // Garbage in blob files is seen only when a compaction brings the tombstone and the key together; the tables hold but
    // keys and references, so compacting early and often is cheap.
    family.set_level_zero_file_num_compaction_trigger(2);
    family.set_periodic_compaction_seconds(3600);
    family
}

fn checkpoint_family(cache: &Cache, write_buffer_bytes: usize) -> RocksOptions {
    let mut family = family(cache, write_buffer_bytes);
    family.set_compression_type(DBCompressionType::Lz4);
    family
}

fn as_u64(size: usize) -> u64 {
    u64::try_from(size).expect("a size fits 64 bits")
}
