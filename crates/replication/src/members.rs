//! The members of the cluster and the places of its groups, as this node has applied them: what links, routes and supervisors go by.
//!
//! Until members are recorded in the metadata, the founding record stands in for them.

use std::collections::BTreeMap;

use metadata::{Cluster, Member, MemberState, Placement};
use parking_lot::RwLock;
use tokio::sync::watch;
use types::{GroupId, NodeId};

/// Who is there and what is where.
#[derive(Debug)]
pub(crate) struct Members {
    node: NodeId,
    table: RwLock<Table>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Table {
    cluster: Cluster,
    /// Whether it comes from the metadata.
    is_recorded: bool,
    leaders: BTreeMap<GroupId, NodeId>,
}

/// What a node is to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnState {
    /// It is a member, up to this.
    Member(MemberState),
    /// It was a member, and is none any more.
    Gone,
}

impl OwnState {
    /// Whether clients are served: not by a node that is drained or about to leave, so that none is lost with it.
    pub fn serves_clients(self) -> bool {
        match self {
            OwnState::Member(MemberState::Joining | MemberState::Up) => true,
            OwnState::Member(MemberState::Draining | MemberState::Leaving) | OwnState::Gone => false,
        }
    }
}

impl Members {
    /// The members before anything is known from the metadata.
    pub(crate) fn new(node: NodeId, founded: Cluster) -> Self {
        let leaders = founded.leaders();
        let table = Table { cluster: founded, is_recorded: false, leaders };
        Members { node, table: RwLock::new(table), version: watch::Sender::new(0) }
    }

    /// The metadata was applied to there.
    pub(crate) fn update(&self, machine: &metadata::Machine) {
        let cluster = machine.cluster();
        if !cluster.is_recorded() {
            return;
        }
        {
            let mut table = self.table.write();
            if table.is_recorded && table.cluster == *cluster {
                return;
            }
            *table = Table { cluster: cluster.clone(), is_recorded: true, leaders: cluster.leaders() };
        }
        self.touch();
    }

    /// Tells those who follow to look again.
    pub(crate) fn touch(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    /// Tells of changes from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The cluster as it is known here.
    pub(crate) fn cluster(&self) -> Cluster {
        self.table.read().cluster.clone()
    }

    /// The cluster, once it was recorded in the metadata.
    pub(crate) fn recorded(&self) -> Option<Cluster> {
        let table = self.table.read();
        table.is_recorded.then(|| table.cluster.clone())
    }

    /// All members.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.table.read().cluster.members.keys().copied().collect()
    }

    /// One member.
    pub(crate) fn get(&self, node: NodeId) -> Option<Member> {
        self.table.read().cluster.members.get(&node).cloned()
    }

    /// Where a group's replicas are, once members are recorded.
    pub(crate) fn placement(&self, group: GroupId) -> Option<Placement> {
        let table = self.table.read();
        table.cluster.placements.get(&group).filter(|_| table.is_recorded).cloned()
    }

    /// Who should lead the group when everybody is there.
    pub(crate) fn preferred(&self, group: GroupId) -> Option<NodeId> {
        self.table.read().leaders.get(&group).copied()
    }

    /// Whether an operator has said who leads the group.
    pub(crate) fn is_pinned(&self, group: GroupId) -> bool {
        self.table.read().cluster.placements.get(&group).is_some_and(|placement| placement.leader.is_some())
    }

    /// Whether a node should get the lead of groups.
    pub(crate) fn may_lead(&self, node: NodeId) -> bool {
        self.table.read().cluster.members.get(&node).is_none_or(|member| member.state == MemberState::Up)
    }

    /// Whether it is catching up with the metadata still.
    pub(crate) fn is_joining(&self, node: NodeId) -> bool {
        self.table.read().cluster.members.get(&node).is_some_and(|member| member.state == MemberState::Joining)
    }

    /// Whether it was a member and is none any more.
    pub(crate) fn is_gone(&self, node: NodeId) -> bool {
        let table = self.table.read();
        table.is_recorded && table.cluster.is_gone(node)
    }

    /// What this node is.
    pub(crate) fn own_state(&self) -> OwnState {
        let table = self.table.read();
        match table.cluster.members.get(&self.node) {
            Some(member) => OwnState::Member(member.state),
            None if table.is_recorded && table.cluster.is_gone(self.node) => OwnState::Gone,
            None => OwnState::Member(MemberState::Joining),
        }
    }

    /// Where in a group's log the membership is that its leader reported last.
    pub(crate) fn moved_at(&self, group: GroupId) -> u64 {
        self.table.read().cluster.placements.get(&group).map_or(0, |placement| placement.moved_at)
    }

    /// Whether this node is, or is to be, among a group's voters.
    pub(crate) fn concerns(&self, group: GroupId) -> bool {
        self.table.read().cluster.placements.get(&group).is_some_and(|placement| placement.concerns(self.node))
    }
}
