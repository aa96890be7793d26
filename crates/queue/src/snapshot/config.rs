//! A queue's settings as numbers. What may be there or not is two: 1 or 0, and the value.

use super::values::{Parsed, Values};
use crate::{DeadLetterStrategy, DelayedRetry, Overflow, QueueConfig, RetryKind};

const FLAG_SINGLE_ACTIVE_CONSUMER: u64 = 1;
const FLAG_AUTO_DELETE: u64 = 2;

/// The numbers.
pub(super) fn to_values(config: &QueueConfig) -> Vec<u64> {
    let overflow = match config.overflow {
        Overflow::DropHead => 0,
        Overflow::RejectPublish => 1,
        Overflow::RejectPublishDlx => 2,
    };
    let dead_letter = match config.dead_letter {
        None => 0,
        Some(DeadLetterStrategy::AtMostOnce) => 1,
        Some(DeadLetterStrategy::AtLeastOnce) => 2,
    };
    let retry_kind = match config.delayed_retry.map(|retry| retry.kind) {
        None => 0,
        Some(RetryKind::All) => 1,
        Some(RetryKind::Failed) => 2,
        Some(RetryKind::Returned) => 3,
    };
    let flags = [(config.single_active_consumer, FLAG_SINGLE_ACTIVE_CONSUMER), (config.auto_delete, FLAG_AUTO_DELETE)];
    let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum();
    let retry = config.delayed_retry.unwrap_or_default();
    let mut values = vec![flags, overflow, dead_letter, retry_kind, retry.min_ms];
    let options = [
        retry.max_ms,
        config.message_ttl_ms,
        config.expires_ms,
        config.max_length,
        config.max_length_bytes,
        config.max_priority.map(u64::from),
        config.delivery_limit.map(u64::from),
    ];
    values.extend(options.into_iter().flat_map(|option| option.map_or([0, 0], |value| [1, value])));
    values
}

/// The settings.
pub(super) fn from_values(values: &mut Values<'_>) -> Parsed<QueueConfig> {
    let flags = values.value()?;
    if flags > FLAG_SINGLE_ACTIVE_CONSUMER | FLAG_AUTO_DELETE {
        return Err("settings with an unknown flag");
    }
    let overflow = match values.value()? {
        0 => Overflow::DropHead,
        1 => Overflow::RejectPublish,
        2 => Overflow::RejectPublishDlx,
        _ => return Err("an unknown overflow"),
    };
    let dead_letter = match values.value()? {
        0 => None,
        1 => Some(DeadLetterStrategy::AtMostOnce),
        2 => Some(DeadLetterStrategy::AtLeastOnce),
        _ => return Err("an unknown dead letter strategy"),
    };
    let retry_kind = match values.value()? {
        0 => None,
        1 => Some(RetryKind::All),
        2 => Some(RetryKind::Failed),
        3 => Some(RetryKind::Returned),
        _ => return Err("an unknown kind of retry"),
    };
    let (min_ms, max_ms) = (values.value()?, values.option()?);
    Ok(QueueConfig {
        message_ttl_ms: values.option()?,
        expires_ms: values.option()?,
        max_length: values.option()?,
        max_length_bytes: values.option()?,
        overflow,
        dead_letter,
        max_priority: narrow(values.option()?)?,
        single_active_consumer: flags & FLAG_SINGLE_ACTIVE_CONSUMER != 0,
        auto_delete: flags & FLAG_AUTO_DELETE != 0,
        delivery_limit: narrow(values.option()?)?,
        delayed_retry: retry_kind.map(|kind| DelayedRetry { kind, min_ms, max_ms }),
    })
}

fn narrow<T: TryFrom<u64>>(value: Option<u64>) -> Parsed<Option<T>> {
    value.map(|value| T::try_from(value).map_err(|_| "a setting is too large")).transpose()
}
