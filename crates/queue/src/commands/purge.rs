//! All ready messages go.

use types::QueueId;

use crate::{Machine, Outcome, Refusal, Reply};

pub(super) fn apply(machine: &mut Machine, queue: QueueId, out: &mut Outcome) -> Reply {
    machine.serve_first(queue, out);
    match machine.with_queue(queue, &mut out.dead, |state, releaser| state.purge(releaser)) {
        Some(messages) => Reply::Purged { messages },
        None => Reply::Refused(Refusal::NoSuchQueue),
    }
}
