//! The commands of the queue machine: everything that may change a queue, in the words of a Raft log.
//!
//! A command names consumers and delivery sequence numbers, never AMQP delivery tags; it names messages by slot of the chunk
//! that carries it, never by bytes.

use types::{ConsumerKey, NodeId, QueueId, SeqRange, SessionId};

/// The node incarnation that numbers chunks for one group. A retry after a change of leader carries the same number, so it is
/// applied once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Producer {
    /// The node. Zero means a command of the group's own leader, which is not numbered (its `seq` is zero).
    pub node: NodeId,
    /// Grows with each incarnation of the node.
    pub boot: u64,
}

/// What one session sent at once to one group: the unit of batching, of retry and of replies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Who numbers this chunk.
    pub producer: Producer,
    /// Consecutive per producer and group, from 1.
    pub seq: u64,
    /// The AMQP channel on whose behalf it is.
    pub session: SessionId,
    /// In the order in which the client sent them.
    pub commands: Vec<Command>,
    /// How many records the chunk's blob holds.
    pub slots: u32,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A queue comes into being. Nothing happens when it exists. Reply: [`Reply::Done`](crate::Reply::Done).
    CreateQueue {
        /// Its id, given by the metadata machine.
        queue: QueueId,
        /// Its settings.
        config: QueueConfig,
    },
    /// A queue and its messages go; its consumers are cancelled.
    /// Reply: `Deleted`, or a refusal `InUse`, `NotEmpty`, `NoSuchQueue`.
    DeleteQueue {
        /// The queue.
        queue: QueueId,
        /// Refuse when it has consumers.
        if_unused: bool,
        /// Refuse when it has ready messages.
        if_empty: bool,
    },
    /// Messages come in. Reply: `Done`. Runs for queues that are gone are dropped.
    Enqueue(Enqueue),
    /// A consumer comes. Reply: `Done`, or a refusal `NoSuchQueue`, `ExclusiveUse`.
    /// Attaching a consumer that is there already changes nothing.
    Attach {
        /// The queue.
        queue: QueueId,
        /// The consumer's number in the session; not zero.
        number: u32,
        /// Its wishes.
        options: ConsumerOptions,
    },
    /// A consumer gets no more messages (`basic.cancel`); what it holds stays held. Reply: `Detached`.
    Detach {
        /// The queue.
        queue: QueueId,
        /// The consumer's number in the session.
        number: u32,
    },
    /// A consumer without prefetch limit may be sent deliveries up to this sequence number. Never lowers. Reply: `Done`.
    Credit {
        /// The queue.
        queue: QueueId,
        /// The consumer's number in the session.
        number: u32,
        /// Inclusive.
        up_to: u64,
    },
    /// Messages are done (`basic.ack`). What is not held any more is passed over. Reply: `Done`.
    Settle {
        /// The queue.
        queue: QueueId,
        /// The consumer's number in the session.
        number: u32,
        /// Delivery sequence numbers.
        ranges: Vec<SeqRange>,
    },
    /// Messages go back to their original place, marked redelivered. Reply: `Done`.
    Return {
        /// The queue.
        queue: QueueId,
        /// The consumer's number in the session.
        number: u32,
        /// Delivery sequence numbers.
        ranges: Vec<SeqRange>,
        /// Whether the delivery counts as failed (`basic.reject`, a lost session) or not (`basic.nack`).
        failed: bool,
    },
    /// Messages are refused for good (`requeue=false`). Reply: `Done`.
    Discard {
        /// The queue.
        queue: QueueId,
        /// The consumer's number in the session.
        number: u32,
        /// Delivery sequence numbers.
        ranges: Vec<SeqRange>,
    },
    /// One message is fetched (`basic.get`). Reply: `Got`, `Empty`, or a refusal `NoSuchQueue`.
    Get {
        /// The queue.
        queue: QueueId,
        /// Whether the message is settled at once.
        no_ack: bool,
    },
    /// All ready messages go. Reply: `Purged`, or a refusal `NoSuchQueue`.
    Purge {
        /// The queue.
        queue: QueueId,
    },
    /// Nothing changes. Reply: `Depth`, or a refusal `NoSuchQueue`.
    Inspect {
        /// The queue.
        queue: QueueId,
    },
    /// The session is over: its consumers go, what it holds returns (a failed delivery). Reply: `Done`.
    CloseSession,
    /// Incarnations of the node up to `boot` are over: their sessions (those with `serial` below or equal to
    /// `sessions_up_to`) close, their chunks are refused from now on. Reply: `Done`.
    NodeDown {
        /// The node.
        node: NodeId,
        /// The last incarnation that is over.
        boot: u64,
        /// The greatest session serial that is over.
        sessions_up_to: u64,
    },
    /// Time passes; whatever is due happens. Reply: `Done`.
    Tick,
}

/// A batch of published messages and where each goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enqueue {
    /// Slot (of the chunk's blob) of the first message.
    pub first_slot: u32,
    /// Size of each message's record, from `first_slot` on. Unit: bytes.
    pub sizes: Vec<u32>,
    /// Which messages go to which queue, in publishing order. A message that goes to several queues is in several runs.
    pub runs: Vec<EnqueueRun>,
}

/// Consecutive slots that go to one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnqueueRun {
    /// The queue.
    pub queue: QueueId,
    /// First slot, of the chunk's blob.
    pub first_slot: u32,
    /// How many; not zero.
    pub count: u32,
}

/// Settings of a queue that its machine acts on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueConfig {}

/// What a consumer asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// Deliveries are settled as they are made.
    pub no_ack: bool,
    /// No other consumer may be there.
    pub exclusive: bool,
    /// Most messages held at once; zero means no limit, then `initial_credit` and [`Command::Credit`] apply (as they do with
    /// `no_ack`, where nothing is held).
    pub prefetch: u32,
    /// The greatest delivery sequence number that may be sent before the first [`Command::Credit`].
    pub initial_credit: u64,
}

impl Chunk {
    /// The key of this session's consumer with that number.
    pub fn consumer(&self, number: u32) -> ConsumerKey {
        ConsumerKey { session: self.session, number }
    }
}
