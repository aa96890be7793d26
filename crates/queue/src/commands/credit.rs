//! A consumer without prefetch limit may be sent more.

use types::QueueId;

use crate::{Machine, Outcome, Reply};

use super::Scope;

pub(super) fn apply(
    machine: &mut Machine,
    scope: &Scope,
    queue: QueueId,
    number: u32,
    up_to: u64,
    out: &mut Outcome,
) -> Reply {
    let key = scope.consumer(number);
    machine.with_queue(queue, out, |state, _| {
        if let Some(slot) = state.consumers.find(&key) {
            let consumer = state.consumers.get_mut(slot);
            consumer.credit = consumer.credit.max(up_to);
            state.consumers.settle_ring(slot);
        }
    });
    Reply::Done
}
