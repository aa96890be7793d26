//! What the leader of the metadata group does next about members and placements: one thing at a time.
//!
//! Order: newcomers; a move that is under way is finished or given up; who takes another's place; who leaves; who is gone for long;
//! groups that have too few or too many replicas; nodes that have more replicas than others. Nothing is moved in a group without a live
//! majority, and such a group keeps nobody from the others.

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
    /// Nodes that have clients, or may get some.
    pub serving: BTreeSet<NodeId>,
    /// Groups that have been on the move for so long that it is given up.
    pub stalled: BTreeSet<GroupId>,
    /// Nodes to which such moves went: they get no replicas for some time.
    pub avoided: BTreeSet<NodeId>,
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
        if let Some(step) = self.newcomer(observed) {
            return step;
        }
        if let Some(plan) = self.under_way(observed) {
            return plan;
        }
        // What one group or node waits for does not keep others from being healed.
        let stages = [Self::stuck, Self::replacements, Self::leavers, Self::losses, Self::growth, Self::balance];
        first(stages.into_iter().map(|stage| stage(self, observed)))
    }

    fn newcomer(&self, observed: &Observed) -> Option<Plan> {
        let joining = || self.members.values().filter(|member| member.state == MemberState::Joining);
        let ready =
            |member: &&Member| observed.live.contains(&member.node) && observed.caught_up.contains(&member.node);
        let member = joining().find(ready)?;
        let state = MemberState::Up;
        Some(act(ClusterCommand::SetState { node: member.node, state, force: false }))
    }

    /// A move that goes on is waited for; one that cannot is given up.
    fn under_way(&self, observed: &Observed) -> Option<Plan> {
        let mut moving = self.placements.iter().filter(|(_, placement)| !placement.is_settled());
        moving.find_map(|(group, placement)| {
            let mut newcomers = placement.wanted.difference(&placement.voters);
            let is_stalled = placement.wanted != placement.voters && observed.stalled.contains(group);
            // Of those that stay, one is gone for good, and without it the move would end in a group that can do nothing.
            let is_doomed = placement.wanted != placement.voters
                && !has_majority(&placement.wanted, observed)
                && placement.wanted.iter().any(|node| self.cannot_take(*node, observed));
            let cannot_go_on = is_stalled || is_doomed || newcomers.any(|node| self.cannot_take(*node, observed));
            if cannot_go_on && !placement.voters.is_empty() {
                return Some(place(*group, placement, placement.voters.clone()));
            }
            has_majority(&placement.voters, observed).then(|| self.moves(*group, placement))
        })
    }

    /// Moves of groups that have lost their majority meanwhile.
    fn stuck(&self, observed: &Observed) -> Plan {
        let moving = self.placements.iter().filter(|(_, placement)| !placement.is_settled());
        first(moving.map(|(group, placement)| self.moving(*group, placement, placement.wanted.clone(), observed)))
    }

    /// Whether a node that is to get a replica will not have it.
    fn cannot_take(&self, node: NodeId, observed: &Observed) -> bool {
        let is_away = observed.silent.contains(&node) && !observed.live.contains(&node);
        let is_leaving = self.members.get(&node).is_none_or(|member| member.state == MemberState::Leaving);
        is_away || is_leaving || self.successor(node).is_some()
    }

    fn replacements(&self, observed: &Observed) -> Plan {
        let claims = self.members.values().filter_map(|new| Some((new.replaces?, new)));
        first(claims.map(|(old, new)| self.replacement(old, new, observed)))
    }

    fn replacement(&self, old: NodeId, new: &Member, observed: &Observed) -> Plan {
        if !self.placements.values().any(|placement| placement.concerns(old)) {
            return remove(old);
        }
        let name = &new.name;
        if new.state == MemberState::Joining {
            return Plan::Wait(format!("node {name} with its new disk catches up with the metadata"));
        }
        if !observed.live.contains(&new.node) || observed.avoided.contains(&new.node) {
            return Plan::Wait(format!("node {name} with its new disk is not there, or takes no replicas"));
        }
        if observed.live.contains(&old) || !observed.silent.contains(&old) {
            return Plan::Wait(format!("node {name} is not replaced: it was heard from with its old disk"));
        }
        self.each_of(old, |group, placement| {
            let mut wanted = placement.wanted.clone();
            wanted.remove(&old);
            wanted.insert(new.node);
            self.moving(group, placement, wanted, observed)
        })
    }

    fn leavers(&self, observed: &Observed) -> Plan {
        let is_leaving =
            |member: &&Member| member.state == MemberState::Leaving && self.successor(member.node).is_none();
        first(self.members.values().filter(is_leaving).map(|member| self.leaver(member, observed)))
    }

    fn leaver(&self, member: &Member, observed: &Observed) -> Plan {
        if !self.placements.values().any(|placement| placement.concerns(member.node)) {
            // What its clients hold would go to others before they know.
            if observed.serving.contains(&member.node) {
                return Plan::Wait(format!("the clients of node {} go first", member.name));
            }
            return remove(member.node);
        }
        self.each_of(member.node, |group, placement| {
            let mut wanted = placement.wanted.clone();
            wanted.remove(&member.node);
            wanted.extend(self.substitute(group, placement, observed));
            // With fewer replicas than now only where there will be fewer nodes.
            if wanted.len() < placement.wanted.len().min(Cluster::voters_wanted(group, self.staying().count())) {
                return Plan::Wait(format!("no node can take {} from node {}", named(group), member.name));
            }
            self.moving(group, placement, wanted, observed)
        })
    }

    /// What is to be done about each of a node's groups.
    fn each_of(&self, node: NodeId, plan: impl Fn(GroupId, &Placement) -> Plan) -> Plan {
        let concerned = self.placements.iter().filter(|(_, placement)| placement.concerns(node));
        first(concerned.map(|(group, placement)| match placement.is_settled() {
            true => plan(*group, placement),
            false => self.moves(*group, placement),
        }))
    }

    fn settled(&self) -> impl Iterator<Item = (GroupId, &Placement)> {
        let settled = self.placements.iter().filter(|(_, placement)| placement.is_settled());
        settled.map(|(group, placement)| (*group, placement))
    }

    fn losses(&self, observed: &Observed) -> Plan {
        first(self.settled().filter_map(|(group, placement)| {
            let lost = placement.voters.iter().find(|node| self.is_lost(**node, observed))?;
            let mut wanted = placement.wanted.clone();
            wanted.remove(lost);
            wanted.insert(self.substitute(group, placement, observed)?);
            Some(self.moving(group, placement, wanted, observed))
        }))
    }

    fn growth(&self, observed: &Observed) -> Plan {
        let there = self.staying().filter(|member| member.state != MemberState::Joining).count();
        let soon = self.staying().count();
        first(self.settled().filter_map(|(group, placement)| {
            let mut wanted = placement.wanted.clone();
            if wanted.len() < Cluster::voters_wanted(group, there) {
                wanted.insert(self.substitute(group, placement, observed)?);
            } else if wanted.len() > Cluster::voters_wanted(group, soon) {
                // Fewer than before are enough: first those that are not there.
                let least = |node: &&NodeId| (observed.live.contains(node), std::cmp::Reverse(**node));
                wanted.remove(&placement.wanted.iter().min_by_key(least).copied()?);
            } else {
                return None;
            }
            Some(self.moving(group, placement, wanted, observed))
        }))
    }

    fn balance(&self, observed: &Observed) -> Plan {
        self.balancing(observed).unwrap_or(Plan::Idle)
    }

    fn balancing(&self, observed: &Observed) -> Option<Plan> {
        let is_well = |member: &Member| {
            member.state == MemberState::Up
                && observed.live.contains(&member.node)
                && !observed.avoided.contains(&member.node)
        };
        let by_replicas = || self.members.keys().map(|node| (self.replicas(*node), *node));
        let ((most, from), (fewest, to)) = (by_replicas().max()?, by_replicas().min()?);
        if !self.members.values().all(is_well) || most < fewest + 2 {
            return None;
        }
        let shards = self.settled().filter(|(group, _)| *group != GroupId::META);
        let mut movable = shards.filter(|(_, p)| p.wanted.contains(&from) && !p.wanted.contains(&to));
        let (group, placement) = movable.next()?;
        let mut wanted = placement.wanted.clone();
        wanted.remove(&from);
        wanted.insert(to);
        match self.moving(group, placement, wanted, observed) {
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
                && !observed.avoided.contains(&member.node)
                && !placement.concerns(member.node)
        };
        let round = u64::from(group.0);
        let distance = |node: NodeId| (node.0 + self.last_node - round % self.last_node.max(1)) % self.last_node.max(1);
        self.staying().filter(can).map(|member| member.node).min_by_key(|node| (self.replicas(*node), distance(*node)))
    }

    /// The step to these voters, when the group has a live majority now and will have one then.
    fn moving(&self, group: GroupId, now: &Placement, wanted: BTreeSet<NodeId>, observed: &Observed) -> Plan {
        if !has_majority(&now.voters, observed) {
            return Plan::Wait(format!("{} has no majority of its voters: {}", named(group), self.names(&now.voters)));
        }
        if !has_majority(&wanted, observed) {
            let names = self.names(&wanted);
            return Plan::Wait(format!("{} would have no majority of its voters: {names}", named(group)));
        }
        if wanted == now.wanted { self.moves(group, now) } else { place(group, now, wanted) }
    }

    /// A move in words.
    fn moves(&self, group: GroupId, placement: &Placement) -> Plan {
        let (from, to) = (self.names(&placement.voters), self.names(&placement.wanted));
        Plan::Wait(format!("{} moves from {from} to {to}", named(group)))
    }

    fn names(&self, nodes: &BTreeSet<NodeId>) -> String {
        let name = |node| self.members.get(node).map_or_else(|| node.to_string(), |member| member.name.to_string());
        nodes.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

/// The first thing that can be done; otherwise the first that is waited for.
fn first(plans: impl Iterator<Item = Plan>) -> Plan {
    let mut waiting = Plan::Idle;
    for plan in plans {
        match plan {
            Plan::Do(_) => return plan,
            Plan::Wait(_) if waiting == Plan::Idle => waiting = plan,
            Plan::Wait(_) | Plan::Idle => {}
        }
    }
    waiting
}

fn has_majority(voters: &BTreeSet<NodeId>, observed: &Observed) -> bool {
    2 * voters.intersection(&observed.live).count() > voters.len()
}

fn named(group: GroupId) -> String {
    if group == GroupId::META { "the metadata group".to_owned() } else { format!("group {group}") }
}

fn act(command: ClusterCommand) -> Plan {
    Plan::Do(Step { command, is_balance: false })
}

fn place(group: GroupId, now: &Placement, wanted: BTreeSet<NodeId>) -> Plan {
    act(ClusterCommand::Place { group, wanted, round: now.round })
}

fn remove(node: NodeId) -> Plan {
    act(ClusterCommand::Remove { node, heir: None })
}
