//! Election safety: leaders come one after the other (Raft §5.2, figure 3). In openraft a term may have several, each with a greater
//! id than the one before it; so term and leader together take the place of Raft's term. Whoever begins to lead, and has committed
//! that, comes after all whose entries were committed before.

use replication::EntryId;
use types::GroupId;

use crate::oracle::Verdict;

/// `first`: the first entry of who begins to lead; `committed`: the last one before it that anybody has applied.
pub(crate) fn check(group: GroupId, first: EntryId, committed: EntryId) -> Verdict {
    if (first.term, first.leader) < (committed.term, committed.leader) {
        return Err(format!("group {group}: a leader commits {first:?} after a later one's {committed:?}"));
    }
    Ok(())
}
