//! Commands that change the cluster, and why they are refused.

use std::collections::BTreeSet;

use bytes::Bytes;
use types::{GroupId, NodeId, ShortStr};

use super::{Cluster, MemberState};
use crate::Home;

/// A change of the cluster. The reply is [`Reply::Done`](crate::Reply::Done), or `Admitted`, or a refusal `Cluster`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterCommand {
    /// The founding record is written down. Changes nothing when that was done before.
    Record(Cluster),
    /// A node asks to be a member; one that is already one has perhaps moved. Reply: `Admitted`.
    Admit(Admission),
    /// A member is up to something else.
    SetState {
        /// Who.
        node: NodeId,
        /// What.
        state: MemberState,
        /// Also when groups will have fewer replicas than they should.
        force: bool,
    },
    /// A member that has no replicas any more goes, and what lived in its memory with it.
    Remove {
        /// Who.
        node: NodeId,
        /// Where queues of its memory begin anew that outlive it.
        heir: Option<Home>,
    },
    /// A group's voters are to be these.
    Place {
        /// The group.
        group: GroupId,
        /// Its voters.
        wanted: BTreeSet<NodeId>,
        /// The round of the placement that this goes on from; it is refused when there was another since.
        round: u64,
    },
    /// A group's voters are these.
    Moved {
        /// The group.
        group: GroupId,
        /// Its voters.
        voters: BTreeSet<NodeId>,
        /// The round of the placement that its leader has seen.
        round: u64,
        /// Where in its log this membership is.
        index: u64,
    },
    /// A node is to lead a group, or none more than others.
    Prefer {
        /// The group.
        group: GroupId,
        /// Who leads.
        leader: Option<NodeId>,
    },
}

/// See [`ClusterCommand::Admit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Its name.
    pub name: ShortStr,
    /// Of its data directory.
    pub uuid: Bytes,
    /// Where other nodes reach it.
    pub address: String,
    /// The member of the same name whose place it may take: nobody hears from that any more.
    pub replaces: Option<NodeId>,
}

/// Why a change of the cluster was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterRefusal {
    /// Nothing was recorded yet.
    #[error("the members of the cluster are not recorded yet")]
    NotRecorded,
    /// There is no such member.
    #[error("the cluster has no such node")]
    NoSuchNode,
    /// There is no such group.
    #[error("the cluster has no such group")]
    NoSuchGroup,
    /// Another disk has that name.
    #[error("a node named '{0}' is a member with other data, and it is not known to be gone")]
    NameTaken(ShortStr),
    /// One at a time.
    #[error("another node is being replaced; one at a time")]
    ReplacementUnderWay,
    /// Fewer nodes than replicas would stay.
    #[error("{nodes} nodes would stay, and groups have {replicas} replicas; force it to have fewer")]
    TooFewNodes {
        /// Nodes that would stay.
        nodes: usize,
        /// Replicas of a group.
        replicas: usize,
    },
    /// Somebody has to keep the data.
    #[error("no other node would stay")]
    LastNode,
    /// It has replicas still.
    #[error("the node has replicas")]
    HasReplicas,
    /// A group that nobody has.
    #[error("a group needs a replica")]
    NoReplica,
    /// It is no voter.
    #[error("the node has no replica of the group")]
    NotAVoter,
    /// It is leaving.
    #[error("the node is leaving the cluster; undrain it to keep it")]
    Leaving,
    /// It has not all metadata yet.
    #[error("the node is joining the cluster, and is up when it has all metadata")]
    Joining,
    /// Somebody else was faster.
    #[error("the placement of the group was changed meanwhile")]
    Outdated,
}
