//! Messages are refused for good: they die, and are counted apart from those that are done.

use types::{QueueId, SeqRange};

use crate::{Machine, Outcome, Reply, queue::Verdict};

use super::{Scope, give_up};

pub(super) fn apply(
    machine: &mut Machine,
    scope: &Scope,
    queue: QueueId,
    number: u32,
    ranges: &[SeqRange],
    out: &mut Outcome,
) -> Reply {
    give_up(machine, &scope.consumer(number), queue, ranges, Verdict::Discard, out)
}
