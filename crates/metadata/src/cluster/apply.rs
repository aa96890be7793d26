//! What each change does. Each looks before it changes anything.

use std::collections::BTreeSet;

use bytes::Bytes;
use types::{GroupId, NodeId};

use super::{Admission, Cluster, ClusterCommand, ClusterRefusal as Refusal, Member, MemberState, Placement};
use crate::{Change, Reply};

type Outcome = Result<Reply, Refusal>;

impl Cluster {
    pub(crate) fn apply(&mut self, command: &ClusterCommand) -> Outcome {
        if let ClusterCommand::Record(founded) = command {
            return Ok(Reply::Done(self.record(founded)));
        }
        if !self.is_recorded() {
            return Err(Refusal::NotRecorded);
        }
        match command {
            ClusterCommand::Record(_) => Ok(Reply::Done(Change::Unchanged)),
            ClusterCommand::Admit(admission) => self.admit(admission),
            ClusterCommand::SetState { node, state, force } => self.set_state(*node, *state, *force),
            ClusterCommand::Remove { node, heir: _ } => self.remove(*node),
            ClusterCommand::Place { group, wanted, round } => self.place(*group, wanted, *round),
            ClusterCommand::Moved { group, voters, round, index } => {
                self.need_members(voters.iter())?;
                self.set_placement(*group, |placement| moved(placement, voters, *round, *index))
            }
            ClusterCommand::Prefer { group, leader } => {
                let placement = self.placements.get(group).ok_or(Refusal::NoSuchGroup)?;
                if leader.is_some_and(|leader| !placement.wanted.contains(&leader)) {
                    return Err(Refusal::NotAVoter);
                }
                self.set_placement(*group, |placement| placement.leader = *leader)
            }
        }
    }

    fn place(&mut self, group: GroupId, wanted: &BTreeSet<NodeId>, round: u64) -> Outcome {
        if wanted.is_empty() {
            return Err(Refusal::NoReplica);
        }
        self.need_members(wanted.iter())?;
        if self.placements.get(&group).is_some_and(|placement| placement.round != round) {
            return Err(Refusal::Outdated);
        }
        self.set_placement(group, |placement| {
            placement.wanted.clone_from(wanted);
            placement.holders.extend(wanted);
            placement.round += 1;
        })
    }

    fn record(&mut self, founded: &Cluster) -> Change {
        if self.is_recorded() || !founded.is_recorded() || founded.check().is_err() {
            return Change::Unchanged;
        }
        *self = founded.clone();
        Change::Created
    }

    fn admit(&mut self, admission: &Admission) -> Outcome {
        if let Some(known) = self.members.values_mut().find(|member| member.uuid == admission.uuid) {
            if known.name != admission.name {
                return Err(Refusal::NameTaken(known.name.clone()));
            }
            known.address.clone_from(&admission.address);
            return Ok(Reply::Admitted { node: known.node });
        }
        let replaces = self.replaced_by(admission)?;
        self.last_node += 1;
        let node = NodeId(self.last_node);
        let member = Member {
            node,
            name: admission.name.compact(),
            uuid: Bytes::copy_from_slice(&admission.uuid),
            address: admission.address.clone(),
            state: MemberState::Joining,
            replaces,
        };
        self.members.insert(node, member);
        Ok(Reply::Admitted { node })
    }

    /// Whose place the newcomer takes. A member that has no replicas goes at once, and leaves its own claim to the newcomer.
    fn replaced_by(&mut self, admission: &Admission) -> Result<Option<NodeId>, Refusal> {
        let Some(named) = self.by_name(admission.name.as_bytes()) else { return Ok(None) };
        let (old, claim) = (named.node, named.replaces);
        if admission.replaces != Some(old) {
            return Err(Refusal::NameTaken(admission.name.clone()));
        }
        if !self.placements.values().any(|placement| placement.concerns(old)) {
            self.members.remove(&old);
            return Ok(claim);
        }
        // A replacement that has died is replaced like any other, its own claim stays until it goes.
        if self.members.values().any(|member| member.node != old && member.replaces.is_some()) {
            return Err(Refusal::ReplacementUnderWay);
        }
        Ok(Some(old))
    }

    fn set_state(&mut self, node: NodeId, state: MemberState, force: bool) -> Outcome {
        let member = self.members.get(&node).ok_or(Refusal::NoSuchNode)?;
        if member.state == state {
            return Ok(Reply::Done(Change::Unchanged));
        }
        let was_staying = self.staying().any(|member| member.node == node);
        if state == MemberState::Leaving && was_staying {
            let nodes = self.staying().count() - 1;
            if nodes == 0 {
                return Err(Refusal::LastNode);
            }
            let replicas = Cluster::voters_wanted(GroupId(1), nodes + 1);
            if nodes < replicas && !force {
                return Err(Refusal::TooFewNodes { nodes, replicas });
            }
        }
        match (member.state, state) {
            (MemberState::Joining, MemberState::Draining) => return Err(Refusal::Joining),
            (MemberState::Leaving, MemberState::Draining) => return Err(Refusal::Leaving),
            _ => {}
        }
        if let Some(member) = self.members.get_mut(&node) {
            member.state = state;
            if state == MemberState::Leaving {
                // Who goes takes nobody's place.
                member.replaces = None;
            }
        }
        Ok(Reply::Done(Change::Updated))
    }

    fn remove(&mut self, node: NodeId) -> Outcome {
        if !self.members.contains_key(&node) {
            return Ok(Reply::Done(Change::Unchanged));
        }
        if self.placements.values().any(|placement| placement.concerns(node)) {
            return Err(Refusal::HasReplicas);
        }
        if self.members.len() == 1 {
            return Err(Refusal::LastNode);
        }
        let claim = self.members.remove(&node).and_then(|removed| removed.replaces);
        for member in self.members.values_mut().filter(|member| member.replaces == Some(node)) {
            member.replaces = claim;
        }
        for placement in self.placements.values_mut().filter(|placement| placement.leader == Some(node)) {
            placement.leader = None;
        }
        Ok(Reply::Done(Change::Deleted))
    }

    fn need_members<'a>(&self, mut nodes: impl Iterator<Item = &'a NodeId>) -> Result<(), Refusal> {
        if nodes.all(|node| self.members.contains_key(node)) { Ok(()) } else { Err(Refusal::NoSuchNode) }
    }

    fn set_placement(&mut self, group: GroupId, set: impl FnOnce(&mut Placement)) -> Outcome {
        let placement = self.placements.get_mut(&group).ok_or(Refusal::NoSuchGroup)?;
        let before = placement.clone();
        set(placement);
        let change = if *placement == before { Change::Unchanged } else { Change::Updated };
        Ok(Reply::Done(change))
    }
}

/// A group's leader has reported. Who is not among the holders any more deletes what it has, so all must fit: the group has what is
/// wanted, its leader knows that nothing else is wanted, and no later report was heard. A leader changes nothing before it has seen
/// its last report written down.
fn moved(placement: &mut Placement, voters: &BTreeSet<NodeId>, round: u64, index: u64) {
    if index < placement.moved_at {
        return;
    }
    placement.moved_at = index;
    placement.voters.clone_from(voters);
    placement.holders.extend(voters);
    if placement.round == round && placement.voters == placement.wanted {
        placement.holders.clone_from(&placement.wanted);
    }
}
