//! Exchanges as they were declared.

use types::{FieldTable, FieldValue, ShortStr};

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
}

impl ExchangeKind {
    /// The kind of that name in `exchange.declare`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"direct" => Some(ExchangeKind::Direct),
            b"fanout" => Some(ExchangeKind::Fanout),
            b"topic" => Some(ExchangeKind::Topic),
            b"headers" => Some(ExchangeKind::Headers),
            _ => None,
        }
    }

    /// Its name in `exchange.declare`.
    pub fn as_str(self) -> &'static str {
        match self {
            ExchangeKind::Direct => "direct",
            ExchangeKind::Fanout => "fanout",
            ExchangeKind::Topic => "topic",
            ExchangeKind::Headers => "headers",
        }
    }
}

impl Exchange {
    /// Where messages go that it routes nowhere.
    pub fn alternate(&self) -> Option<ShortStr> {
        match self.arguments.get(ALTERNATE)? {
            FieldValue::LongStr(name) => ShortStr::from_bytes(name.clone()).ok(),
            _ => None,
        }
    }
}

/// The argument that names the alternate exchange.
pub(crate) const ALTERNATE: &str = "alternate-exchange";
