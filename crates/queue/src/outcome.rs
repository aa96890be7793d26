//! What applying an entry brings about, as data: replies, deliveries, cancelled consumers, dead entries.
//!
//! Every replica computes the same outcome; only the leader acts on replies, deliveries and cancellations. Dead entries are
//! acted on by every replica.

use types::{ConsumerKey, MessageRef, QueueId, SessionId};

use crate::Producer;

/// Everything that one log entry brought about, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One per chunk of the entry, in order.
    pub replies: Vec<ChunkReply>,
    /// Messages to send to consumers.
    pub deliveries: Vec<Delivery>,
    /// Consumers that are over because their queue is gone.
    pub cancelled: Vec<Cancelled>,
    /// Log entries whose blob no queue needs any more.
    pub dead: Vec<u64>,
}

/// The answers to one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkReply {
    /// From the chunk.
    pub producer: Producer,
    /// From the chunk.
    pub seq: u64,
    /// From the chunk.
    pub session: SessionId,
    /// What happened.
    pub result: ChunkResult,
}

/// What happened to a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkResult {
    /// Applied; a reply for each command, in order.
    Applied(Vec<Reply>),
    /// It had been applied before (a retry); its replies are not known any more.
    Duplicate,
    /// A chunk before it is missing: send again from the first that was not answered.
    Gap {
        /// The number that was expected.
        expected: u64,
    },
    /// The incarnation of the node was declared over.
    Fenced,
}

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing to tell.
    Done,
    /// The answer to `DeleteQueue`.
    Deleted {
        /// Ready messages that went with the queue.
        messages: u64,
    },
    /// The answer to `Detach`.
    Detached {
        /// Consumers that the queue still has.
        consumers: u32,
    },
    /// The answer to `Get` when there was a message.
    Got(Got),
    /// The answer to `Get` when there was none.
    Empty,
    /// The answer to `Purge`.
    Purged {
        /// Messages that went.
        messages: u64,
    },
    /// The answer to `Inspect`.
    Depth {
        /// Ready messages.
        messages: u64,
        /// Consumers.
        consumers: u32,
    },
    /// The command was refused and changed nothing.
    Refused(Refusal),
}

/// A message fetched by `Get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Got {
    /// Delivery sequence number under the session's consumer zero.
    pub seq: u64,
    /// Where the record lies.
    pub message: MessageRef,
    /// Whether it was given to somebody before.
    pub redelivered: bool,
    /// How many deliveries failed before this one.
    pub delivery_count: u32,
    /// Ready messages left in the queue.
    pub remaining: u64,
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The queue is not here (any more).
    NoSuchQueue,
    /// An exclusive consumer is there, or an exclusive one was asked for while others are there.
    ExclusiveUse,
    /// `if_unused`, and it has consumers.
    InUse,
    /// `if_empty`, and it has messages.
    NotEmpty,
}

/// Messages for one consumer, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Who gets them.
    pub consumer: ConsumerKey,
    /// From which queue.
    pub queue: QueueId,
    /// Delivery sequence number of the first; the others follow without gap. Numbers start at 1 for each consumer.
    pub first_seq: u64,
    /// The messages.
    pub messages: Vec<Delivered>,
}

/// One message of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Where the record lies.
    pub message: MessageRef,
    /// Whether it was given to somebody before.
    pub redelivered: bool,
    /// How many deliveries failed before this one.
    pub delivery_count: u32,
}

/// A consumer that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// The consumer.
    pub consumer: ConsumerKey,
    /// The queue that is gone.
    pub queue: QueueId,
}
