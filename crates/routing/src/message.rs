//! What routing may ask of a message and of the node that routes it.

use std::fmt;

use bytes::Bytes;
use types::{FieldTable, FieldValue, ShortStr};

use crate::targets::QueueRef;

/// A message on its way to queues.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Its routing key.
    pub routing_key: &'a [u8],
    /// More routing keys: those of the headers `CC` and `BCC`. The message goes where any of its keys leads, to each queue
    /// once. Where an exchange takes one destination of many, it takes one for the message, not one per key.
    pub more_keys: &'a [Bytes],
    /// What is read only where an exchange on the way needs it.
    pub properties: &'a dyn Properties,
    /// Evenly distributed bits, for the exchanges that choose at random.
    pub random: u64,
    /// Whether a queue lives on this node, for `x-local-random`.
    pub is_local: &'a dyn Fn(QueueRef) -> bool,
}

/// The properties of a message that exchanges may look at. Reading them takes time: routing asks when it must.
pub trait Properties {
    /// All headers. Asked at most once a message.
    fn headers(&self) -> Option<FieldTable>;
    /// One header.
    fn header(&self, name: &[u8]) -> Option<FieldValue>;
    /// The property `message-id`.
    fn message_id(&self) -> Option<ShortStr>;
    /// The property `correlation-id`.
    fn correlation_id(&self) -> Option<ShortStr>;
    /// The property `timestamp`. Unit: seconds since the Unix epoch.
    fn timestamp(&self) -> Option<u64>;
    /// Whether exchanges that delay are asked to. Asked at most once a message.
    fn asks_for_delay(&self) -> bool;
    /// Whether exchanges that keep a history may keep the message. Asked at most once a message.
    fn may_be_kept(&self) -> bool;
}

/// No properties.
impl Properties for () {
    fn headers(&self) -> Option<FieldTable> {
        None
    }

    fn header(&self, _: &[u8]) -> Option<FieldValue> {
        None
    }

    fn message_id(&self) -> Option<ShortStr> {
        None
    }

    fn correlation_id(&self) -> Option<ShortStr> {
        None
    }

    fn timestamp(&self) -> Option<u64> {
        None
    }

    fn asks_for_delay(&self) -> bool {
        false
    }

    fn may_be_kept(&self) -> bool {
        true
    }
}

impl<'a> Message<'a> {
    /// A message with one routing key and nothing else.
    pub fn with_key(routing_key: &'a [u8]) -> Self {
        Message { routing_key, more_keys: &[], properties: &(), random: 0, is_local: &|_| false }
    }

    /// All routing keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a [u8]> {
        std::iter::once(self.routing_key).chain(self.more_keys.iter().map(|key| &key[..]))
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("routing_key", &self.routing_key)
            .field("more_keys", &self.more_keys)
            .field("random", &self.random)
            .finish_non_exhaustive()
    }
}
