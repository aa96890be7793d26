//! Incarnations of a node are over: their sessions close, their chunks are refused from now on.

use types::NodeId;

use crate::{Machine, Outcome, Reply};

pub(super) fn apply(machine: &mut Machine, node: NodeId, boot: u64, sessions_up_to: u64, out: &mut Outcome) -> Reply {
    machine.producers.fence(node, boot);
    for (session, queue) in machine.sessions.close_node(node, sessions_up_to) {
        machine.with_queue(queue, out, |state, work| state.close_session(session, work));
    }
    Reply::Done
}
