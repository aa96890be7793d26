//! What clients may ask for and this broker does not do yet: refused in so many words, never ignored in silence. Arguments that
//! are not in this list and that no feature knows are accepted and mean nothing, as in RabbitMQ.

use amqp_codec::methods::basic;
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

/// Refuses a consumer that cannot be had.
pub(crate) fn check_consume(consume: &basic::Consume) -> Result<(), Failure> {
    if consume.queue == "amq.rabbitmq.reply-to" {
        return Err(Failure::not_implemented("direct reply-to is not supported yet"));
    }
    match consume.arguments.get("x-priority").and_then(FieldValue::as_i64) {
        None | Some(0) => Ok(()),
        Some(_) => Err(Failure::not_implemented("consumer priorities (x-priority) are not supported yet")),
    }
}
