//! A queue's settings change.

use types::QueueId;

use crate::{Machine, Outcome, QueueConfig, Refusal, Reply};

pub(super) fn apply(machine: &mut Machine, queue: QueueId, config: &QueueConfig, out: &mut Outcome) -> Reply {
    match machine.with_queue(queue, out, |state, work| state.configure(config, work)) {
        Some(()) => Reply::Done,
        None => Reply::Refused(Refusal::NoSuchQueue),
    }
}
