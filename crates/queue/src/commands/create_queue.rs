//! A queue comes into being.

use std::sync::Arc;

use types::QueueId;

use crate::{Machine, QueueConfig, Reply, queue::Queue};

pub(super) fn apply(machine: &mut Machine, queue: QueueId, config: &QueueConfig) -> Reply {
    machine.queues.entry(queue).or_insert_with(|| Arc::new(Queue::new(config.clone())));
    Reply::Done
}
