//! Where a queue's dead letters go.

use metadata::{DeadLetterStrategy, Machine};
use types::{QueueId, ShortStr};

/// What a queue says of its dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The queue's vhost.
    pub(crate) vhost: ShortStr,
    /// The queue's name.
    pub(crate) queue: ShortStr,
    /// The dead letter exchange.
    pub(crate) exchange: ShortStr,
    /// The routing key instead of the messages' own.
    pub(crate) routing_key: Option<ShortStr>,
    /// What cannot be delivered stays in the queue.
    pub(crate) at_least_once: bool,
}

impl Settings {
    /// Of that queue; `None` when it is gone, or does not ask for dead letters any more.
    pub(crate) fn of(machine: &Machine, queue: QueueId) -> Option<Self> {
        let queue = machine.queue_by_id(queue)?;
        let effective = machine.effective_queue(queue);
        Some(Settings {
            vhost: queue.vhost.clone(),
            queue: queue.name.clone(),
            exchange: effective.dead_letter_exchange?,
            routing_key: effective.dead_letter_routing_key,
            at_least_once: effective.dead_letter_strategy == DeadLetterStrategy::AtLeastOnce,
        })
    }
}
