//! Incarnations of a node are over: what lived in its memory goes, or begins anew elsewhere.

use types::{GroupId, Timestamp};

use crate::{Event, Machine, NodeGone, Queue, Reply};

pub(crate) fn apply(machine: &mut Machine, c: &NodeGone, now: Timestamp, events: &mut Vec<Event>) -> Reply {
    let lost: Vec<_> = machine
        .queues_in_group(GroupId::local(c.home.node))
        .filter(|queue| queue.home.boot <= c.home.boot)
        .map(|queue| queue.id)
        .collect();
    let mut gone = Vec::with_capacity(lost.len());
    for id in lost {
        let Some(queue) = machine.queue_by_id(id) else { continue };
        // The consumers of an auto-delete queue are gone or about to be cancelled, and no consumer would ever end it.
        let heir = c.heir.filter(|_| queue.owner.is_none() && !queue.auto_delete);
        match heir {
            None => gone.extend(machine.remove_queue(id, events)),
            Some(home) => {
                gone.push((id, queue.group));
                let successor = Queue { home, group: GroupId::local(home.node), created_at: now, ..queue.clone() };
                let successor = Queue { id: machine.take_queue_id(), ..successor };
                machine.replace_queue(id, successor, events);
            }
        }
    }
    Reply::Deleted { existed: !gone.is_empty(), queues: gone }
}
