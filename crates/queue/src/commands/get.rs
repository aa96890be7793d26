//! One message is fetched.

use types::QueueId;

use crate::{Machine, Outcome, Refusal, Reply};

use super::Scope;

pub(super) fn apply(machine: &mut Machine, scope: &Scope, queue: QueueId, no_ack: bool, out: &mut Outcome) -> Reply {
    machine.serve_first(queue, out);
    if machine.queues.get(&queue).is_some_and(|state| state.config.single_active_consumer) {
        return Reply::Refused(Refusal::SingleActiveConsumer);
    }
    let got = machine.with_queue(queue, out, |state, work| state.get(scope.session, no_ack, work));
    match got {
        Some(Some(got)) => Reply::Got(got),
        Some(None) => Reply::Empty,
        None => Reply::Refused(Refusal::NoSuchQueue),
    }
}
