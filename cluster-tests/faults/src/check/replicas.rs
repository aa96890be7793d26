//! I11 and I13: when all is quiet, replicas that have applied the same entries are equal, and every node counts the same messages.

use std::collections::BTreeMap;

use super::{Finding, Findings};
use crate::api::{Depth, Replica};

/// Whether all replicas of all groups have come equally far. Only then can they be compared.
pub fn are_level(nodes: &[(usize, Vec<Replica>)]) -> bool {
    let mut applied: BTreeMap<u32, u64> = BTreeMap::new();
    let all = nodes.iter().flat_map(|(_, replicas)| replicas);
    let mut level = true;
    for replica in all {
        level &= *applied.entry(replica.group).or_insert(replica.applied) == replica.applied;
    }
    level
}

/// I11: equal digests at equal indexes.
pub fn compare(nodes: &[(usize, Vec<Replica>)]) -> Vec<Finding> {
    let mut findings = Findings::default();
    let mut known: BTreeMap<(u32, u64), (usize, &str)> = BTreeMap::new();
    for (node, replicas) in nodes {
        for replica in replicas {
            let (other, digest) = *known.entry((replica.group, replica.applied)).or_insert((*node, &replica.digest));
            if digest != replica.digest {
                let example = || {
                    let Replica { group, applied, digest: mine } = replica;
                    format!("group {group} at {applied}: {digest} on node{other}, {mine} on node{node}")
                };
                findings.add("I11", "replicas differ", example);
            }
        }
    }
    findings.list()
}

/// I13: queues that were drained are empty on every node: nothing is ready, nothing is held by consumers that are gone.
pub fn drained(depths: &[(usize, String, Depth)]) -> Vec<Finding> {
    let mut findings = Findings::default();
    for (node, queue, depth) in depths {
        if *depth != Depth::default() {
            findings
                .add("I13", "messages are counted that are not there", || format!("{queue} on node{node}: {depth:?}"));
        }
    }
    findings.list()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(group: u32, applied: u64, digest: &str) -> Replica {
        Replica { group, applied, digest: digest.to_owned() }
    }

    #[test]
    fn replicas_are_compared_at_the_same_index() {
        let one = (1, vec![replica(0, 7, "a"), replica(1, 9, "b")]);
        let other = (2, vec![replica(0, 7, "a"), replica(1, 8, "c")]);
        assert!(!are_level(&[one.clone(), other.clone()]));
        assert_eq!(compare(&[one.clone(), other]), []);
        let level = (2, vec![replica(0, 7, "a"), replica(1, 9, "c")]);
        assert!(are_level(&[one.clone(), level.clone()]));
        let findings = compare(&[one, level]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].text, "replicas differ: group 1 at 9: b on node1, c on node2");
    }

    #[test]
    fn a_drained_queue_is_empty_everywhere() {
        let empty = (1, "q".to_owned(), Depth::default());
        let stuck = (2, "q".to_owned(), Depth { ready: 0, unacked: 1 });
        assert_eq!(drained(std::slice::from_ref(&empty)), []);
        assert_eq!(drained(&[empty, stuck]).len(), 1);
    }
}
