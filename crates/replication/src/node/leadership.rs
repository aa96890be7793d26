//! Leadership goes from node to node: handed over by one that stops, taken over from one that is gone.

use std::{sync::Arc, time::Duration};

use telemetry::task::TaskKind;
use types::{GroupId, NodeId};

use super::{Inner, Replication};
use crate::{group::Group, machine::Machine};

impl Replication {
    /// Gives every group that this node leads to another live voter, waiting at most `limit`.
    pub async fn hand_over(&self, limit: Duration) {
        let groups: Vec<_> = self.0.shards.read().values().cloned().collect();
        for group in &groups {
            self.0.hand_over_group(group).await;
        }
        if let Some(meta) = self.0.meta_group.get() {
            self.0.hand_over_group(meta).await;
        }
        let meta = self.0.meta_group.get();
        let handed = async {
            while groups.iter().any(|group| group.raft.is_leader() && group.voters().len() > 1)
                || meta.is_some_and(|meta| meta.raft.is_leader() && meta.voters().len() > 1)
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(limit, handed).await.is_err() {
            tracing::warn!("not all groups could be handed over in time");
        }
    }
}

impl Inner {
    /// Transfers the group's leadership, when this node has it, to the live voter that has most of the log.
    async fn hand_over_group<M: Machine>(&self, group: &Group<M>) {
        if !group.is_leader() {
            return;
        }
        // Learners have the log, too.
        let voters = group.voters();
        let is_fit = |node: NodeId| {
            node != self.identity.node && self.liveness.is_up(node) && self.health.could_lead(node, group.id)
        };
        let heirs = group.matched().into_iter().map(|(node, matched)| (NodeId(node), matched));
        let heirs = heirs.filter(|(node, _)| voters.contains(node) && is_fit(*node));
        let heir = heirs.max_by_key(|(node, matched)| (self.members.may_lead(*node), *matched));
        if let Some((NodeId(heir), _)) = heir {
            // A group that failed has nothing to hand over.
            group.raft.trigger().transfer_leader(heir).await.ok();
        }
    }

    /// A peer's process is gone: those who are there take over what it led, one after the other in the order of each group, until somebody
    /// leads. The first may lack entries that the second has; then nobody votes for it.
    pub(super) fn take_over(&self, gone: NodeId) {
        if let Some(meta) = self.meta_group.get() {
            self.take_over_group(meta, gone);
        }
        for group in self.shards.read().values() {
            self.take_over_group(group, gone);
        }
    }

    fn take_over_group<M: Machine>(&self, group: &Arc<Group<M>>, gone: NodeId) {
        let node = self.identity.node;
        if group.leader() != Some(gone) {
            return;
        }
        let is_fit = |n: NodeId| self.liveness.is_up(n) && self.health.could_lead(n, group.id);
        let voters = group.voters();
        let is_there = |n: NodeId| voters.contains(&n) && n != gone && (n == node || is_fit(n));
        let heirs = heirs(&self.members.nodes(), group.id, is_there, |node| self.members.may_lead(node));
        if let Some(turn) = heirs.iter().position(|heir| *heir == node) {
            let group = Arc::clone(group);
            let work = async move { group.take_over(node, gone, turn).await };
            telemetry::task::spawn(TaskKind::Background, "take over", work);
        }
    }
}

/// In which order nodes take over a group: those that may lead before those that should not, and each group begins with another.
fn heirs(
    nodes: &[NodeId],
    group: GroupId,
    is_there: impl Fn(NodeId) -> bool,
    may_lead: impl Fn(NodeId) -> bool,
) -> Vec<NodeId> {
    let start = usize::try_from(group.0).unwrap_or(0);
    let order = (0..nodes.len()).map(|i| nodes[(start + i) % nodes.len()]);
    let (first, last): (Vec<NodeId>, Vec<NodeId>) =
        order.filter(|node| is_there(*node)).partition(|node| may_lead(*node));
    [first, last].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(group: u32, away: &[u64], drained: &[u64]) -> Vec<u64> {
        let nodes = [1, 2, 3].map(NodeId);
        let heirs = heirs(&nodes, GroupId(group), |node| !away.contains(&node.0), |node| !drained.contains(&node.0));
        heirs.into_iter().map(|node| node.0).collect()
    }

    #[test]
    fn what_a_node_led_is_taken_over_by_others_in_turn() {
        assert_eq!(order(0, &[1], &[]), [2, 3]);
        assert_eq!(order(1, &[1], &[]), [2, 3]);
        assert_eq!(order(2, &[1], &[]), [3, 2]);
        assert_eq!(order(5, &[], &[]), [3, 1, 2]);
    }

    #[test]
    fn a_drained_node_takes_over_when_no_other_does() {
        assert_eq!(order(1, &[1], &[2]), [3, 2]);
        assert_eq!(order(1, &[1, 3], &[2]), [2]);
    }
}
