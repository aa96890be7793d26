//! Settings of a queue that its machine acts on: declared arguments and policies, merged by whoever proposes them.

/// Settings of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct QueueConfig {
    /// Longest time that a message waits. Zero: it is taken at once or not at all. Unit: milliseconds.
    pub message_ttl_ms: Option<u64>,
    /// How long the queue lives without consumers, [`Get`](crate::Command::Get) or [`Touch`](crate::Command::Touch); not zero.
    /// Unit: milliseconds.
    pub expires_ms: Option<u64>,
    /// Most messages that wait, with those that are on their way to a dead letter exchange.
    pub max_length: Option<u64>,
    /// The most that they weigh. Unit: bytes.
    pub max_length_bytes: Option<u64>,
    /// What happens beyond those.
    pub overflow: Overflow,
    /// Whether dead messages go on to an exchange; `None`: they are dropped.
    pub dead_letter: Option<DeadLetterStrategy>,
    /// `Some(n)`: priorities 0 to n, 0 for messages without. `None`: 0 to 31, 4 for messages without.
    pub max_priority: Option<u8>,
    /// Only one consumer at a time gets messages.
    pub single_active_consumer: bool,
    /// The queue goes with its last consumer, in whatever way that ends.
    pub auto_delete: bool,
    /// A message whose deliveries failed more often than that is dead; `None`: never.
    pub delivery_limit: Option<u32>,
    /// Returned messages wait before they are delivered again.
    pub delayed_retry: Option<DelayedRetry>,
}

/// What happens when a queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Overflow {
    /// The oldest messages (of the lowest priority first) are dropped, or become dead letters.
    #[default]
    DropHead,
    /// New messages are rejected.
    RejectPublish,
    /// New messages are rejected, and become dead letters.
    RejectPublishDlx,
}

/// How dead letters travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeadLetterStrategy {
    /// A dead letter that cannot be routed, or that a target rejects, is dropped.
    #[default]
    AtMostOnce,
    /// It stays in its queue until all targets have confirmed it.
    AtLeastOnce,
}

/// How long returned messages wait: `min_ms` times the number of deliveries that failed (at least once), at most `max_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DelayedRetry {
    /// Which.
    pub kind: RetryKind,
    /// Unit: milliseconds.
    pub min_ms: u64,
    /// Unit: milliseconds. `None`: no bound.
    pub max_ms: Option<u64>,
}

/// Which returned messages wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RetryKind {
    /// All.
    #[default]
    All,
    /// Those whose delivery failed (`basic.reject`, a lost session).
    Failed,
    /// Those that were returned without failure (`basic.nack`).
    Returned,
}
