//! What the leader of the metadata group does next about members and placements: one thing at a time.
//!
//! Order: a move that is under way is finished or given up; newcomers; who takes another's place; who leaves; who is gone for long;
//! groups that have too few or too many replicas; nodes that have more replicas than others. Nothing is moved in a group without a live majority.

use std::collections::BTreeSet;

use types::{GroupId, NodeId};

use super::{Cluster, ClusterCommand, Member, MemberState, Placement};

/// What a node knows of the others at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Nodes that are there.
    pub live: BTreeSet<NodeId>,
    /// Nodes that nobody has heard from for some time: another disk may take their name.
    pub silent: BTreeSet<NodeId>,
    /// Nodes that have been gone for so long that their replicas go elsewhere.
    pub lost: BTreeSet<NodeId>,
    /// Nodes that have applied all metadata, about.
    pub caught_up: BTreeSet<NodeId>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: all is well, or as well as it can be.
    Idle,
    /// Something is under way, or cannot go on. In words, for operators.
    Wait(String),
    /// This.
    Do(Step),
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is proposed. A removal has no heir yet.
    pub command: ClusterCommand,
    /// Nothing is wrong; there is no hurry.
    pub is_balance: bool,
}

impl Cluster {
    /// What to do next.
    pub fn plan(&self, observed: &Observed) -> Plan {
        let plans = [
            Self::under_way,
            Self::newcomers,
            Self::replacements,
            Self::leavers,
            Self::losses,
            Self::growth,
            Self::balance,
        ];
        plans.into_iter().find_map(|plan| plan(self, observed)).unwrap_or(Plan::Idle)
    }

    fn under_way(&self, observed: &Observed) -> Option<Plan> {
        let (group, placement) = self.placements.iter().find(|(_, placement)| !placement.is_settled())?;
        let newcomers = placement.wanted.difference(&placement.voters);
        let given_up = newcomers.clone().any(|node| observed.silent.contains(node) && !observed.live.contains(node));
        if given_up && !placement.voters.is_empty() {
            return Some(place(*group, placement.voters.clone()));
        }
        let names = |nodes: &BTreeSet<NodeId>| self.names(nodes);
        let (from, to) = (names(&placement.voters), names(&placement.wanted));
        Some(Plan::Wait(format!("{} moves from {from} to {to}", named(*group))))
    }

    fn newcomers(&self, observed: &Observed) -> Option<Plan> {
        let joining = || self.members.values().filter(|member| member.state == MemberState::Joining);
        let ready =
            |member: &&Member| observed.live.contains(&member.node) && observed.caught_up.contains(&member.node);
        let member = joining().find(ready)?;
        let state = MemberState::Up;
        Some(act(ClusterCommand::SetState { node: member.node, state, force: false }))
    }

    fn replacements(&self, observed: &Observed) -> Option<Plan> {
        let (old, new) = self.members.values().find_map(|new| Some((new.replaces?, new)))?;
        let name = &new.name;
        if new.state == MemberState::Joining {
            return Some(Plan::Wait(format!("node {name} with its new disk catches up with the metadata")));
        }
        let Some((group, placement)) = self.placements.iter().find(|(_, placement)| placement.concerns(old)) else {
            return Some(remove(old));
        };
        if observed.live.contains(&old) || !observed.silent.contains(&old) {
            return Some(Plan::Wait(format!("node {name} is not replaced: it was heard from with its old disk")));
        }
        let mut wanted = placement.wanted.clone();
        wanted.remove(&old);
        wanted.insert(new.node);
        Some(self.moving(*group, placement, wanted, observed))
    }

    fn leavers(&self, observed: &Observed) -> Option<Plan> {
        let mut leaving = self.members.values().filter(|member| member.state == MemberState::Leaving);
        leaving.find_map(|member| {
            if self.successor(member.node).is_some() {
                return None;
            }
            let Some((group, placement)) = self.placements.iter().find(|(_, p)| p.concerns(member.node)) else {
                return Some(remove(member.node));
            };
            let mut wanted = placement.wanted.clone();
            wanted.remove(&member.node);
            wanted.extend(self.substitute(*group, placement, observed));
            // With fewer replicas than now only where there will be fewer nodes.
            if wanted.len() < placement.wanted.len().min(Cluster::voters_wanted(*group, self.staying().count())) {
                return Some(Plan::Wait(format!("no node can take {} from node {}", named(*group), member.name)));
            }
            Some(self.moving(*group, placement, wanted, observed))
        })
    }

    fn losses(&self, observed: &Observed) -> Option<Plan> {
        self.placements.iter().find_map(|(group, placement)| {
            let lost = placement.voters.iter().find(|node| self.is_lost(**node, observed))?;
            let mut wanted = placement.wanted.clone();
            wanted.remove(lost);
            wanted.insert(self.substitute(*group, placement, observed)?);
            Some(self.moving(*group, placement, wanted, observed))
        })
    }

    fn growth(&self, observed: &Observed) -> Option<Plan> {
        let nodes = self.staying().filter(|member| member.state != MemberState::Joining).count();
        self.placements.iter().find_map(|(group, placement)| {
            let count = Cluster::voters_wanted(*group, nodes);
            let mut wanted = placement.wanted.clone();
            if wanted.len() < count {
                wanted.insert(self.substitute(*group, placement, observed)?);
            } else if wanted.len() > count {
                // Fewer than before are enough: first those that are not there.
                let least = |node: &&NodeId| (observed.live.contains(node), std::cmp::Reverse(**node));
                wanted.remove(&placement.wanted.iter().min_by_key(least).copied()?);
            } else {
                return None;
            }
            Some(self.moving(*group, placement, wanted, observed))
        })
    }

    fn balance(&self, observed: &Observed) -> Option<Plan> {
        let all_well = self.members.values().all(|m| m.state == MemberState::Up && observed.live.contains(&m.node));
        let by_replicas = || self.members.keys().map(|node| (self.replicas(*node), *node));
        let ((most, from), (fewest, to)) = (by_replicas().max()?, by_replicas().min()?);
        if !all_well || most < fewest + 2 {
            return None;
        }
        let shards = self.placements.iter().filter(|(group, _)| **group != GroupId::META);
        let mut movable = shards.filter(|(_, p)| p.wanted.contains(&from) && !p.wanted.contains(&to));
        let (group, placement) = movable.next()?;
        let mut wanted = placement.wanted.clone();
        wanted.remove(&from);
        wanted.insert(to);
        match self.moving(*group, placement, wanted, observed) {
            Plan::Do(step) => Some(Plan::Do(Step { is_balance: true, ..step })),
            Plan::Wait(_) | Plan::Idle => None,
        }
    }

    /// Whether its replicas go elsewhere.
    fn is_lost(&self, node: NodeId, observed: &Observed) -> bool {
        observed.lost.contains(&node) && !observed.live.contains(&node) && self.successor(node).is_none()
    }

    /// The node that can take another replica of the group, and has the fewest.
    fn substitute(&self, group: GroupId, placement: &Placement, observed: &Observed) -> Option<NodeId> {
        let can = |member: &&Member| {
            member.state == MemberState::Up
                && member.replaces.is_none()
                && observed.live.contains(&member.node)
                && !placement.concerns(member.node)
        };
        let round = u64::from(group.0);
        let distance = |node: NodeId| (node.0 + self.last_node - round % self.last_node.max(1)) % self.last_node.max(1);
        self.staying().filter(can).map(|member| member.node).min_by_key(|node| (self.replicas(*node), distance(*node)))
    }

    /// The step to these voters, when the group has a live majority now and will have one then.
    fn moving(&self, group: GroupId, now: &Placement, wanted: BTreeSet<NodeId>, observed: &Observed) -> Plan {
        let has_majority = |voters: &BTreeSet<NodeId>| 2 * voters.intersection(&observed.live).count() > voters.len();
        if !has_majority(&now.voters) {
            return Plan::Wait(format!("{} has no majority of its voters: {}", named(group), self.names(&now.voters)));
        }
        if !has_majority(&wanted) {
            let names = self.names(&wanted);
            return Plan::Wait(format!("{} would have no majority of its voters: {names}", named(group)));
        }
        place(group, wanted)
    }

    fn names(&self, nodes: &BTreeSet<NodeId>) -> String {
        let name = |node| self.members.get(node).map_or_else(|| node.to_string(), |member| member.name.to_string());
        nodes.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

fn named(group: GroupId) -> String {
    if group == GroupId::META { "the metadata group".to_owned() } else { format!("group {group}") }
}

fn act(command: ClusterCommand) -> Plan {
    Plan::Do(Step { command, is_balance: false })
}

fn place(group: GroupId, wanted: BTreeSet<NodeId>) -> Plan {
    act(ClusterCommand::Place { group, wanted })
}

fn remove(node: NodeId) -> Plan {
    act(ClusterCommand::Remove { node, heir: None })
}
