//! A queue comes into being.

use std::{collections::btree_map::Entry, sync::Arc};

use types::QueueId;

use crate::{Machine, Outcome, QueueConfig, Refusal, Reply, queue::Queue};

pub(super) fn apply(machine: &mut Machine, id: QueueId, config: &QueueConfig, out: &mut Outcome) -> Reply {
    if machine.ended.contains(&id) {
        return Reply::Refused(Refusal::NoSuchQueue);
    }
    if let Entry::Vacant(place) = machine.queues.entry(id) {
        place.insert(Arc::new(Queue::new(config.clone(), machine.time)));
    }
    // Registers its deadline; and one that was here may just have come to its end.
    match machine.with_queue(id, out, |_, _| ()) {
        Some(()) => Reply::Done,
        None => Reply::Refused(Refusal::NoSuchQueue),
    }
}
