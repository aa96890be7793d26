//! What is in force for a queue or an exchange: its declared arguments, its policy and its operator policy, merged key by key.
//!
//! Of numeric limits the smallest is in force. Where a policy and an argument name different values of another setting, the
//! rules are RabbitMQ's: the argument wins, except where a policy must be able to change a declared queue.

mod queue;
mod sources;

use types::{FieldValue, ShortStr};

use crate::{AppliedPolicies, Exchange, exchange::ALTERNATE};

pub(crate) use queue::settings as queue_settings;

/// The settings of a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSettings {
    /// How long a message lives. Unit: milliseconds.
    pub message_ttl_ms: Option<u64>,
    /// How long the queue lives unused. Unit: milliseconds.
    pub expires_ms: Option<u64>,
    /// Most messages that may be ready.
    pub max_length: Option<u64>,
    /// Most bytes of bodies that may be ready.
    pub max_length_bytes: Option<u64>,
    /// What happens beyond these two.
    pub overflow: Overflow,
    /// Where dead messages go; the empty name is the default exchange.
    pub dead_letter_exchange: Option<ShortStr>,
    /// With which routing key, if not their own.
    pub dead_letter_routing_key: Option<ShortStr>,
    /// How surely. At-least-once only where there is a dead-letter exchange and new messages are refused on overflow.
    pub dead_letter_strategy: DeadLetterStrategy,
    /// The highest priority, where `x-max-priority` was declared.
    pub max_priority: Option<u8>,
    /// One consumer at a time gets messages.
    pub single_active_consumer: bool,
    /// How many times a message may be delivered in vain. `None`: no limit. 20 unless said otherwise for queues that were
    /// declared `quorum`.
    pub delivery_limit: Option<u32>,
    /// Whether messages that come back wait.
    pub delayed_retry: Option<DelayedRetry>,
    /// How long a consumer may hold a message. Unit: milliseconds. `None` (also where 0 was asked): for ever.
    pub consumer_timeout_ms: Option<u64>,
    /// How long messages are kept for a consumer whose node is gone. Unit: milliseconds.
    pub consumer_disconnected_timeout_ms: Option<u64>,
    /// It goes with its last consumer.
    pub auto_delete: bool,
    /// Where its leader is to be.
    pub leader_locator: LeaderLocator,
    /// How many replicas are asked for.
    pub target_group_size: Option<u32>,
    /// The policy that applies, for listings.
    pub policy: Option<ShortStr>,
    /// The operator policy that applies, for listings.
    pub operator_policy: Option<ShortStr>,
}

/// What a full queue does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Overflow {
    /// The oldest messages die.
    #[default]
    DropHead,
    /// New messages are refused.
    RejectPublish,
    /// New messages are refused, and die.
    RejectPublishDlx,
}

/// How surely dead messages reach their next queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadLetterStrategy {
    /// They are gone from here at once.
    #[default]
    AtMostOnce,
    /// They stay here until they are confirmed there.
    AtLeastOnce,
}

/// How messages that come back wait: `min_ms` times the number of deliveries, at most `max_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayedRetry {
    /// Which of them.
    pub kind: DelayedRetryKind,
    /// Unit: milliseconds. Not zero.
    pub min_ms: u64,
    /// Unit: milliseconds. `None`: no bound.
    pub max_ms: Option<u64>,
}

/// Which of the messages that come back wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DelayedRetryKind {
    /// All.
    All,
    /// Those whose delivery failed.
    Failed,
    /// Those that were returned without a failure.
    Returned,
}

/// Where a queue's leader is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaderLocator {
    /// On the node of the client that declares it.
    #[default]
    ClientLocal,
    /// Where the fewest are.
    Balanced,
}

/// The settings of an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExchangeSettings {
    /// Where messages go that it routes nowhere.
    pub alternate: Option<ShortStr>,
    /// The policy that applies, for listings.
    pub policy: Option<ShortStr>,
    /// The operator policy that applies, for listings.
    pub operator_policy: Option<ShortStr>,
}

impl QueueSettings {
    /// Whether a queue works the same under both. The names of policies do not matter.
    pub fn has_same_effect(&self, other: &QueueSettings) -> bool {
        let named = QueueSettings {
            policy: self.policy.clone(),
            operator_policy: self.operator_policy.clone(),
            ..other.clone()
        };
        *self == named
    }
}

pub(crate) fn exchange_settings(exchange: &Exchange, applied: Option<&AppliedPolicies>) -> ExchangeSettings {
    let by_policy = || match applied?.value(ALTERNATE)? {
        FieldValue::LongStr(name) => ShortStr::from_bytes(name.clone()).ok(),
        _ => None,
    };
    ExchangeSettings {
        alternate: exchange.alternate().or_else(by_policy),
        policy: applied.and_then(|applied| applied.policy_name().cloned()),
        operator_policy: applied.and_then(|applied| applied.operator_name().cloned()),
    }
}
