//! A connection is over: the queues that were exclusive to it go.

use crate::{ConnectionId, Event, Machine, Reply};

pub(crate) fn apply(machine: &mut Machine, connection: ConnectionId, events: &mut Vec<Event>) -> Reply {
    let ids: Vec<_> = machine.queues_of_connection(connection).map(|queue| queue.id).collect();
    let queues: Vec<_> = ids.into_iter().filter_map(|id| machine.remove_queue(id, events)).collect();
    Reply::Deleted { existed: !queues.is_empty(), queues }
}
