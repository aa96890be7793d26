//! A queue and its bindings go.

use types::QueueId;

use crate::{Event, Machine, Reply};

pub(crate) fn apply(machine: &mut Machine, queue: QueueId, events: &mut Vec<Event>) -> Reply {
    let queues: Vec<_> = machine.remove_queue(queue, events).into_iter().collect();
    Reply::Deleted { existed: !queues.is_empty(), queues }
}
