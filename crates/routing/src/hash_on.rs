//! What a hash exchange hashes.

use types::{FieldTable, FieldValue, ShortStr};

use crate::{hash::StableHash, message::Message};

/// A part of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HashOn {
    RoutingKey,
    Header(ShortStr),
    MessageId,
    CorrelationId,
    Timestamp,
}

impl HashOn {
    /// As the arguments `hash-header` and `hash-property` say; whoever declares the exchange has checked them.
    pub(crate) fn new(arguments: &FieldTable) -> Self {
        if let Some(FieldValue::LongStr(name)) = arguments.get("hash-header")
            && let Ok(name) = ShortStr::from_bytes(name.clone())
        {
            return HashOn::Header(name.compact());
        }
        match arguments.get("hash-property").and_then(FieldValue::as_str) {
            Some("message_id") => HashOn::MessageId,
            Some("correlation_id") => HashOn::CorrelationId,
            Some("timestamp") => HashOn::Timestamp,
            Some(_) | None => HashOn::RoutingKey,
        }
    }

    /// Whether messages with the same routing key have the same hash.
    pub(crate) fn is_routing_key(&self) -> bool {
        *self == HashOn::RoutingKey
    }

    /// The hash of a message. Of several routing keys the first counts, as in RabbitMQ. Messages without the header or property
    /// all have the same.
    pub(crate) fn hash(&self, message: &Message<'_>) -> u64 {
        let hash = StableHash::new();
        let short = |text: Option<ShortStr>| match text {
            Some(text) => hash.bytes(b"s").field(text.as_bytes()),
            None => hash,
        };
        let hash = match self {
            HashOn::RoutingKey => hash.bytes(b"s").field(message.routing_key),
            HashOn::Header(name) => match message.properties.header(name.as_bytes()) {
                Some(value) => hash.value(&value),
                None => hash,
            },
            HashOn::MessageId => short(message.properties.message_id()),
            HashOn::CorrelationId => short(message.properties.correlation_id()),
            HashOn::Timestamp => match message.properties.timestamp() {
                Some(seconds) => hash.bytes(b"T").bytes(&seconds.to_be_bytes()),
                None => hash,
            },
        };
        hash.finish()
    }
}
