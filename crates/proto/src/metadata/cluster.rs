//! Members and placements: the commands that change them, and the record of all.

use std::collections::BTreeSet;

use metadata::{Admission, Cluster, ClusterCommand, Member, MemberState, Placement};
use types::{GroupId, NodeId};

use super::names::{home_from_wire, home_to_wire, name};
use crate::generated::metadata::{self as wire, cluster_command::Command as W};

pub(super) fn command_to_wire(command: &ClusterCommand) -> wire::ClusterCommand {
    let command = match command {
        ClusterCommand::Record(cluster) => W::Record(to_wire(cluster)),
        ClusterCommand::Admit(admission) => W::Admit(wire::Admission {
            name: admission.name.bytes(),
            uuid: admission.uuid.clone(),
            address: admission.address.clone(),
            replaces: number(admission.replaces),
        }),
        ClusterCommand::SetState { node, state, force } => {
            W::SetState(wire::SetMemberState { node: node.0, state: state_to_wire(*state), force: *force })
        }
        ClusterCommand::Remove { node, heir } => {
            W::Remove(wire::RemoveMember { node: node.0, heir: heir.map(home_to_wire) })
        }
        ClusterCommand::Place { group, wanted, round } => W::Place(group_to_wire(*group, wanted, *round, 0)),
        ClusterCommand::Moved { group, voters, round, index } => {
            W::Moved(group_to_wire(*group, voters, *round, *index))
        }
        ClusterCommand::Prefer { group, leader } => {
            W::Prefer(wire::PreferLeader { group: group.0, leader: number(*leader) })
        }
    };
    wire::ClusterCommand { command: Some(command) }
}

pub(super) fn command_from_wire(command: wire::ClusterCommand) -> Option<ClusterCommand> {
    Some(match command.command? {
        W::Record(cluster) => ClusterCommand::Record(from_wire(cluster)?),
        W::Admit(c) => ClusterCommand::Admit(Admission {
            name: name(c.name)?,
            uuid: c.uuid,
            address: c.address,
            replaces: some_node(c.replaces),
        }),
        W::SetState(c) => {
            ClusterCommand::SetState { node: NodeId(c.node), state: state_from_wire(c.state)?, force: c.force }
        }
        W::Remove(c) => ClusterCommand::Remove { node: NodeId(c.node), heir: c.heir.map(home_from_wire) },
        W::Place(c) => ClusterCommand::Place { group: GroupId(c.group), wanted: nodes(c.nodes), round: c.round },
        W::Moved(c) => {
            ClusterCommand::Moved { group: GroupId(c.group), voters: nodes(c.nodes), round: c.round, index: c.index }
        }
        W::Prefer(c) => ClusterCommand::Prefer { group: GroupId(c.group), leader: some_node(c.leader) },
    })
}

pub(super) fn to_wire(cluster: &Cluster) -> wire::Cluster {
    let members = cluster.members.values().map(|member| wire::ClusterMember {
        node: member.node.0,
        name: member.name.bytes(),
        uuid: member.uuid.clone(),
        address: member.address.clone(),
        state: state_to_wire(member.state),
        replaces: number(member.replaces),
    });
    let placements = cluster.placements.iter().map(|(group, placement)| wire::Placement {
        group: group.0,
        wanted: numbers(&placement.wanted),
        voters: numbers(&placement.voters),
        leader: number(placement.leader),
        holders: numbers(&placement.holders),
        round: placement.round,
        moved_at: placement.moved_at,
    });
    wire::Cluster { last_node: cluster.last_node, members: members.collect(), placements: placements.collect() }
}

pub(super) fn from_wire(cluster: wire::Cluster) -> Option<Cluster> {
    let members = cluster.members.into_iter().map(|member| {
        let node = NodeId(member.node);
        let member = Member {
            node,
            name: name(member.name)?.compact(),
            uuid: bytes::Bytes::copy_from_slice(&member.uuid),
            address: member.address,
            state: state_from_wire(member.state)?,
            replaces: some_node(member.replaces),
        };
        Some((node, member))
    });
    let placements = cluster.placements.into_iter().map(|placement| {
        let group = GroupId(placement.group);
        let placement = Placement {
            wanted: nodes(placement.wanted),
            voters: nodes(placement.voters),
            leader: some_node(placement.leader),
            holders: nodes(placement.holders),
            round: placement.round,
            moved_at: placement.moved_at,
        };
        (group, placement)
    });
    Some(Cluster {
        last_node: cluster.last_node,
        members: members.collect::<Option<_>>()?,
        placements: placements.collect(),
    })
}

fn state_to_wire(state: MemberState) -> i32 {
    let state = match state {
        MemberState::Joining => wire::MemberState::Joining,
        MemberState::Up => wire::MemberState::Up,
        MemberState::Draining => wire::MemberState::Draining,
        MemberState::Leaving => wire::MemberState::Leaving,
    };
    state.into()
}

fn state_from_wire(state: i32) -> Option<MemberState> {
    match wire::MemberState::try_from(state).ok()? {
        wire::MemberState::None => None,
        wire::MemberState::Joining => Some(MemberState::Joining),
        wire::MemberState::Up => Some(MemberState::Up),
        wire::MemberState::Draining => Some(MemberState::Draining),
        wire::MemberState::Leaving => Some(MemberState::Leaving),
    }
}

fn group_to_wire(group: GroupId, nodes: &BTreeSet<NodeId>, round: u64, index: u64) -> wire::GroupNodes {
    wire::GroupNodes { group: group.0, nodes: numbers(nodes), round, index }
}

fn numbers(nodes: &BTreeSet<NodeId>) -> Vec<u64> {
    nodes.iter().map(|node| node.0).collect()
}

fn nodes(numbers: Vec<u64>) -> BTreeSet<NodeId> {
    numbers.into_iter().map(NodeId).collect()
}

/// Ids start at one: zero is nobody.
fn number(node: Option<NodeId>) -> u64 {
    node.map_or(0, |node| node.0)
}

fn some_node(number: u64) -> Option<NodeId> {
    (number != 0).then_some(NodeId(number))
}
