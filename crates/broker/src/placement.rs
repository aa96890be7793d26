//! Where a new queue is to live.

use metadata::Machine;
use rand::Rng;
use replication::Groups;
use types::{FieldTable, FieldValue, GroupId};

/// Chooses a replicated group: by `x-queue-leader-locator` one that this node leads (`client-local`, the default), or any
/// (`balanced`). Of two that are drawn at random, the one with fewer queues: that is nearly as even as the best of all, and
/// many nodes that choose at once do not all choose the same.
///
/// `None` when the cluster has no queue groups (yet).
pub(crate) fn choose(groups: &dyn Groups, machine: &Machine, arguments: &FieldTable) -> Option<GroupId> {
    let mut candidates = groups.shards();
    let is_balanced = matches!(
        arguments.get("x-queue-leader-locator"),
        Some(FieldValue::LongStr(locator)) if &locator[..] != b"client-local"
    );
    if !is_balanced {
        let led: Vec<GroupId> = candidates.iter().copied().filter(|group| groups.is_leader(*group)).collect();
        if !led.is_empty() {
            candidates = led;
        }
    }
    less_loaded_of_two(&candidates, |group| machine.queue_count_in_group(group))
}

fn less_loaded_of_two(candidates: &[GroupId], load: impl Fn(GroupId) -> usize) -> Option<GroupId> {
    if candidates.len() < 2 {
        return candidates.first().copied();
    }
    let mut random = rand::rng();
    let one = random.random_range(0..candidates.len());
    let two = (one + random.random_range(1..candidates.len())) % candidates.len();
    let (one, two) = (candidates[one], candidates[two]);
    Some(if load(two) < load(one) { two } else { one })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_groups_the_emptier_is_always_chosen() {
        let groups = [GroupId(1), GroupId(2)];
        for _ in 0..50 {
            assert_eq!(less_loaded_of_two(&groups, |group| if group == GroupId(2) { 3 } else { 7 }), Some(GroupId(2)));
        }
    }

    #[test]
    fn the_fullest_of_many_groups_is_never_chosen() {
        let groups: Vec<GroupId> = (1..=5).map(GroupId).collect();
        for _ in 0..200 {
            let chosen = less_loaded_of_two(&groups, |group| usize::from(group == GroupId(3)));
            assert_ne!(chosen, Some(GroupId(3)));
        }
    }

    #[test]
    fn without_groups_nothing_is_chosen() {
        assert_eq!(less_loaded_of_two(&[], |_| 0), None);
    }
}
