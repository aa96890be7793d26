//! What applying an entry brings about, as data: replies, deliveries, cancelled consumers, dead entries.
//!
//! Every replica computes the same outcome; only the leader acts on replies, deliveries and cancellations. Dead entries are
//! acted on by every replica.

use types::{ConsumerKey, MessageRef, QueueId, SessionId, Timestamp};

use crate::Producer;

/// Everything that one log entry brought about, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One per chunk of the entry, in order.
    pub replies: Vec<ChunkReply>,
    /// Messages to send to consumers.
    pub deliveries: Vec<Delivery>,
    /// Consumers that are over without their session's asking.
    pub cancelled: Vec<Cancelled>,
    /// Messages for dead letter exchanges. Sent again by a new leader, so whoever takes them passes over what it has.
    pub dead_letters: Vec<DeadLetters>,
    /// Queues that the machine has ended by itself; metadata has to forget them.
    pub ended: Vec<QueueEnded>,
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
    /// The answer to `Enqueue` when messages are not in all of their queues. Slots of the chunk, ascending, not overlapping.
    NotTaken {
        /// A queue was full, and refuses messages then.
        rejected: Vec<SlotRange>,
        /// A queue is not there (any more).
        missing: Vec<SlotRange>,
    },
    /// The answer to `DeleteQueue`.
    Deleted {
        /// Ready messages that went with the queue.
        messages: u64,
    },
    /// The answer to `Detach`.
    Detached {
        /// Consumers that the queue still has.
        consumers: u32,
        /// The queue went with its last consumer.
        queue_ended: bool,
    },
    /// The answer to `Get` when there was a message.
    Got(Got),
    /// The answer to `Get` when there was none.
    Empty,
    /// The answer to `Peek`.
    Peeked(Peeked),
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

/// Messages that `Peek` has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peeked {
    /// Where their records lie, in the order in which they came.
    pub messages: Vec<MessageRef>,
    /// The position to go on from; `None`: these were the last.
    pub next: Option<u64>,
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
    /// The queue has a single active consumer, which alone gets its messages.
    SingleActiveConsumer,
}

/// Consecutive slots of a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotRange {
    /// The first.
    pub first: u32,
    /// How many; not zero.
    pub count: u32,
}

impl SlotRange {
    /// The ranges in order, those that touch or overlap as one.
    #[must_use]
    pub fn merged(mut ranges: Vec<SlotRange>) -> Vec<SlotRange> {
        ranges.sort_unstable_by_key(|range| range.first);
        let mut merged: Vec<SlotRange> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.first <= last.first + last.count => {
                    last.count = last.count.max(range.first + range.count - last.first);
                }
                Some(_) | None => merged.push(range),
            }
        }
        merged
    }
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
    /// Its queue.
    pub queue: QueueId,
    /// Why.
    pub reason: CancelReason,
}

/// Why a consumer is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CancelReason {
    /// Its queue is gone.
    #[default]
    QueueGone,
    /// It held a message longer than it may. What it held has returned.
    Timeout {
        /// How long it may. Unit: milliseconds.
        after_ms: u64,
    },
}

/// Messages of one queue that go to its dead letter exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetters {
    /// Where they come from.
    pub queue: QueueId,
    /// In the order in which they died.
    pub messages: Vec<DeadLetter>,
}

/// A message for a dead letter exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number among the queue's dead letters, from 1, ascending, not always by one.
    pub number: u64,
    /// Where the record lies.
    pub message: MessageRef,
    /// Why it died.
    pub reason: DeathReason,
    /// When it died.
    pub died_at: Timestamp,
    /// How many deliveries had failed.
    pub delivery_count: u32,
}

/// Why a message died, in the words of `x-death`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeathReason {
    /// A consumer refused it for good.
    Rejected,
    /// Its time was over.
    Expired,
    /// The queue was full.
    MaxLength,
    /// Too many deliveries failed.
    DeliveryLimit,
}

/// A queue that the machine has ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueEnded {
    /// The queue.
    pub queue: QueueId,
    /// Why.
    pub reason: EndReason,
}

/// Why a machine has ended a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// It was not in use for as long as it may.
    Expired,
    /// Its last consumer is gone.
    LastConsumer,
}
