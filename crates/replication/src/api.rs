//! What the broker sees of replication, and what it must provide: groups take chunks of commands and answer later; what queue
//! machines decide for a session of this node comes in through [`Sessions`].

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use queue::{Cancelled, Command, DeadLetter, QueueEnded};
use types::{Blob, ConsumerKey, GroupId, NodeId, QueueId, SessionId};

/// A boxed future, so that the traits here can be objects.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Takes commands for queue groups, wherever their leader is.
pub trait Groups: Send + Sync + 'static {
    /// Gives a session's commands, with the message records that they name by slot, to a group.
    ///
    /// Returns at once. The answer comes by [`Sessions::replied`] with the same `token`, after a majority has made it durable
    /// and the leader has applied it; it is retried across leader changes, and applied once. Chunks of one session for one
    /// group are applied in the order of the calls. The caller bounds the bytes it has in flight.
    fn submit(&self, group: GroupId, session: SessionId, token: u64, commands: Vec<Command>, blob: Blob);

    /// Whether this node leads the group now. A hint for placing a queue near its declarer.
    fn is_leader(&self, group: GroupId) -> bool;

    /// The replicated queue groups of the cluster.
    fn shards(&self) -> Vec<GroupId>;

    /// Whether a node is there, as far as this node knows: what lives in the memory of another is not asked for in vain.
    fn is_node_up(&self, node: NodeId) -> bool;
}

/// Takes what the groups decide for sessions of this node. Implemented by the broker. Calls must not block; per session and
/// group they come in log order, but that an answer which was lost on the way comes late, as
/// [`ChunkReplies::AppliedUnanswered`].
pub trait Sessions: Send + Sync + 'static {
    /// The answers to one submitted chunk.
    fn replied(&self, session: SessionId, group: GroupId, token: u64, replies: ChunkReplies);

    /// Messages for a consumer. Sequence numbers that the session has seen already are repeats after a change of leader, to be
    /// dropped.
    fn deliver(&self, delivery: SessionDelivery);

    /// A consumer is over without its session's asking.
    fn cancelled(&self, cancelled: Cancelled);

    /// Messages of a queue that this node leads are for its dead letter exchange. They come in order; after a change of leader
    /// those that were not settled come again, there. What has become of them is told with
    /// [`Command::SettleDead`] or [`Command::RetryDead`], submitted to the same group.
    fn dead_letters(&self, group: GroupId, letters: DeadLetterBatch);

    /// Machines that this node leads have ended queues: metadata has to forget them. Told again until it has, then with what the
    /// queue's settings say of the reason. What a client deleted is told, too, when the client's node did not come to telling
    /// metadata.
    fn queues_ended(&self, group: GroupId, queues: Vec<QueueEnded>);

    /// Which alarms stand on nodes that are there, this one included: all of them, whenever there are others than before.
    /// Publishers are blocked while there are any. Must not raise or clear alarms itself.
    fn alarms_changed(&self, alarms: Vec<(NodeId, AlarmKind)>);

    /// The group declared this node's sessions over (it was thought dead): those with consumers or unanswered chunks there must
    /// end.
    fn sessions_lost(&self, group: GroupId);
}

/// The answers to one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkReplies {
    /// One per command, in order.
    Applied(Vec<Answer>),
    /// Applied once, on an earlier try, whose answers are lost with the leader that had them.
    AppliedUnanswered,
    /// The group will not answer (it failed, or the node leaves the cluster). Whether it was applied is not known.
    Unavailable,
}

/// The answer to one command: the machine's reply, with the record when there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The machine's reply, other than one with messages.
    Reply(queue::Reply),
    /// The message that `Get` fetched.
    Got(queue::Got, Bytes),
    /// What `Peek` has found.
    Peeked(PeekedRecords),
}

/// Messages that were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeekedRecords {
    /// Their records, in the order in which they came.
    pub records: Vec<Bytes>,
    /// The position to go on from; `None`: these were the last.
    pub next: Option<u64>,
}

/// Messages for one consumer of this node, with their records.
#[derive(Clone, Debug)]
pub struct SessionDelivery {
    /// Who gets them.
    pub consumer: ConsumerKey,
    /// From which queue.
    pub queue: QueueId,
    /// Sequence number of the first; the others follow without gap.
    pub first_seq: u64,
    /// The messages, in order.
    pub messages: Vec<DeliveredRecord>,
}

/// One message of a delivery.
#[derive(Clone, Debug)]
pub struct DeliveredRecord {
    /// The message record ([`types::MessageRecord`]).
    pub record: Bytes,
    /// Whether it was given to somebody before.
    pub redelivered: bool,
    /// How many deliveries failed before this one.
    pub delivery_count: u32,
}

/// Messages of one queue for its dead letter exchange, with their records.
#[derive(Clone, Debug)]
pub struct DeadLetterBatch {
    /// Where they come from.
    pub queue: QueueId,
    /// In the order in which they died.
    pub letters: Vec<(DeadLetter, Bytes)>,
}

/// What a node has too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmKind {
    /// Memory.
    Memory,
    /// Disk.
    Disk,
}

impl AlarmKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            AlarmKind::Memory => "memory",
            AlarmKind::Disk => "disk",
        }
    }
}

/// Asks other nodes, for administration: whoever lists what lives on all nodes gathers it so.
pub trait PeerAsk: Send + Sync + 'static {
    /// All nodes of the cluster, this one included.
    fn nodes(&self) -> Vec<NodeId>;

    /// Asks a node (this one included), and waits for its answer no longer than that. Question and answer are bounded by
    /// [`ASK_BYTES_MAX`].
    ///
    /// # Errors
    /// When there is no answer.
    fn ask(&self, node: NodeId, question: Bytes, limit: Duration) -> BoxFuture<Result<Bytes, AskError>>;
}

/// Answers what nodes ask each other for administration.
pub trait PeerAnswer: Send + Sync + 'static {
    /// The answer to a question of that node. It is dropped when nobody waits for it any more.
    fn answer(&self, from: NodeId, question: Bytes) -> BoxFuture<Bytes>;
}

/// Largest question and largest answer between nodes. Unit: bytes.
pub const ASK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why a node has not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It is no member of the cluster.
    #[error("there is no such node")]
    NoSuchNode,
    /// It cannot be reached.
    #[error("the node is down")]
    Down,
    /// It did not answer in time.
    #[error("the node did not answer in time")]
    Timeout,
    /// The question or the answer is larger than [`ASK_BYTES_MAX`].
    #[error("more than 16 MiB")]
    TooLarge,
    /// It does not answer, or not now.
    #[error("the node did not answer: {0}")]
    Refused(String),
}

/// Counts by name over the whole cluster: each node adds up its own, and soon hears of those of the others. A node that cannot be
/// reached counts nothing.
pub trait Counts: Send + Sync + 'static {
    /// Adds to this node's count under a name; what others know follows within a fraction of a second.
    fn add(&self, name: &[u8], by: i64);

    /// What all nodes that are there count under a name.
    fn total(&self, name: &[u8]) -> u64;
}

/// Changes metadata.
pub trait Metadata: Send + Sync + 'static {
    /// Proposes a command, at once, and waits until it is committed and applied here. Commands are applied in the order of the
    /// calls unless the leader changes meanwhile: then the order of those that were not answered is any.
    ///
    /// # Errors
    /// When no majority answered in time.
    fn change(&self, command: metadata::Command) -> BoxFuture<Result<AppliedChange, MetadataUnavailable>>;

    /// Proposes a command and waits until it is committed, applied here, and (bounded) applied on all live nodes.
    ///
    /// # Errors
    /// When no majority answered in time.
    fn propose(&self, command: metadata::Command) -> BoxFuture<Result<metadata::Reply, MetadataUnavailable>> {
        let change = self.change(command);
        Box::pin(async move {
            let AppliedChange { reply, spread } = change.await?;
            spread.await;
            Ok(reply)
        })
    }

    /// Reads the metadata as this node has applied it. Never held across an await.
    fn read(&self) -> parking_lot::RwLockReadGuard<'_, metadata::Machine>;
}

/// A change of metadata that this node has applied.
pub struct AppliedChange {
    /// What has become of it.
    pub reply: metadata::Reply,
    /// Waits, bounded, until it is applied on all live nodes.
    pub spread: BoxFuture<()>,
}

impl std::fmt::Debug for AppliedChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppliedChange").field("reply", &self.reply).finish_non_exhaustive()
    }
}

/// Told of each change of metadata, on every node, in order. Implemented by the broker.
pub trait MetadataObserver: Send + Sync + 'static {
    /// Events of one applied batch. The machine is in the state after it.
    fn changed(&self, machine: &metadata::Machine, events: &[metadata::Event]);

    /// The machine was replaced as a whole (at start, or by a snapshot).
    fn replaced(&self, machine: &metadata::Machine);
}

/// No majority of the metadata group answered in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metadata could not be changed: no majority of the cluster answered in time")]
pub struct MetadataUnavailable;
