//! A consumer gets no more messages; what it holds stays held.

use types::QueueId;

use crate::{Machine, Outcome, Reply};

use super::Scope;

pub(super) fn apply(machine: &mut Machine, scope: &Scope, queue: QueueId, number: u32, out: &mut Outcome) -> Reply {
    let key = scope.consumer(number);
    let detached = machine.with_queue(queue, out, |state, work| {
        state.detach(&key, work);
        (state.consumers.attached(), state.end.is_some())
    });
    // A queue that is gone has no consumers: cancelling one of its is no error.
    let (consumers, queue_ended) = detached.unwrap_or_default();
    Reply::Detached { consumers, queue_ended }
}
