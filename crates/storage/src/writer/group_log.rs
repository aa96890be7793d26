//! Where each group's log begins and ends: kept in memory by the writer, so that no seek ever starts among the tombstones of
//! what was purged.

use std::collections::{HashMap, hash_map::Entry};

use types::GroupId;

use crate::{Error, index_runs::IndexRuns, rocks::Disk};

/// The writer's knowledge of one group, including what is in the batch that it assembles.
#[derive(Debug, Default)]
pub(crate) struct GroupLog {
    /// Everything up to this index was purged.
    pub(crate) purged: Option<u64>,
    /// The last entry, when there are any.
    pub(crate) last: Option<u64>,
    /// The current checkpoint's epoch; zero before the first.
    pub(crate) epoch: u32,
    /// Whether the next epoch may hold segments of a checkpoint that was never finished.
    pub(crate) next_epoch_unclean: bool,
    /// Blobs that were put without heads, and not yet taken over by an append or a snapshot.
    pub(crate) staged: IndexRuns,
}

impl GroupLog {
    /// The lowest index that an entry can have.
    pub(crate) fn first_possible(&self) -> u64 {
        self.purged.map_or(0, |purged| purged.saturating_add(1))
    }

    /// The only index that can be appended; any, while the log never had an entry.
    pub(crate) fn next(&self) -> Option<u64> {
        self.last.or(self.purged).map(|last| last.saturating_add(1))
    }

    /// Everything up to this index goes.
    pub(crate) fn purge(&mut self, up_to: u64) {
        self.purged = self.purged.max(Some(up_to));
        self.last = self.last.filter(|last| *last > up_to);
    }

    /// Everything above this index goes.
    pub(crate) fn truncate(&mut self, last_kept: Option<u64>) {
        let first_possible = self.first_possible();
        self.last = self.last.min(last_kept).filter(|last| *last >= first_possible);
    }
}

/// All groups that the writer met since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct GroupLogs(HashMap<GroupId, GroupLog>);

impl GroupLogs {
    /// Reads where the group's log begins and ends, at the first call for this group.
    pub(crate) fn load(&mut self, disk: &Disk, group: GroupId) -> Result<(), Error> {
        if let Entry::Vacant(unknown) = self.0.entry(group) {
            let purged = disk.purged(group)?.map(|(up_to, _)| up_to);
            let mut log = GroupLog { purged, next_epoch_unclean: true, ..GroupLog::default() };
            log.last = disk.last_head(group, log.first_possible())?.map(|(index, _)| index);
            log.epoch = disk.epoch(group)?;
            unknown.insert(log);
        }
        Ok(())
    }

    /// The group's log.
    pub(crate) fn get(&mut self, group: GroupId) -> &mut GroupLog {
        self.0.get_mut(&group).expect("a group is loaded before its first operation")
    }
}
