//! A consumer gets no more messages; what it holds stays held.

use types::QueueId;

use crate::{Machine, Outcome, Reply};

use super::Scope;

pub(super) fn apply(machine: &mut Machine, scope: &Scope, queue: QueueId, number: u32, out: &mut Outcome) -> Reply {
    let key = scope.consumer(number);
    let detached = machine.with_queue(queue, &mut out.dead, |state, _| {
        let consumers = &mut state.consumers;
        let mut record_gone = false;
        if let Some(slot) = consumers.find(&key) {
            consumers.detach(slot);
            record_gone = consumers.remove_if_over(slot);
        }
        (consumers.attached(), record_gone && !consumers.has_session(scope.session))
    });
    // A queue that is gone has no consumers: cancelling one of its is no error.
    let (consumers, session_left) = detached.unwrap_or_default();
    if session_left {
        machine.sessions.remove(scope.session, queue);
    }
    Reply::Detached { consumers, queue_ended: false }
}
