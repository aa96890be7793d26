//! How long groups have been on the move, as the leader of the metadata sees it: a replica that never gets there must not keep the
//! cluster from everything else.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use metadata::{Cluster, Observed};
use tokio::time::Instant;
use types::{GroupId, NodeId};

/// How long a move may take: a snapshot of a hundred gigabytes over a slow link.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// How long a node gets no replicas after it did not take one.
const AVOIDED_FOR: Duration = Duration::from_secs(30 * 60);

/// What is on the move since when, and who did not take what was meant for it.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// Round of the placement and when it was seen first, of each group on the move.
    since: BTreeMap<GroupId, (u64, Instant)>,
    avoided: BTreeMap<NodeId, Instant>,
}

impl Moves {
    /// Looks at the cluster now, and says what it makes of it.
    pub(crate) fn look(&mut self, cluster: &Cluster, observed: &mut Observed, now: Instant) {
        self.avoided.retain(|node, since| now - *since < AVOIDED_FOR && cluster.members.contains_key(node));
        let moving: BTreeMap<GroupId, u64> =
            cluster.placements.iter().filter(|(_, p)| !p.is_settled()).map(|(group, p)| (*group, p.round)).collect();
        self.since.retain(|group, (round, _)| moving.get(group) == Some(round));
        for (group, round) in moving {
            let (_, since) = *self.since.entry(group).or_insert((round, now));
            if now - since < PATIENCE {
                continue;
            }
            observed.stalled.insert(group);
            let newcomers: BTreeSet<NodeId> = cluster
                .placements
                .get(&group)
                .map(|placement| placement.wanted.difference(&placement.voters).copied().collect())
                .unwrap_or_default();
            if !newcomers.is_empty() {
                tracing::warn!(group_id = %group, ?newcomers, "group did not get to these nodes in half an hour, they are passed over");
            }
            self.avoided.extend(newcomers.into_iter().map(|node| (node, now)));
        }
        observed.avoided = self.avoided.keys().copied().collect();
    }
}

#[cfg(test)]
mod tests {
    use metadata::Placement;

    use super::*;

    #[test]
    fn who_does_not_take_a_replica_in_half_an_hour_is_passed_over_for_half_an_hour() {
        let nodes = |nodes: &[u64]| nodes.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
        let mut cluster = Cluster::default();
        let member = |node| metadata::Member {
            node,
            name: types::ShortStr::from_static("n"),
            uuid: bytes::Bytes::new(),
            address: String::new(),
            state: metadata::MemberState::Up,
            replaces: None,
        };
        cluster.members = nodes(&[1, 2, 3, 4]).into_iter().map(|node| (node, member(node))).collect();
        let moving = Placement { wanted: nodes(&[1, 2, 4]), round: 1, ..Placement::of(nodes(&[1, 2, 3])) };
        cluster.placements.insert(GroupId(1), moving);
        let mut moves = Moves::default();
        let begin = Instant::now();
        let mut look = |cluster: &Cluster, after: Duration| {
            let mut observed = Observed::default();
            moves.look(cluster, &mut observed, begin + after);
            (observed.stalled.len(), observed.avoided)
        };
        assert_eq!(look(&cluster, Duration::ZERO), (0, nodes(&[])));
        assert_eq!(look(&cluster, PATIENCE), (1, nodes(&[4])));
        let back = Placement { round: 2, ..Placement::of(nodes(&[1, 2, 3])) };
        cluster.placements.insert(GroupId(1), back);
        assert_eq!(look(&cluster, PATIENCE), (0, nodes(&[4])));
        assert_eq!(look(&cluster, PATIENCE + AVOIDED_FOR), (0, nodes(&[])));
    }
}
