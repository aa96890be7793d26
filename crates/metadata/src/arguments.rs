//! Validation of `queue.declare` arguments: RabbitMQ's rules, merged over its queue types, since all queues work the same here.

use types::{FieldTable, FieldValue, ShortStr};

use crate::{InvalidArg, QueueType, Refusal, Resource};

/// The longest time that a queue or a message may be told to live. Unit: milliseconds. Ten years, as in RabbitMQ.
pub(crate) const EXPIRY_MS_MAX: i64 = 315_360_000_000;
/// As in RabbitMQ.
const PRIORITY_MAX: i64 = 255;

type Check = fn(&FieldValue, &FieldTable) -> Result<(), InvalidArg>;

/// In the order in which RabbitMQ looks at them. What is not named here is accepted and has no effect.
const CHECKS: [(&str, Check); 20] = [
    ("x-expires", |value, _| positive(value).and_then(expiry)),
    ("x-message-ttl", |value, _| integer(value).and_then(expiry)),
    ("x-dead-letter-exchange", |value, _| long_string(value).map(drop)),
    ("x-dead-letter-routing-key", dead_letter_key),
    ("x-dead-letter-strategy", |value, _| word(value, &["at-most-once", "at-least-once"], "invalid_dlx_strategy")),
    ("x-max-length", |value, _| not_negative(value).map(drop)),
    ("x-max-length-bytes", |value, _| not_negative(value).map(drop)),
    ("x-max-priority", |value, _| max_priority(value)),
    ("x-overflow", |value, _| word(value, &["drop-head", "reject-publish", "reject-publish-dlx"], "invalid_overflow")),
    ("x-single-active-consumer", |value, _| boolean(value)),
    ("x-quorum-initial-group-size", |value, _| positive(value).map(drop)),
    ("x-quorum-target-group-size", |value, _| positive(value).map(drop)),
    ("x-initial-cluster-size", |value, _| positive(value).map(drop)),
    ("x-queue-leader-locator", |value, _| word(value, &LOCATORS, "invalid_queue_locator_arg")),
    ("x-delivery-limit", |value, _| integer(value).map(drop)),
    ("x-consumer-timeout", |value, _| not_negative(value).map(drop)),
    ("x-consumer-disconnected-timeout", |value, _| not_negative(value).map(drop)),
    ("x-delayed-retry-type", |value, _| {
        word(value, &["disabled", "all", "failed", "returned"], "invalid_delayed_retry_type")
    }),
    ("x-delayed-retry-min", |value, _| not_negative(value).map(drop)),
    ("x-delayed-retry-max", |value, _| not_negative(value).map(drop)),
];

const LOCATORS: [&str; 5] = ["client-local", "balanced", "min-masters", "random", "least-leaders"];

/// The declared type: `x-queue-type`, or classic.
///
/// # Errors
/// `InvalidArg` when it is not a long string or there is no such type (streams are not supported).
pub fn declared_queue_type(vhost: &ShortStr, queue: &ShortStr, arguments: &FieldTable) -> Result<QueueType, Refusal> {
    let name = "x-queue-type";
    let Some(value) = arguments.get(name) else { return Ok(QueueType::Classic) };
    let refuse = |reason| Refusal::InvalidArg { resource: Resource::queue(vhost, queue), arg: name, reason };
    let text = long_string(value).map_err(refuse)?;
    QueueType::parse(text)
        .ok_or_else(|| refuse(InvalidArg::UnsupportedQueueType(String::from_utf8_lossy(text).into_owned())))
}

/// Checks the arguments of a queue that is to be declared, other than its type.
///
/// # Errors
/// `InvalidArg`, for the first that is wrong.
pub fn check_queue_arguments(vhost: &ShortStr, queue: &ShortStr, arguments: &FieldTable) -> Result<(), Refusal> {
    for (name, check) in CHECKS {
        let Some(value) = arguments.get(name) else { continue };
        check(value, arguments).map_err(|reason| Refusal::InvalidArg {
            resource: Resource::queue(vhost, queue),
            arg: name,
            reason,
        })?;
    }
    Ok(())
}

fn integer(value: &FieldValue) -> Result<i64, InvalidArg> {
    value.as_i64().ok_or_else(|| InvalidArg::NotInteger(value.type_name()))
}

fn not_negative(value: &FieldValue) -> Result<i64, InvalidArg> {
    let value = integer(value)?;
    if value < 0 { Err(InvalidArg::Negative(value)) } else { Ok(value) }
}

fn positive(value: &FieldValue) -> Result<i64, InvalidArg> {
    let value = integer(value)?;
    match value {
        0 => Err(InvalidArg::Zero(value)),
        ..0 => Err(InvalidArg::Negative(value)),
        1.. => Ok(value),
    }
}

fn expiry(value: i64) -> Result<(), InvalidArg> {
    match value {
        ..0 => Err(InvalidArg::Negative(value)),
        0..=EXPIRY_MS_MAX => Ok(()),
        _ => Err(InvalidArg::TooBig(value)),
    }
}

fn max_priority(value: &FieldValue) -> Result<(), InvalidArg> {
    let value = not_negative(value)?;
    if value > PRIORITY_MAX { Err(InvalidArg::MaxExceeded(value)) } else { Ok(()) }
}

fn boolean(value: &FieldValue) -> Result<(), InvalidArg> {
    match value {
        FieldValue::Bool(_) => Ok(()),
        other => Err(unacceptable(other)),
    }
}

fn long_string(value: &FieldValue) -> Result<&[u8], InvalidArg> {
    match value {
        FieldValue::LongStr(text) => Ok(text),
        other => Err(unacceptable(other)),
    }
}

fn word(value: &FieldValue, known: &[&str], refusal: &'static str) -> Result<(), InvalidArg> {
    let text = long_string(value)?;
    if known.iter().any(|word| word.as_bytes() == text) {
        return Ok(());
    }
    Err(InvalidArg::Word(refusal))
}

fn dead_letter_key(value: &FieldValue, arguments: &FieldTable) -> Result<(), InvalidArg> {
    long_string(value)?;
    if arguments.get("x-dead-letter-exchange").is_none() {
        return Err(InvalidArg::Word("routing_key_but_no_dlx_defined"));
    }
    Ok(())
}

fn unacceptable(value: &FieldValue) -> InvalidArg {
    InvalidArg::UnacceptableType(value.type_name())
}

#[cfg(test)]
mod tests;
