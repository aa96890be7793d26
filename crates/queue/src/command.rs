//! The commands of the queue machine: everything that may change a queue, in the words of a Raft log.
//!
//! A command names consumers and delivery sequence numbers, never AMQP delivery tags; it names messages by slot of the chunk
//! that carries it, never by bytes.

use types::{ConsumerKey, NodeId, QueueId, SeqRange, SessionId, Timestamp};

use crate::QueueConfig;

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
    /// A queue comes into being. Nothing happens when it exists. Reply: [`Reply::Done`](crate::Reply::Done), or a refusal
    /// `NoSuchQueue` when it existed before and its machine has ended it (ids are used once).
    CreateQueue {
        /// Its id, given by the metadata machine.
        queue: QueueId,
        /// Its settings.
        config: QueueConfig,
    },
    /// A queue's settings change, for what comes in from now on and for what is in it where that makes a difference (lengths,
    /// time of life of the queue). Reply: `Done`, or a refusal `NoSuchQueue`.
    ConfigureQueue {
        /// The queue.
        queue: QueueId,
        /// All its settings.
        config: QueueConfig,
    },
    /// A queue and its messages go; its consumers are cancelled.
    /// Reply: `Deleted`, or a refusal `InUse`, `NotEmpty`, `NoSuchQueue`.
    DeleteQueue {
        /// The queue.
        queue: QueueId,
        /// Refuse when it has consumers.
        if_unused: bool,
        /// Refuse when it has ready messages, or delayed ones.
        if_empty: bool,
    },
    /// Messages come in. Reply: `Done`, or `NotTaken` when a queue did not take some. Runs for queues that
    /// are gone are dropped.
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
    /// One message is fetched (`basic.get`). Reply: `Got`, `Empty`, or a refusal `NoSuchQueue`, `SingleActiveConsumer`.
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
    /// Ready messages are looked at, in the order in which they came; nothing changes. At least one, if there is any, and no
    /// more than [`PEEKED_MAX`](crate::PEEKED_MAX). Reply: `Peeked`, or a refusal `NoSuchQueue`.
    Peek {
        /// The queue.
        queue: QueueId,
        /// The position of the first that is of interest; zero: from the first.
        from: u64,
        /// Bodies of more than so many bytes together are not asked for at once. Unit: bytes.
        bytes_max: u64,
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
    /// Time passes; whatever is due happens, but no more than a bounded part of it: what is left is due at once again.
    /// Reply: `Done`.
    Tick,
    /// A queue is in use, though it has no consumers (it was declared again): its time to expire starts anew. Reply: `Done`.
    Touch {
        /// The queue.
        queue: QueueId,
    },
    /// Dead letters have reached all queues that they go to, or go nowhere. By the group's leader. Reply: `Done`.
    SettleDead {
        /// The queue that they come from.
        queue: QueueId,
        /// Dead letter numbers.
        ranges: Vec<SeqRange>,
    },
    /// Dead letters could not be delivered yet: they come again under new numbers, after all that wait now.
    /// By the group's leader. Reply: `Done`.
    RetryDead {
        /// The queue that they come from.
        queue: QueueId,
        /// Dead letter numbers.
        ranges: Vec<SeqRange>,
    },
    /// Metadata has forgotten queues that the machine had ended: nobody will ask for them again. By the group's leader.
    /// Reply: `Done`.
    Forget {
        /// The queues. Those that the machine has not ended are passed over.
        queues: Vec<QueueId>,
    },
}

/// A batch of published messages and where each goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enqueue {
    /// Slot (of the chunk's blob) of the first message.
    pub first_slot: u32,
    /// What each message counts for the limits and figures of queues (the size of its body), from `first_slot` on. Unit: bytes.
    pub sizes: Vec<u32>,
    /// Which messages go to which queue, in publishing order. A message that goes to several queues is in several runs.
    pub runs: Vec<EnqueueRun>,
    /// Set when these are dead letters of another queue: those that the group has taken in before are passed over.
    pub source: Option<DeadLetterSource>,
}

/// Consecutive slots that go to one queue, with the same wishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnqueueRun {
    /// The queue.
    pub queue: QueueId,
    /// First slot, of the chunk's blob.
    pub first_slot: u32,
    /// How many; not zero.
    pub count: u32,
    /// What the messages' properties ask of the queue.
    pub options: EnqueueOptions,
}

/// What a message's properties ask of the queue. The usual message asks nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnqueueOptions {
    /// `expiration`, from the time on when the entry was proposed. Unit: milliseconds.
    pub ttl_ms: Option<u64>,
    /// `priority`, as it came.
    pub priority: Option<u8>,
    /// When it may be delivered at the earliest.
    pub delay: Delay,
}

/// When a message may be delivered at the earliest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delay {
    /// At once.
    #[default]
    None,
    /// So much later than the entry was proposed (`x-delay`). Unit: milliseconds.
    For(u64),
    /// Then (`x-opt-delivery-time`).
    Until(Timestamp),
}

/// Whose dead letters an [`Enqueue`] brings. Numbers ascend within a source as long as its leader sends them in order, so the
/// greatest that came in stands for all before it: a new leader may send them again, and none is in a queue twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterSource {
    /// The queue that they come from, in whatever group.
    pub queue: QueueId,
    /// The dead letter number of each message, ascending, from `first_slot` on.
    pub numbers: Vec<u64>,
}

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
    /// Consumers of higher priority get messages first, as long as they have capacity (`x-priority`).
    pub priority: i64,
    /// How long a message may be held before the consumer is cancelled; `None`: for ever. Unit: milliseconds.
    pub timeout_ms: Option<u64>,
}

impl Chunk {
    /// The key of this session's consumer with that number.
    pub fn consumer(&self, number: u32) -> ConsumerKey {
        ConsumerKey { session: self.session, number }
    }
}
