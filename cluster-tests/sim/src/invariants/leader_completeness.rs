//! Leader completeness: whoever leads has all entries that were committed before (Raft §5.4.3, figure 3). What anybody has applied
//! was committed.

use replication::EntryId;
use types::{GroupId, NodeId};

use crate::oracle::Verdict;

/// What a log has at an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This entry.
    Entry(EntryId),
    /// The log begins later: a checkpoint covers it.
    Covered,
    /// Nothing.
    Nothing,
}

/// `leads`: term and id of who begins to lead; `find` looks into its log.
pub(crate) fn check(
    node: usize,
    group: GroupId,
    leads: (u64, NodeId),
    committed: Option<EntryId>,
    find: impl Fn(u64) -> Found,
) -> Verdict {
    let Some(committed) = committed.filter(|committed| (committed.term, committed.leader) < leads) else {
        return Ok(());
    };
    match find(committed.index) {
        Found::Covered => Ok(()),
        Found::Entry(found) if found == committed => Ok(()),
        found => Err(format!(
            "group {group}: node {} leads as {leads:?} without {committed:?}, which was applied (it has {found:?})",
            node + 1
        )),
    }
}
