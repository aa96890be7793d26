//! Who belongs to the cluster, and where the replicas of each group are meant to be.
//!
//! A cluster knows its founders by their founding record. Only when its first member comes or goes is that written down here;
//! from then on this is right, and the record is history.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use types::{GroupId, NodeId, ShortStr};

mod apply;
mod change;
mod leaders;
mod plan;

pub use change::{Admission, ClusterCommand, ClusterRefusal};
pub use plan::{Observed, Plan, Step};

use crate::InvariantBroken;

/// Voters of a shard group, when there are as many nodes.
const SHARD_VOTERS: usize = 3;
/// Voters of the metadata group in a cluster of so many nodes or more; in a smaller one it has [`SHARD_VOTERS`].
const META_VOTERS: usize = 5;

/// What a member is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// It was admitted and is catching up with the metadata; it gets no replicas yet.
    Joining,
    /// It has its share.
    Up,
    /// It keeps its replicas, leads nothing, and takes no clients.
    Draining,
    /// Its replicas go elsewhere, then it goes.
    Leaving,
}

impl MemberState {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            MemberState::Joining => "joining",
            MemberState::Up => "up",
            MemberState::Draining => "draining",
            MemberState::Leaving => "leaving",
        }
    }
}

/// One member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id, never given again.
    pub node: NodeId,
    /// Its name, unique but for the moment in which a node takes the place of another.
    pub name: ShortStr,
    /// Made once in its data directory.
    pub uuid: Bytes,
    /// Where other nodes reach it, `host:port`.
    pub address: String,
    /// What it is up to.
    pub state: MemberState,
    /// The member whose place it takes: the same name with another disk.
    pub replaces: Option<NodeId>,
}

/// Where the replicas of a group are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The voters that the group's leader is to bring about.
    pub wanted: BTreeSet<NodeId>,
    /// The voters that its leader reported last.
    pub voters: BTreeSet<NodeId>,
    /// Who leads it, when an operator has said so.
    pub leader: Option<NodeId>,
    /// Whoever may have a replica: those that were wanted or reported since `wanted` was last brought about. Nobody else's disk has
    /// anything of the group, and nobody of these deletes what it has.
    pub holders: BTreeSet<NodeId>,
    /// How often `wanted` was set: who wants to set it, or reports, has seen what was set before.
    pub round: u64,
    /// Where in the group's log the membership is that was reported last: an older report comes too late.
    pub moved_at: u64,
}

impl Placement {
    /// Whether a node has, or is to have, a replica.
    pub fn concerns(&self, node: NodeId) -> bool {
        self.holders.contains(&node)
    }

    /// Whether the group is as it should be.
    pub fn is_settled(&self) -> bool {
        self.wanted == self.voters && self.wanted == self.holders
    }

    /// A group that has had these voters from the beginning.
    pub fn of(voters: BTreeSet<NodeId>) -> Self {
        Placement { wanted: voters.clone(), holders: voters.clone(), voters, ..Placement::default() }
    }
}

/// All members and placements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The highest id that was given.
    pub last_node: u64,
    /// Members by id.
    pub members: BTreeMap<NodeId, Member>,
    /// Groups by id; the metadata group is one of them.
    pub placements: BTreeMap<GroupId, Placement>,
}

impl Cluster {
    /// Whether members were written down. Before that, the founding record says who they are.
    pub fn is_recorded(&self) -> bool {
        !self.members.is_empty()
    }

    /// The cluster as it was founded: nodes in the order of their ids, and so many shard groups.
    pub fn founded(members: impl IntoIterator<Item = Member>, shards: u32) -> Self {
        let members: BTreeMap<NodeId, Member> = members.into_iter().map(|member| (member.node, member)).collect();
        let nodes: Vec<NodeId> = members.keys().copied().collect();
        let placements =
            (0..=shards).map(|group| (GroupId(group), Placement::of(founding_voters(&nodes, GroupId(group)))));
        let placements = if nodes.is_empty() { BTreeMap::new() } else { placements.collect() };
        Cluster { last_node: nodes.last().map_or(0, |node| node.0), members, placements }
    }

    /// Whether it was a member and is none any more.
    pub fn is_gone(&self, node: NodeId) -> bool {
        self.is_recorded() && node.0 <= self.last_node && !self.members.contains_key(&node)
    }

    /// The member of that name; of several, the one that is not being replaced.
    pub fn by_name(&self, name: &[u8]) -> Option<&Member> {
        let named = || self.members.values().filter(|member| member.name.as_bytes() == name);
        named().rfind(|member| self.successor(member.node).is_none()).or_else(|| named().next())
    }

    /// Replicas of shard groups that a node has or is to have.
    pub fn replicas(&self, node: NodeId) -> usize {
        let shards = self.placements.iter().filter(|(group, _)| **group != GroupId::META);
        shards.filter(|(_, placement)| placement.wanted.contains(&node)).count()
    }

    /// The member that is to take this one's place.
    pub fn successor(&self, node: NodeId) -> Option<&Member> {
        self.members.values().find(|member| member.replaces == Some(node))
    }

    /// Members that stay: neither leaving nor being replaced.
    pub fn staying(&self) -> impl Iterator<Item = &Member> {
        let stays = |member: &&Member| member.state != MemberState::Leaving && self.successor(member.node).is_none();
        self.members.values().filter(stays)
    }

    /// How many voters a group should have in a cluster of so many nodes.
    pub fn voters_wanted(group: GroupId, nodes: usize) -> usize {
        let most = if group == GroupId::META && nodes >= META_VOTERS { META_VOTERS } else { SHARD_VOTERS };
        most.min(nodes)
    }

    pub(crate) fn check(&self) -> Result<(), InvariantBroken> {
        let hold = |is_so: bool, otherwise| if is_so { Ok(()) } else { Err(InvariantBroken(otherwise)) };
        let is_known = |node: &NodeId| self.members.contains_key(node);
        hold(self.members.values().all(|member| is_known(&member.node)), "a member lies under another id")?;
        hold(self.members.keys().all(|node| (1..=self.last_node).contains(&node.0)), "a member's id was not given")?;
        hold(self.is_recorded() || self.placements.is_empty(), "groups are placed in a cluster without members")?;
        for placement in self.placements.values() {
            hold(!placement.wanted.is_empty(), "a group is wanted nowhere")?;
            hold(placement.holders.iter().all(is_known), "a group is at a node that is gone")?;
            let named = || placement.wanted.iter().chain(&placement.voters);
            hold(named().all(|node| placement.holders.contains(node)), "a group is where nobody holds it")?;
        }
        Ok(())
    }
}

/// The voters of a group of a new cluster: all nodes when there are few, otherwise neighbours, so that every node has its share.
fn founding_voters(nodes: &[NodeId], group: GroupId) -> BTreeSet<NodeId> {
    let first = usize::try_from(group.0).unwrap_or(0) % nodes.len().max(1);
    nodes.iter().cycle().skip(first).take(Cluster::voters_wanted(group, nodes.len())).copied().collect()
}

#[cfg(test)]
mod tests;
