//! Leader completeness: whoever leads has all entries that were committed before (Raft §5.4.3, figure 3). What anybody has applied
//! was committed.

use replication::EntryId;
use types::GroupId;

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

/// `first`: the first entry of who begins to lead; `committed`: the last one before it that anybody has applied; `find` looks into
/// the leader's log.
pub(crate) fn check(
    node: usize,
    group: GroupId,
    first: EntryId,
    committed: EntryId,
    find: impl Fn(u64) -> Found,
) -> Verdict {
    match find(committed.index) {
        Found::Covered => Ok(()),
        Found::Entry(found) if found == committed => Ok(()),
        found => Err(format!(
            "group {group}: node {} leads from {first:?} on without {committed:?}, which was applied (it has {found:?})",
            node + 1
        )),
    }
}
