//! A session is over: its consumers go, what it holds returns as failed deliveries.

use crate::{Machine, Outcome, Reply};

use super::Scope;

pub(super) fn apply(machine: &mut Machine, scope: &Scope, out: &mut Outcome) -> Reply {
    for queue in machine.sessions.close(scope.session) {
        machine.with_queue(queue, out, |state, work| state.close_session(scope.session, work));
    }
    Reply::Done
}
