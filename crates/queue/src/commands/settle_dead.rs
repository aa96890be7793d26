//! Dead letters have reached all queues that they go to.

use types::{QueueId, SeqRange};

use crate::{Machine, Outcome, Reply};

pub(super) fn apply(machine: &mut Machine, queue: QueueId, ranges: &[SeqRange], out: &mut Outcome) -> Reply {
    machine.with_queue(queue, out, |state, work| state.settle_dead(ranges, work));
    Reply::Done
}
