//! All ready messages go.

use types::QueueId;

use crate::{Machine, Outcome, Refusal, Reply};

pub(super) fn apply(machine: &mut Machine, queue: QueueId, out: &mut Outcome) -> Reply {
    machine.serve_first(queue, out);
    match machine.with_queue(queue, out, |state, work| state.purge(&mut work.releaser)) {
        Some(messages) => Reply::Purged { messages },
        None => Reply::Refused(Refusal::NoSuchQueue),
    }
}
