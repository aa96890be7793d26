//! Settings of queues to bytes and back.

use queue::{DeadLetterStrategy, DelayedRetry, Overflow, QueueConfig, RetryKind};

use crate::{
    DecodeError,
    generated::shard::{
        self as wire,
        queue_config::{DeadLetter, Overflow as WireOverflow, Retry},
    },
};

pub(super) fn config_to_wire(config: &QueueConfig) -> wire::QueueConfig {
    let overflow = match config.overflow {
        Overflow::DropHead => WireOverflow::DropHead,
        Overflow::RejectPublish => WireOverflow::RejectPublish,
        Overflow::RejectPublishDlx => WireOverflow::RejectPublishDlx,
    };
    let dead_letter = match config.dead_letter {
        None => DeadLetter::Off,
        Some(DeadLetterStrategy::AtMostOnce) => DeadLetter::AtMostOnce,
        Some(DeadLetterStrategy::AtLeastOnce) => DeadLetter::AtLeastOnce,
    };
    let retry = match config.delayed_retry.map(|retry| retry.kind) {
        None => Retry::None,
        Some(RetryKind::All) => Retry::All,
        Some(RetryKind::Failed) => Retry::Failed,
        Some(RetryKind::Returned) => Retry::Returned,
    };
    wire::QueueConfig {
        message_ttl_ms: config.message_ttl_ms,
        expires_ms: config.expires_ms,
        max_length: config.max_length,
        max_length_bytes: config.max_length_bytes,
        overflow: overflow.into(),
        dead_letter: dead_letter.into(),
        max_priority: config.max_priority.map(u32::from),
        single_active_consumer: config.single_active_consumer,
        auto_delete: config.auto_delete,
        delivery_limit: config.delivery_limit,
        retry: retry.into(),
        retry_min_ms: config.delayed_retry.map_or(0, |retry| retry.min_ms),
        retry_max_ms: config.delayed_retry.and_then(|retry| retry.max_ms),
    }
}

pub(super) fn config_from_wire(config: wire::QueueConfig) -> Result<QueueConfig, DecodeError> {
    let unknown = |_| DecodeError::new("queue settings");
    let overflow = match WireOverflow::try_from(config.overflow).map_err(unknown)? {
        WireOverflow::DropHead => Overflow::DropHead,
        WireOverflow::RejectPublish => Overflow::RejectPublish,
        WireOverflow::RejectPublishDlx => Overflow::RejectPublishDlx,
    };
    let dead_letter = match DeadLetter::try_from(config.dead_letter).map_err(unknown)? {
        DeadLetter::Off => None,
        DeadLetter::AtMostOnce => Some(DeadLetterStrategy::AtMostOnce),
        DeadLetter::AtLeastOnce => Some(DeadLetterStrategy::AtLeastOnce),
    };
    let kind = match Retry::try_from(config.retry).map_err(unknown)? {
        Retry::None => None,
        Retry::All => Some(RetryKind::All),
        Retry::Failed => Some(RetryKind::Failed),
        Retry::Returned => Some(RetryKind::Returned),
    };
    let max_priority = config.max_priority.map(u8::try_from).transpose();
    Ok(QueueConfig {
        message_ttl_ms: config.message_ttl_ms,
        expires_ms: config.expires_ms,
        max_length: config.max_length,
        max_length_bytes: config.max_length_bytes,
        overflow,
        dead_letter,
        max_priority: max_priority.map_err(|_| DecodeError::new("queue settings"))?,
        single_active_consumer: config.single_active_consumer,
        auto_delete: config.auto_delete,
        delivery_limit: config.delivery_limit,
        delayed_retry: kind.map(|kind| DelayedRetry { kind, min_ms: config.retry_min_ms, max_ms: config.retry_max_ms }),
    })
}
