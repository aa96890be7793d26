//! A queue goes, with its messages and consumers.

use types::QueueId;

use crate::{Machine, Outcome, Refusal, Reply};

pub(super) fn apply(machine: &mut Machine, id: QueueId, if_unused: bool, if_empty: bool, out: &mut Outcome) -> Reply {
    machine.serve_first(id, out);
    let Some(queue) = machine.queues.get(&id) else {
        return Reply::Refused(Refusal::NoSuchQueue);
    };
    if if_unused && queue.consumers.attached() > 0 {
        return Reply::Refused(Refusal::InUse);
    }
    if if_empty && (queue.ready() > 0 || queue.delayed.is_some()) {
        return Reply::Refused(Refusal::NotEmpty);
    }
    Reply::Deleted { messages: machine.remove_queue(id, out) }
}
