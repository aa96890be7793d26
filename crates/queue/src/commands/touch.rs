//! A queue is in use: its time to expire starts anew.

use types::QueueId;

use crate::{Machine, Outcome, Reply};

pub(super) fn apply(machine: &mut Machine, queue: QueueId, out: &mut Outcome) -> Reply {
    machine.with_queue(queue, out, |state, work| state.touch(work.now));
    Reply::Done
}
