//! Messages go back to their original place.

use types::{QueueId, SeqRange};

use crate::{Machine, Outcome, Reply, queue::Verdict};

use super::{Scope, give_up};

pub(super) fn apply(
    machine: &mut Machine,
    scope: &Scope,
    (queue, number): (QueueId, u32),
    ranges: &[SeqRange],
    failed: bool,
    out: &mut Outcome,
) -> Reply {
    give_up(machine, &scope.consumer(number), queue, ranges, Verdict::Return { failed }, out)
}
