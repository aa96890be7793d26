//! One message is fetched.

use types::QueueId;

use crate::{Machine, Outcome, Refusal, Reply};

use super::Scope;

pub(super) fn apply(machine: &mut Machine, scope: &Scope, queue: QueueId, no_ack: bool, out: &mut Outcome) -> Reply {
    machine.serve_first(queue, out);
    let got = machine.with_queue(queue, &mut out.dead, |state, releaser| state.get(scope.session, no_ack, releaser));
    match got {
        Some(Some(got)) => {
            machine.sessions.insert(scope.session, queue);
            Reply::Got(got)
        }
        Some(None) => Reply::Empty,
        None => Reply::Refused(Refusal::NoSuchQueue),
    }
}
