//! RocksDB as the threads see it: batches, syncs, and the few reads of the writer.

use std::{ffi::CStr, sync::Arc};

use rocksdb::{ColumnFamily, DB, Options as RocksOptions, ReadOptions, WriteBatch, WriteOptions, statistics::Ticker};
use types::GroupId;

use super::mark::SyncMark;
use crate::{
    Error, Fault,
    keys::{self, CurrentCheckpoint, Tag},
};

/// The database with what is needed to write to it.
pub(crate) struct Disk {
    pub(super) db: DB,
    /// The options it was opened with, which its statistics hang on.
    pub(super) options: RocksOptions,
    unsynced: WriteOptions,
    mark: SyncMark,
    fault: Option<Arc<dyn Fault>>,
}

/// Handles of the column families.
#[derive(Clone, Copy)]
pub(crate) struct Families<'a> {
    pub(crate) default: &'a ColumnFamily,
    pub(crate) log: &'a ColumnFamily,
    pub(crate) body: &'a ColumnFamily,
    pub(crate) meta: &'a ColumnFamily,
    pub(crate) checkpoint: &'a ColumnFamily,
}

impl Disk {
    pub(super) fn new(db: DB, options: RocksOptions, mark: SyncMark, fault: Option<Arc<dyn Fault>>) -> Self {
        let mut unsynced = WriteOptions::default();
        unsynced.set_sync(false);
        // Keys of a group ascend within a batch, so that each insert can start where the last one ended.
        unsynced.set_memtable_insert_hint_per_batch(true);
        Disk { db, options, unsynced, mark, fault }
    }

    pub(crate) fn families(&self) -> Families<'_> {
        let family = |name| self.db.cf_handle(name).expect("every family was opened");
        Families {
            default: family(keys::CF_DEFAULT),
            log: family(keys::CF_LOG),
            body: family(keys::CF_BODY),
            meta: family(keys::CF_META),
            checkpoint: family(keys::CF_CHECKPOINT),
        }
    }

    /// Writes the batch to the log and the memtables, without a sync.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        const WRITE: &str = "writing to the log of the store";
        if let Some(fault) = &self.fault {
            fault.before_write().map_err(|e| Error::disk(WRITE, e))?;
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.db.write_opt(batch, &self.unsynced).map_err(|e| Error::disk(WRITE, e))
    }

    /// Makes everything that was written durable.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        const SYNC: &str = "syncing the log of the store";
        if let Some(fault) = &self.fault {
            fault.before_sync().map_err(|e| Error::disk(SYNC, e))?;
        }
        // What is written while this syncs is not noted.
        let written = self.db.latest_sequence_number();
        self.db.flush_wal(true).map_err(|e| Error::disk(SYNC, e))?;
        self.mark.note(written).map_err(|e| Error::disk("noting a sync", e))
    }

    /// Written to the log since the store was opened. Unit: bytes.
    pub(super) fn wal_bytes(&self) -> u64 {
        self.options.get_ticker_count(Ticker::WalFileBytes)
    }

    /// A number that RocksDB knows of a family; zero when it does not say.
    pub(super) fn property(&self, family: &ColumnFamily, name: &CStr) -> u64 {
        self.db.property_int_value_cf(family, name).ok().flatten().unwrap_or(0)
    }

    /// Flushes and compactions end as soon as they can, and no more begin.
    pub(super) fn stop_background(&self) {
        self.db.cancel_all_background_work(false);
    }

    /// How far the group's log was purged, with what was given for it.
    pub(crate) fn purged(&self, group: GroupId) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let Some(value) = self.meta(group, Tag::Purged)? else { return Ok(None) };
        let (up_to, last_purged) = keys::decode_purged(group, &value)?;
        Ok(Some((up_to, last_purged.to_vec())))
    }

    /// The epoch of the group's current checkpoint; zero when there is none.
    pub(crate) fn epoch(&self, group: GroupId) -> Result<u32, Error> {
        let Some(value) = self.meta(group, Tag::Checkpoint)? else { return Ok(0) };
        Ok(CurrentCheckpoint::decode(group, &value)?.epoch)
    }

    pub(super) fn meta(&self, group: GroupId, tag: Tag) -> Result<Option<Vec<u8>>, Error> {
        self.db
            .get_cf(self.families().meta, keys::meta(group, tag))
            .map_err(|e| Error::disk("reading a group's record", e))
    }

    /// The last head of the group's log. Looks no further back than `first`, below which there may be many tombstones.
    pub(crate) fn last_head(&self, group: GroupId, first: u64) -> Result<Option<(u64, Vec<u8>)>, Error> {
        self.last_entry(self.families().log, group, first)
    }

    pub(super) fn last_entry(
        &self,
        family: &ColumnFamily,
        group: GroupId,
        first: u64,
    ) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let mut iterator = self.db.raw_iterator_cf_opt(family, scan(group, first, u64::MAX));
        iterator.seek_to_last();
        iterator.status().map_err(|e| Error::disk("reading the end of a log", e))?;
        let Some((key, value)) = iterator.item() else { return Ok(None) };
        let index = keys::entry_index(key).ok_or(Error::Damaged { group, what: "key of an entry is cut short" })?;
        Ok(Some((index, value.to_vec())))
    }
}

/// Options of a scan over a group's entries, `first` up to but not including `end`.
pub(super) fn scan(group: GroupId, first: u64, end: u64) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(keys::entry(group, first));
    options.set_iterate_upper_bound(keys::entry(group, end));
    options.set_total_order_seek(true);
    options.fill_cache(false);
    options
}
