//! One state of the simulated disk, in plain maps: what each operation means, in its simplest form.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use bytes::Bytes;
use types::GroupId;

use crate::{
    Checkpoint, Error, GroupState, LogRecord,
    keys::Tag,
    op::{InstallOp, Op},
};

#[derive(Clone, Default)]
pub(super) struct State {
    groups: BTreeMap<GroupId, Group>,
    node: BTreeMap<Vec<u8>, Bytes>,
}

#[derive(Clone, Default)]
struct Group {
    vote: Option<Bytes>,
    committed: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
    heads: BTreeMap<u64, Bytes>,
    blobs: BTreeMap<u64, Bytes>,
    checkpoint: Option<Checkpoint>,
    /// Known only until the process ends.
    staged: BTreeSet<u64>,
}

impl State {
    /// Carries out one operation.
    ///
    /// # Errors
    /// When an append does not follow the log; it changes nothing then.
    pub(super) fn apply(&mut self, op: &Op) -> Result<(), Error> {
        if let Op::NodeValue { key, value, .. } = op {
            self.node.insert(key.clone(), value.clone());
        }
        let Some(id) = op.group() else { return Ok(()) };
        let group = self.groups.entry(id).or_default();
        match op {
            Op::Append { records, .. } => return group.append(id, records),
            Op::Value { tag: Tag::Vote, value, .. } => group.vote = Some(value.clone()),
            Op::Value { value, .. } => group.committed = Some(value.clone()),
            Op::Truncate { last_kept, .. } => group.truncate(*last_kept),
            Op::Purge { up_to, last_purged, .. } => group.purge(*up_to, last_purged),
            Op::DeleteBlobs { indexes, .. } => indexes.iter().for_each(|index| drop(group.blobs.remove(index))),
            Op::PutBlobs { blobs, .. } => {
                for (index, blob) in blobs {
                    group.blobs.insert(*index, blob.clone());
                    group.staged.insert(*index);
                }
            }
            Op::DropOrphans { .. } => {
                let end = group.next().unwrap_or(0);
                group.blobs.retain(|index, _| *index < end);
            }
            Op::Install(install) => group.install(install),
            Op::Forget { .. } => *group = Group::default(),
            Op::Barrier { .. } | Op::NodeValue { .. } => {}
        }
        Ok(())
    }

    /// What only a running process knows is gone.
    pub(super) fn forget_memory(&mut self) {
        for group in self.groups.values_mut() {
            group.staged.clear();
        }
    }

    /// What is known of the group, and whether there are blobs above the end of its log.
    pub(super) fn recover(&self, id: GroupId) -> Result<(GroupState, bool), Error> {
        let Some(group) = self.groups.get(&id) else { return Ok((GroupState::default(), false)) };
        let last = match group.heads.last_key_value() {
            Some((last, _)) => self.read_log(id, *last..last + 1, usize::MAX)?.pop(),
            None => None,
        };
        let end = group.next().unwrap_or(0);
        let state = GroupState {
            vote: group.vote.clone(),
            committed: group.committed.clone(),
            last_purged: group.purged.as_ref().map(|(_, last_purged)| last_purged.clone()),
            first_index: group.heads.first_key_value().map(|(first, _)| *first),
            last,
            checkpoint: group.checkpoint.as_ref().map(|checkpoint| checkpoint.meta.clone()),
        };
        Ok((state, group.blobs.range(end..).next().is_some()))
    }

    pub(super) fn log_bounds(&self, id: GroupId) -> Option<(u64, u64)> {
        let heads = &self.groups.get(&id)?.heads;
        Some((*heads.first_key_value()?.0, *heads.last_key_value()?.0))
    }

    pub(super) fn read_log(&self, id: GroupId, range: Range<u64>, max_bytes: usize) -> Result<Vec<LogRecord>, Error> {
        let mut records = Vec::new();
        let mut bytes = 0;
        for index in range {
            let group = self.groups.get(&id);
            let Some(head) = group.and_then(|group| group.heads.get(&index)) else {
                return Err(Error::Missing { group: id, index });
            };
            let blob = self.blob(id, index).unwrap_or_default();
            bytes += head.len() + blob.len();
            records.push(LogRecord { index, head: head.clone(), blob });
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(records)
    }

    pub(super) fn blob(&self, id: GroupId, index: u64) -> Option<Bytes> {
        self.groups.get(&id)?.blobs.get(&index).cloned()
    }

    pub(super) fn checkpoint(&self, id: GroupId) -> Option<Checkpoint> {
        self.groups.get(&id)?.checkpoint.clone()
    }

    pub(super) fn node_value(&self, key: &[u8]) -> Option<Bytes> {
        self.node.get(key).cloned()
    }
}

impl Group {
    /// The only index that can be appended; any, while the log never had an entry.
    fn next(&self) -> Option<u64> {
        let last = self.heads.last_key_value().map(|(last, _)| *last);
        last.or_else(|| self.purged.as_ref().map(|(up_to, _)| *up_to)).map(|last| last + 1)
    }

    fn append(&mut self, group: GroupId, records: &[LogRecord]) -> Result<(), Error> {
        let mut next = self.next();
        for record in records {
            if let Some(expected) = next.filter(|expected| *expected != record.index) {
                return Err(Error::OutOfOrder { group, expected, found: record.index });
            }
            next = Some(record.index + 1);
        }
        for record in records {
            self.heads.insert(record.index, record.head.clone());
            if !record.blob.is_empty() {
                self.blobs.insert(record.index, record.blob.clone());
            } else if self.staged.contains(&record.index) {
                self.blobs.remove(&record.index);
            }
            self.staged.remove(&record.index);
        }
        Ok(())
    }

    fn truncate(&mut self, last_kept: Option<u64>) {
        let gone = self.heads.split_off(&last_kept.map_or(0, |last| last + 1));
        for index in gone.keys().filter(|index| !self.staged.contains(index)) {
            self.blobs.remove(index);
        }
    }

    fn purge(&mut self, up_to: u64, last_purged: &Bytes) {
        if self.purged.as_ref().is_none_or(|(purged, _)| *purged <= up_to) {
            self.heads = self.heads.split_off(&(up_to + 1));
            self.purged = Some((up_to, last_purged.clone()));
        }
    }

    fn install(&mut self, install: &InstallOp) {
        let mut checkpoint = install.checkpoint.clone();
        checkpoint.segments.sort_unstable_by_key(|(number, _)| *number);
        self.checkpoint = Some(checkpoint);
        if let Some(snapshot) = &install.snapshot {
            let up_to = snapshot.up_to;
            self.heads.retain(|index, _| *index > up_to);
            self.blobs.retain(|index, _| *index > up_to || snapshot.live.binary_search(index).is_ok());
            self.staged.retain(|index| *index > up_to);
            self.purged = Some((up_to, snapshot.last_purged.clone()));
        }
    }
}
