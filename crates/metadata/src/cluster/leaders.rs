//! Who should lead each group, so that every node has its share. All nodes come to the same result.

use std::collections::BTreeMap;

use types::{GroupId, NodeId};

use super::{Cluster, MemberState};

impl Cluster {
    /// The preferred leader of each group that has one.
    pub fn leaders(&self) -> BTreeMap<GroupId, NodeId> {
        let order: Vec<NodeId> = self.members.keys().copied().collect();
        let mut led: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut leaders = BTreeMap::new();
        let pinned = |group: &GroupId| self.placements[group].leader.filter(|leader| self.may_lead(*group, *leader));
        for group in self.placements.keys() {
            if let Some(leader) = pinned(group) {
                leaders.insert(*group, leader);
                *led.entry(leader).or_default() += 1;
            }
        }
        for group in self.placements.keys().filter(|group| pinned(group).is_none()) {
            // Groups go round the nodes; who has the fewest takes the next.
            let start = usize::try_from(group.0).unwrap_or(0);
            let round = (0..order.len()).map(|step| order[(start + step) % order.len()]);
            let candidates = round.filter(|node| self.may_lead(*group, *node));
            if let Some(leader) = candidates.min_by_key(|node| led.get(node).copied().unwrap_or(0)) {
                leaders.insert(*group, leader);
                *led.entry(leader).or_default() += 1;
            }
        }
        leaders
    }

    /// Whether a node that votes in a group should lead it, if need be.
    pub fn may_lead(&self, group: GroupId, node: NodeId) -> bool {
        let votes = self.placements.get(&group).is_some_and(|p| p.wanted.contains(&node) && p.voters.contains(&node));
        let is_up = self.members.get(&node).is_some_and(|member| member.state == MemberState::Up);
        votes && is_up && self.successor(node).is_none()
    }
}
