//! Refusals that come in several kinds.

use types::ShortStr;

use super::Resource;

/// What is wrong with a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingInvalid {
    /// To a headers exchange, with an `x-match` that is not known.
    Match(String),
    /// To a headers exchange, with an `x-match` that is not a long string.
    MatchType {
        /// RabbitMQ's name of the type that it has.
        type_name: &'static str,
        /// Its value, as RabbitMQ prints it.
        value: String,
    },
    /// To a consistent hash exchange, and its key is no number.
    WeightNotInteger(ShortStr),
    /// To a consistent hash exchange, and its key is a number below one.
    WeightTooSmall,
    /// To a consistent hash exchange, and its key is a number above this one.
    WeightTooGreat(i64),
    /// To a local random exchange, and it has a key.
    KeyNotEmpty(ShortStr),
    /// To a local random exchange, and it does not lead to a queue.
    NotToQueue,
}

/// What is wrong with the arguments of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeInvalid {
    /// `x-delayed-type` is missing, or no name, or names no other type.
    DelayedType,
    /// `hash-property` is none that can be hashed.
    HashProperty(String),
    /// Both `hash-header` and `hash-property`.
    HashBoth,
    /// `x-recent-history-length` is not a positive integer: its value, as RabbitMQ prints it.
    HistoryLength(String),
}

/// Of what there may not be more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitReached {
    /// Queues of a vhost.
    QueuesInVhost {
        /// The queue that was to be declared.
        queue: ShortStr,
        /// Its vhost.
        vhost: ShortStr,
        /// The limit.
        limit: u64,
    },
    /// Queues of the cluster.
    QueuesInCluster {
        /// The queue that was to be declared.
        queue: ShortStr,
        /// The limit.
        limit: u64,
    },
    /// Exchanges of the cluster.
    Exchanges {
        /// The exchange that was to be declared.
        exchange: Resource,
        /// The limit.
        limit: u64,
    },
    /// Vhosts of the cluster.
    Vhosts {
        /// The vhost that was to be made.
        vhost: ShortStr,
        /// The limit.
        limit: u64,
    },
}
