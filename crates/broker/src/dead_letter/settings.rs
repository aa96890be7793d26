//! Where a queue's dead letters go.

use metadata::Machine;
use types::{FieldTable, FieldValue, QueueId, ShortStr};

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
        let arguments = &queue.arguments;
        let is = |name: &str, value: &str| arguments.get(name).and_then(FieldValue::as_str) == Some(value);
        Some(Settings {
            vhost: queue.vhost.clone(),
            queue: queue.name.clone(),
            exchange: name(arguments, "x-dead-letter-exchange")?,
            routing_key: name(arguments, "x-dead-letter-routing-key"),
            // Where the oldest messages are dropped, they cannot stay until they are delivered.
            at_least_once: is("x-dead-letter-strategy", "at-least-once") && is("x-overflow", "reject-publish"),
        })
    }
}

fn name(arguments: &FieldTable, argument: &str) -> Option<ShortStr> {
    match arguments.get(argument)? {
        FieldValue::LongStr(name) => ShortStr::from_bytes(name.clone()).ok(),
        _ => None,
    }
}
