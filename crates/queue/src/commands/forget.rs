//! Nobody will ask for queues that are over again.

use types::QueueId;

use crate::{Machine, Reply};

pub(super) fn apply(machine: &mut Machine, queues: &[QueueId]) -> Reply {
    for queue in queues {
        machine.ended.remove(queue);
        machine.sources.forget(*queue);
    }
    Reply::Done
}
