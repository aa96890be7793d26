//! How many messages and consumers a queue has.

use types::QueueId;

use crate::{Machine, Outcome, Refusal, Reply};

pub(super) fn apply(machine: &mut Machine, queue: QueueId, out: &mut Outcome) -> Reply {
    machine.serve_first(queue, out);
    match machine.queues.get(&queue) {
        Some(state) => Reply::Depth { messages: state.ready(), consumers: state.consumers.attached() },
        None => Reply::Refused(Refusal::NoSuchQueue),
    }
}
