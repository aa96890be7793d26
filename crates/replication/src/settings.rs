//! The settings of a queue as metadata knows them, in the words of its machine. This is the only place that translates.

use queue::{DeadLetterStrategy, DelayedRetry, Overflow, QueueConfig, RetryKind};
use types::QueueId;

/// What the queue's machine has to be told: declared arguments and policies, merged. Of a queue that is gone: nothing special.
pub fn queue_config(machine: &metadata::Machine, queue: QueueId) -> QueueConfig {
    let Some(queue) = machine.queue_by_id(queue) else { return QueueConfig::default() };
    let settings = machine.effective_queue(queue);
    let strategy = match settings.dead_letter_strategy {
        metadata::DeadLetterStrategy::AtMostOnce => DeadLetterStrategy::AtMostOnce,
        metadata::DeadLetterStrategy::AtLeastOnce => DeadLetterStrategy::AtLeastOnce,
    };
    QueueConfig {
        message_ttl_ms: settings.message_ttl_ms,
        expires_ms: settings.expires_ms,
        max_length: settings.max_length,
        max_length_bytes: settings.max_length_bytes,
        overflow: match settings.overflow {
            metadata::Overflow::DropHead => Overflow::DropHead,
            metadata::Overflow::RejectPublish => Overflow::RejectPublish,
            metadata::Overflow::RejectPublishDlx => Overflow::RejectPublishDlx,
        },
        dead_letter: settings.dead_letter_exchange.is_some().then_some(strategy),
        max_priority: settings.max_priority,
        single_active_consumer: settings.single_active_consumer,
        auto_delete: settings.auto_delete,
        delivery_limit: settings.delivery_limit,
        delayed_retry: settings.delayed_retry.map(|retry| DelayedRetry {
            kind: match retry.kind {
                metadata::DelayedRetryKind::All => RetryKind::All,
                metadata::DelayedRetryKind::Failed => RetryKind::Failed,
                metadata::DelayedRetryKind::Returned => RetryKind::Returned,
            },
            min_ms: retry.min_ms,
            max_ms: retry.max_ms,
        }),
    }
}
