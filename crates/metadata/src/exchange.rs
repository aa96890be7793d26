//! Exchanges as they were declared.

use types::{FieldTable, FieldValue, QueueId, ShortStr};

/// How an exchange chooses destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExchangeKind {
    /// By equal routing key.
    Direct,
    /// All.
    Fanout,
    /// By patterns of words.
    Topic,
    /// By headers.
    Headers,
    /// One destination, by a hash; bindings have weights.
    ConsistentHash,
    /// One destination, at random.
    Random,
    /// One queue of the publisher's node, at random.
    LocalRandom,
    /// One destination, by a hash modulo the number of bindings.
    ModulusHash,
    /// All; newly bound queues get the last messages.
    RecentHistory,
    /// As another type, which the argument `x-delayed-type` names, after a delay.
    DelayedMessage,
}

/// An exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Its vhost.
    pub vhost: ShortStr,
    /// Its name; never empty (the default exchange is not stored).
    pub name: ShortStr,
    /// Its type.
    pub kind: ExchangeKind,
    /// As declared. (All exchanges are replicated; a transient one does not outlive its cluster's restart in RabbitMQ, here it
    /// does.)
    pub durable: bool,
    /// It goes with its last binding.
    pub auto_delete: bool,
    /// Clients may not publish to it.
    pub internal: bool,
    /// As declared.
    pub arguments: FieldTable,
    /// The queue in which an `x-recent-history` exchange keeps its last messages.
    pub history: Option<QueueId>,
}

impl ExchangeKind {
    /// All types.
    pub const ALL: [ExchangeKind; 10] = [
        ExchangeKind::Direct,
        ExchangeKind::Fanout,
        ExchangeKind::Topic,
        ExchangeKind::Headers,
        ExchangeKind::ConsistentHash,
        ExchangeKind::Random,
        ExchangeKind::LocalRandom,
        ExchangeKind::ModulusHash,
        ExchangeKind::RecentHistory,
        ExchangeKind::DelayedMessage,
    ];

    /// The kind of that name in `exchange.declare`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        ExchangeKind::ALL.into_iter().find(|kind| kind.as_str().as_bytes() == text)
    }

    /// Its name in `exchange.declare`.
    pub fn as_str(self) -> &'static str {
        match self {
            ExchangeKind::Direct => "direct",
            ExchangeKind::Fanout => "fanout",
            ExchangeKind::Topic => "topic",
            ExchangeKind::Headers => "headers",
            ExchangeKind::ConsistentHash => "x-consistent-hash",
            ExchangeKind::Random => "x-random",
            ExchangeKind::LocalRandom => "x-local-random",
            ExchangeKind::ModulusHash => "x-modulus-hash",
            ExchangeKind::RecentHistory => "x-recent-history",
            ExchangeKind::DelayedMessage => "x-delayed-message",
        }
    }

    /// How an exchange of this type with these arguments chooses destinations: as the type that `x-delayed-type` names, or
    /// as its own. Never [`ExchangeKind::DelayedMessage`] for an exchange that was declared.
    pub fn routes_as(self, arguments: &FieldTable) -> ExchangeKind {
        match self {
            ExchangeKind::DelayedMessage => delayed_type(arguments).unwrap_or(self),
            ExchangeKind::Direct
            | ExchangeKind::Fanout
            | ExchangeKind::Topic
            | ExchangeKind::Headers
            | ExchangeKind::ConsistentHash
            | ExchangeKind::Random
            | ExchangeKind::LocalRandom
            | ExchangeKind::ModulusHash
            | ExchangeKind::RecentHistory => self,
        }
    }
}

fn delayed_type(arguments: &FieldTable) -> Option<ExchangeKind> {
    match arguments.get(DELAYED_TYPE)? {
        FieldValue::LongStr(name) => ExchangeKind::parse(name),
        _ => None,
    }
}

impl Exchange {
    /// Where its arguments say that messages go that it routes nowhere. (A policy may say it too: see
    /// [`Machine::effective_exchange`](crate::Machine::effective_exchange).)
    pub fn alternate(&self) -> Option<ShortStr> {
        match self.arguments.get(ALTERNATE)? {
            FieldValue::LongStr(name) => ShortStr::from_bytes(name.clone()).ok(),
            _ => None,
        }
    }
}

/// The argument that names the alternate exchange.
pub(crate) const ALTERNATE: &str = "alternate-exchange";

/// The argument that names the type that a delaying exchange routes as.
pub(crate) const DELAYED_TYPE: &str = "x-delayed-type";
