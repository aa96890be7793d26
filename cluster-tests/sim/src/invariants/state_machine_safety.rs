//! State machine safety: no two nodes apply different entries at one index (Raft §5.4.3, figure 3).

use std::collections::BTreeMap;

use replication::EntryId;
use types::GroupId;

use crate::oracle::Verdict;

/// What was applied, by group and index: term and content.
#[derive(Debug, Default)]
pub(crate) struct Applied(BTreeMap<GroupId, BTreeMap<u64, (EntryId, u64)>>);

impl Applied {
    pub(crate) fn applied(&mut self, node: usize, group: GroupId, entry: EntryId, content: u64) -> Verdict {
        let known = *self.0.entry(group).or_default().entry(entry.index).or_insert((entry, content));
        if known != (entry, content) {
            return Err(format!(
                "group {group}: node {} applies {entry:?}, where {:?} was applied (contents {content:x} and {:x})",
                node + 1,
                known.0,
                known.1
            ));
        }
        Ok(())
    }

    /// A state was taken over that ends with this entry.
    pub(crate) fn covers(&self, node: usize, group: GroupId, entry: EntryId) -> Verdict {
        match self.0.get(&group).and_then(|entries| entries.get(&entry.index)) {
            Some((known, _)) if *known != entry => Err(format!(
                "group {group}: node {} takes over a state up to {entry:?}, but {known:?} was applied",
                node + 1
            )),
            _ => Ok(()),
        }
    }

    /// The last entry that anybody has applied.
    pub(crate) fn last(&self, group: GroupId) -> Option<EntryId> {
        let (_, (entry, _)) = self.0.get(&group)?.last_key_value()?;
        Some(*entry)
    }
}
