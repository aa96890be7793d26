//! The settings of a queue, from its sources.

use types::{FieldValue, ShortStr};

use super::{
    DeadLetterStrategy, DelayedRetry, DelayedRetryKind, LeaderLocator, Overflow, QueueSettings,
    sources::{Names, Rule, Sources, Winner},
};
use crate::{AppliedPolicies, Queue, QueueType, arguments::EXPIRY_MS_MAX, policy::delivery_limit_of_two};

const MESSAGE_TTL: Names = Names("x-message-ttl", "message-ttl");
const EXPIRES: Names = Names("x-expires", "expires");
const MAX_LENGTH: Names = Names("x-max-length", "max-length");
const MAX_LENGTH_BYTES: Names = Names("x-max-length-bytes", "max-length-bytes");
const OVERFLOW: Names = Names("x-overflow", "overflow");
const DEAD_LETTER_EXCHANGE: Names = Names("x-dead-letter-exchange", "dead-letter-exchange");
const DEAD_LETTER_ROUTING_KEY: Names = Names("x-dead-letter-routing-key", "dead-letter-routing-key");
const DEAD_LETTER_STRATEGY: Names = Names("x-dead-letter-strategy", "dead-letter-strategy");
const DELIVERY_LIMIT: Names = Names("x-delivery-limit", "delivery-limit");
const DELAYED_RETRY_TYPE: Names = Names("x-delayed-retry-type", "delayed-retry-type");
const DELAYED_RETRY_MIN: Names = Names("x-delayed-retry-min", "delayed-retry-min");
const DELAYED_RETRY_MAX: Names = Names("x-delayed-retry-max", "delayed-retry-max");
const CONSUMER_TIMEOUT: Names = Names("x-consumer-timeout", "consumer-timeout");
const DISCONNECTED_TIMEOUT: Names = Names("x-consumer-disconnected-timeout", "consumer-disconnected-timeout");
const LEADER_LOCATOR: Names = Names("x-queue-leader-locator", "queue-leader-locator");
const TARGET_GROUP_SIZE: Names = Names("x-quorum-target-group-size", "target-group-size");

/// What RabbitMQ's quorum queues have where nothing else is said.
const DELIVERY_LIMIT_QUORUM: i64 = 20;

pub(crate) fn settings(queue: &Queue, applied: Option<&AppliedPolicies>) -> QueueSettings {
    let sources = Sources::new(&queue.arguments, applied);
    let overflow = overflow(&sources, queue.declared_type);
    let dead_letter_exchange = name(&sources, DEAD_LETTER_EXCHANGE);
    let dead_letter_strategy = strategy(&sources, overflow, dead_letter_exchange.is_some());
    QueueSettings {
        message_ttl_ms: milliseconds(&sources, MESSAGE_TTL, i64::min),
        expires_ms: milliseconds(&sources, EXPIRES, i64::min).filter(|ms| *ms > 0),
        max_length: count(&sources, MAX_LENGTH),
        max_length_bytes: count(&sources, MAX_LENGTH_BYTES),
        overflow,
        dead_letter_routing_key: name(&sources, DEAD_LETTER_ROUTING_KEY).filter(|_| dead_letter_exchange.is_some()),
        dead_letter_exchange,
        dead_letter_strategy,
        max_priority: max_priority(&sources),
        single_active_consumer: matches!(sources.argument("x-single-active-consumer"), Some(FieldValue::Bool(true))),
        delivery_limit: delivery_limit(&sources, queue.declared_type),
        delayed_retry: delayed_retry(&sources),
        consumer_timeout_ms: milliseconds(&sources, CONSUMER_TIMEOUT, the_arguments).filter(|ms| *ms > 0),
        consumer_disconnected_timeout_ms: milliseconds(&sources, DISCONNECTED_TIMEOUT, the_arguments),
        auto_delete: queue.auto_delete,
        leader_locator: leader_locator(&sources),
        target_group_size: sources.number(TARGET_GROUP_SIZE, i64::max).and_then(|size| u32::try_from(size).ok()),
        policy: applied.and_then(|applied| applied.policy_name().cloned()),
        operator_policy: applied.and_then(|applied| applied.operator_name().cloned()),
    }
}

/// The argument comes second (see [`Rule`]).
fn the_arguments(_: i64, argument: i64) -> i64 {
    argument
}

fn count(sources: &Sources<'_>, names: Names) -> Option<u64> {
    sources.number(names, i64::min).and_then(|count| u64::try_from(count).ok())
}

/// Policies may name longer times than arguments; beyond what a timer can hold they mean as long as it can.
fn milliseconds(sources: &Sources<'_>, names: Names, rule: Rule) -> Option<u64> {
    sources.number(names, rule).and_then(|ms| u64::try_from(ms.min(EXPIRY_MS_MAX)).ok())
}

fn name(sources: &Sources<'_>, names: Names) -> Option<ShortStr> {
    sources.text(names, Winner::Argument).and_then(|text| ShortStr::from_bytes(text.clone()).ok())
}

/// A policy can change what a queue that was declared `quorum` does, as in RabbitMQ.
fn overflow(sources: &Sources<'_>, declared_type: QueueType) -> Overflow {
    let winner = match declared_type {
        QueueType::Classic => Winner::Argument,
        QueueType::Quorum => Winner::Policy,
    };
    match sources.text(OVERFLOW, winner).map(|text| &text[..]) {
        Some(b"reject-publish") => Overflow::RejectPublish,
        Some(b"reject-publish-dlx") => Overflow::RejectPublishDlx,
        Some(_) | None => Overflow::DropHead,
    }
}

fn strategy(sources: &Sources<'_>, overflow: Overflow, has_exchange: bool) -> DeadLetterStrategy {
    let asked = sources.text(DEAD_LETTER_STRATEGY, Winner::Argument).is_some_and(|text| &text[..] == b"at-least-once");
    // Messages that wait for confirms count, so a full queue must be able to say no.
    if asked && has_exchange && overflow != Overflow::DropHead {
        DeadLetterStrategy::AtLeastOnce
    } else {
        DeadLetterStrategy::AtMostOnce
    }
}

fn max_priority(sources: &Sources<'_>) -> Option<u8> {
    let highest = sources.argument("x-max-priority")?.as_i64()?;
    u8::try_from(highest).ok()
}

fn delivery_limit(sources: &Sources<'_>, declared_type: QueueType) -> Option<u32> {
    let default = match declared_type {
        QueueType::Classic => None,
        QueueType::Quorum => Some(DELIVERY_LIMIT_QUORUM),
    };
    let limit = sources.number(DELIVERY_LIMIT, delivery_limit_of_two).or(default)?;
    if limit < 0 { None } else { Some(u32::try_from(limit).unwrap_or(u32::MAX)) }
}

fn delayed_retry(sources: &Sources<'_>) -> Option<DelayedRetry> {
    let kind = match &sources.text(DELAYED_RETRY_TYPE, Winner::Policy)?[..] {
        b"all" => DelayedRetryKind::All,
        b"failed" => DelayedRetryKind::Failed,
        b"returned" => DelayedRetryKind::Returned,
        _ => return None,
    };
    let min_ms = milliseconds(sources, DELAYED_RETRY_MIN, i64::max).filter(|ms| *ms > 0)?;
    let max_ms = milliseconds(sources, DELAYED_RETRY_MAX, i64::min);
    Some(DelayedRetry { kind, min_ms, max_ms })
}

fn leader_locator(sources: &Sources<'_>) -> LeaderLocator {
    match sources.text(LEADER_LOCATOR, Winner::Policy).map(|text| &text[..]) {
        None | Some(b"client-local") => LeaderLocator::ClientLocal,
        Some(_) => LeaderLocator::Balanced,
    }
}
