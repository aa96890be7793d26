//! What the broker hands over to be delivered, and where a delivery tag leads back to.

use types::{MessageRecord, QueueId, ShortStr};

/// Where a delivery comes from: what its delivery tag stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The consumer's number within the session; zero for `basic.get`.
    pub consumer: u32,
    /// The queue.
    pub queue: QueueId,
    /// The consumer's delivery sequence number.
    pub seq: u64,
}

/// One message on its way to a client.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The consumer's tag; not used by `basic.get-ok`.
    pub consumer_tag: ShortStr,
    /// Comes back in [`Event::Settle`](crate::Event::Settle) when the client settles it.
    pub origin: Origin,
    /// The client does not acknowledge it: it gets a delivery tag, but nothing is remembered.
    pub no_ack: bool,
    /// It was given to somebody before.
    pub redelivered: bool,
    /// How many deliveries failed before this one; sent as the header `x-delivery-count` when not zero.
    pub delivery_count: u32,
    /// The message. Its properties must be valid; those that came in by [`Event::Publish`](crate::Event::Publish) are.
    pub message: MessageRecord,
}
