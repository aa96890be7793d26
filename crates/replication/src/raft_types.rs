//! openraft's type parameters, and short names for the types that they make.

use std::fmt;

use bytes::Bytes;
use types::Blob;

openraft::declare_raft_types!(
    /// All groups share these types; what a group's commands mean is its machine's business.
    pub(crate) C:
        D = Batch,
        R = (),
        NodeId = u64,
        Node = openraft::impls::EmptyNode,
);

/// One log entry's payload: the chunks of commands that one batcher gathered, and the message records that they name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// `version u8 | proposed_at ms u64 LE | (chunk length u32 LE | chunk)*`.
    pub head: Bytes,
    /// The records of all chunks, in order.
    pub blob: Blob,
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch of {} bytes and {} messages", self.head.len(), self.blob.slot_count())
    }
}

pub(crate) type Entry = openraft::type_config::alias::EntryOf<C>;
pub(crate) type Payload = openraft::type_config::alias::PayloadOf<C>;
pub(crate) type LeaderId = openraft::type_config::alias::CommittedLeaderIdOf<C>;
pub(crate) type LogId = openraft::type_config::alias::LogIdOf<C>;
pub(crate) type Instant = openraft::type_config::alias::InstantOf<C>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<C>;
pub(crate) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<C>;
pub(crate) type Membership = openraft::Membership<u64, openraft::impls::EmptyNode>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<C>;
