//! Log matching: two logs that have an entry of the same index and term are equal up to it (Raft §5.3, figure 3).

use replication::EntryId;
use types::GroupId;

use crate::oracle::Verdict;

/// A log's entries in order: what they are, and their contents.
pub(crate) type Log = Vec<(EntryId, u64)>;

pub(crate) fn check(group: GroupId, logs: &[(usize, Log)]) -> Verdict {
    for (at, (one, log)) in logs.iter().enumerate() {
        for (other, other_log) in &logs[at + 1..] {
            check_pair(group, (*one, log), (*other, other_log))?;
        }
    }
    Ok(())
}

fn check_pair(group: GroupId, (one, log): (usize, &Log), (other, other_log): (usize, &Log)) -> Verdict {
    let Some((first, _)) = other_log.first() else { return Ok(()) };
    let mut differs_at = None;
    for (entry, content) in log.iter().skip_while(|(entry, _)| entry.index < first.index) {
        let at = usize::try_from(entry.index - first.index).unwrap_or(usize::MAX);
        let Some((found, other_content)) = other_log.get(at) else { return Ok(()) };
        debug_assert_eq!(found.index, entry.index, "a log has no gaps");
        let equal = content == other_content;
        if entry == found && (!equal || differs_at.is_some()) {
            return Err(format!(
                "group {group}: the logs of nodes {} and {} agree on {entry:?}, but differ at {}",
                one + 1,
                other + 1,
                differs_at.unwrap_or(entry.index)
            ));
        }
        if entry != found {
            differs_at.get_or_insert(entry.index);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use types::NodeId;

    use super::*;

    /// Entries from an index on: terms and contents.
    fn log(first: u64, entries: &[(u64, u64)]) -> Log {
        let entry = |(index, (term, content)): (u64, &(u64, u64))| {
            (EntryId { term: *term, leader: NodeId(1), index }, *content)
        };
        (first..).zip(entries).map(entry).collect()
    }

    #[test]
    fn logs_may_differ_at_their_ends_but_not_below_a_common_entry() {
        let one = log(3, &[(1, 10), (1, 11), (2, 12)]);
        for other in [log(1, &[(1, 8), (1, 9), (1, 10), (1, 11)]), log(4, &[(1, 11), (3, 99), (3, 98)]), Log::new()] {
            assert_eq!(check(GroupId(1), &[(0, one.clone()), (1, other)]), Ok(()));
        }
        for other in [log(3, &[(1, 10), (1, 99)]), log(3, &[(2, 10), (1, 11), (2, 12)])] {
            assert!(check(GroupId(1), &[(0, one.clone()), (1, other)]).is_err());
        }
    }
}
