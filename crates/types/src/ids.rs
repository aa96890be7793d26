//! Identifiers. Each is its own type, so that an index is never passed for a sequence number.

use std::fmt;

/// A member of the cluster. Never reused; given when the member is admitted and kept in its data directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// A Raft group. Zero is the metadata group; groups of a single node's memory have [`GroupId::LOCAL_BIT`] set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

impl GroupId {
    /// The metadata group.
    pub const META: GroupId = GroupId(0);
    /// Set in the id of a group that is not replicated: the queue machine in the memory of one node.
    pub const LOCAL_BIT: u32 = 1 << 31;

    /// The group in the memory of `node`. Node ids above 2^31 are not issued.
    pub fn local(node: NodeId) -> Self {
        let low = u32::try_from(node.0 & u64::from(!Self::LOCAL_BIT)).unwrap_or(u32::MAX >> 1);
        GroupId(Self::LOCAL_BIT | low)
    }

    /// The node whose memory holds this group, or `None` for a replicated group.
    pub fn local_node(self) -> Option<NodeId> {
        (self.0 & Self::LOCAL_BIT != 0).then_some(NodeId(u64::from(self.0 & !Self::LOCAL_BIT)))
    }
}

/// One life of a queue: a queue that is deleted and declared again has another id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u64);

/// One AMQP channel, unique over all nodes and restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The node that owns the client's connection.
    pub node: NodeId,
    /// Grows within a node, also across its restarts (it starts from the node's boot time).
    pub serial: u64,
}

/// One consumer of a session. Number zero stands for the session's `basic.get`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerKey {
    /// The channel.
    pub session: SessionId,
    /// Unique within the channel, never reused there.
    pub number: u32,
}

impl ConsumerKey {
    /// The pseudo consumer under which `basic.get` holds its messages.
    pub const GET: u32 = 0;
}

/// Where a message's record lies: the log entry and the slot in that entry's blob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageRef {
    /// Index of the Raft log entry (or of the batch, in a group that is not replicated).
    pub index: u64,
    /// Slot in the entry's blob.
    pub slot: u32,
}

/// An inclusive range of a consumer's delivery sequence numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeqRange {
    /// First number of the range.
    pub first: u64,
    /// Last number of the range, not below `first`.
    pub last: u64,
}

/// Milliseconds since the Unix epoch, as stamped by a leader or read once per batch by a shell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This moment plus `ms` milliseconds; saturates.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Timestamp(self.0.saturating_add(ms))
    }
}

impl SeqRange {
    /// The range of one number.
    pub fn one(seq: u64) -> Self {
        SeqRange { first: seq, last: seq }
    }

    /// How many numbers the range holds. A range whose `last` is below `first` holds none.
    pub fn count(self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.local_node() {
            Some(node) => write!(f, "memory@{node}"),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.node, self.serial)
    }
}
