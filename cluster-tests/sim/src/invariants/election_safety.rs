//! Election safety: leaders come one after the other (Raft §5.2, figure 3). In openraft a term may have several, each with a greater
//! id than the one before it; so term and leader together take the place of Raft's term. Whoever begins to lead, and has committed
//! that, comes after all whose entries were committed before.

use replication::EntryId;
use types::{GroupId, NodeId};

use crate::oracle::Verdict;

/// `leads`: term and id of who begins to lead; `committed`: the last entry that anybody has applied.
pub(crate) fn check(group: GroupId, leads: (u64, NodeId), committed: Option<EntryId>) -> Verdict {
    match committed.map(|entry| (entry.term, entry.leader)) {
        Some(before) if leads < before => {
            Err(format!("group {group}: a leader {leads:?} commits entries after one of {before:?} has"))
        }
        _ => Ok(()),
    }
}
