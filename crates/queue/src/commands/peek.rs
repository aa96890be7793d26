//! Ready messages are looked at, and stay as they are.

use types::QueueId;

use crate::{Machine, Outcome, Refusal, Reply};

pub(super) fn apply(machine: &mut Machine, queue: QueueId, from: u64, bytes_max: u64, out: &mut Outcome) -> Reply {
    // What is dropped or given away by what came before in this entry is not seen any more.
    machine.serve_first(queue, out);
    match machine.queues.get(&queue) {
        Some(state) => Reply::Peeked(state.lanes.peek(from, bytes_max)),
        None => Reply::Refused(Refusal::NoSuchQueue),
    }
}
