//! Leadership goes from node to node: handed over by one that stops, taken over from one that is gone.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

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
            node != self.identity.node && self.liveness.is_up(node) && !self.health.is_peer_stalled(node)
        };
        let heirs = group.matched().into_iter().map(|(node, matched)| (NodeId(node), matched));
        let heirs = heirs.filter(|(node, _)| voters.contains(node) && is_fit(*node));
        let heir = heirs.max_by_key(|(node, matched)| (self.members.may_lead(*node), *matched));
        if let Some((NodeId(heir), _)) = heir {
            // A group that failed has nothing to hand over.
            group.raft.trigger().transfer_leader(heir).await.ok();
        }
    }

    /// A peer's process is gone: the first live node after it, in the order of each group, takes over what it led.
    pub(super) fn take_over(&self, gone: NodeId) {
        let node = self.identity.node;
        let nodes = self.members.nodes();
        let heir = |voters: &BTreeSet<NodeId>, group: GroupId| {
            let start = usize::try_from(group.0).unwrap_or(0);
            let order = (0..nodes.len()).map(|i| nodes[(start + i) % nodes.len()]);
            let is_fit = |n: NodeId| self.liveness.is_up(n) && !self.health.is_peer_stalled(n);
            let is_there = |n: &NodeId| voters.contains(n) && *n != gone && (*n == node || is_fit(*n));
            let there: Vec<NodeId> = order.filter(is_there).collect();
            there.iter().find(|node| self.members.may_lead(**node)).or_else(|| there.first()).copied()
        };
        if let Some(meta) = self.meta_group.get()
            && meta.leader() == Some(gone)
            && heir(&meta.voters(), meta.id) == Some(node)
        {
            let meta = Arc::clone(meta);
            telemetry::task::spawn(TaskKind::Background, "take over", async move { meta.take_over(node).await });
        }
        for group in self.shards.read().values() {
            if group.leader() == Some(gone) && heir(&group.voters(), group.id) == Some(node) {
                let group = Arc::clone(group);
                telemetry::task::spawn(TaskKind::Background, "take over", async move { group.take_over(node).await });
            }
        }
    }
}
