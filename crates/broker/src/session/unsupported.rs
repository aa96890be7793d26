//! What clients may ask for and this broker does not do yet: refused in so many words, never ignored in silence. Arguments that
//! are not in this list and that no feature knows are accepted and mean nothing, as in RabbitMQ.

use types::{FieldTable, FieldValue};

use crate::failure::Failure;

/// Queue arguments that would change what happens to messages.
const QUEUE_ARGUMENTS: [&str; 13] = [
    "x-message-ttl",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-overflow",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-priority",
    "x-single-active-consumer",
    "x-delayed-retry-type",
    "x-delayed-retry-min",
    "x-delayed-retry-max",
    "x-consumer-timeout",
];

/// Refuses a new queue with an argument that cannot be honoured.
pub(crate) fn check_queue_arguments(arguments: &FieldTable) -> Result<(), Failure> {
    let asked = |name: &&&str| !matches!(arguments.get(name), None | Some(FieldValue::Bool(false) | FieldValue::Void));
    match QUEUE_ARGUMENTS.iter().find(asked) {
        Some(name) => Err(Failure::not_implemented(format!("queue argument '{name}' is not supported yet"))),
        None => Ok(()),
    }
}
