//! How a node's replicas look from outside: for tests that compare them.

use std::{fmt, io};

use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;
use storage::LogRecord;
use types::{GroupId, NodeId};

use crate::{group::Group, log_codec, machine::Machine, node::Replication, raft_types::LogId};

/// Who proposed a log entry when, and its index. A term may have several leaders, each greater than the one before it (openraft's
/// "advanced" leader id): term and leader together are what Raft calls a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId {
    /// The term in which it was proposed.
    pub term: u64,
    /// The leader that proposed it.
    pub leader: NodeId,
    /// Its place in the log.
    pub index: u64,
}

impl EntryId {
    /// The id of a stored entry.
    ///
    /// # Errors
    /// When the entry is damaged.
    pub fn of(record: &LogRecord) -> Result<Self, io::Error> {
        log_codec::record_log_id(record).map(|id| EntryId::from_raft(&id)).map_err(io::Error::other)
    }

    pub(crate) fn from_raft(id: &LogId) -> Self {
        EntryId { term: id.leader_id.term, leader: NodeId(id.leader_id.node_id), index: id.index }
    }
}

/// Raft's state of one replica.
#[derive(Clone, Debug)]
pub struct ReplicaView {
    /// The group.
    pub group: GroupId,
    /// The replica's current term.
    pub term: u64,
    /// Whether it takes itself for the leader of that term.
    pub leads: bool,
    /// The leader that it knows of.
    pub leader: Option<NodeId>,
    /// Index of its last log entry.
    pub last_index: Option<u64>,
    /// The last entry that it has applied.
    pub applied: Option<EntryId>,
    /// Log entries whose blobs its machine refers to, ascending.
    pub live: Vec<u64>,
}

impl Replication {
    /// All replicas of this node. Takes time in the size of their state.
    pub fn inspect(&self) -> Vec<ReplicaView> {
        let (meta, shards) = self.groups();
        meta.iter().map(|group| view(group)).chain(shards.iter().map(|group| view(group))).collect()
    }
}

fn view<M: Machine>(group: &Group<M>) -> ReplicaView {
    let metrics = group.raft.metrics();
    let now = metrics.borrow_watched().clone();
    ReplicaView {
        group: group.id,
        term: now.current_term,
        leads: now.state.is_leader(),
        leader: now.current_leader.map(NodeId),
        last_index: now.last_log_index,
        applied: now.last_applied.as_ref().map(EntryId::from_raft),
        live: group.machine.lock().live(),
    }
}

/// Told what this node's replicas apply, while they do. A running node has none.
pub trait Witness: fmt::Debug + Send + Sync + 'static {
    /// A replica has applied an entry; `head` is what it says (nothing for entries of Raft's own).
    fn applied(&self, group: GroupId, entry: EntryId, head: &Bytes, state: &MachineState<'_>);

    /// A replica has loaded a checkpoint, or taken over a snapshot, that covers the log up to this entry.
    fn restored(&self, group: GroupId, up_to: EntryId, state: &MachineState<'_>);

    /// A replica leads, or did so: it is about to apply the first entry that it proposed as this leader, and has applied all before.
    fn leads(&self, group: GroupId, first: EntryId);

    /// The replica has ended, and its data is deleted.
    fn deleted(&self, group: GroupId);
}

/// The machine of a replica.
pub struct MachineState<'a>(pub(crate) &'a dyn Machine);

impl MachineState<'_> {
    /// One number for the whole state. Takes time in its size.
    pub fn digest(&self) -> u64 {
        self.0.digest()
    }
}

impl fmt::Debug for MachineState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MachineState")
    }
}
