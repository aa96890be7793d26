//! A vhost goes, with everything in it.

use types::ShortStr;

use crate::{Event, Machine, Refusal, Reply};

pub(crate) fn apply(machine: &mut Machine, vhost: &ShortStr, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    match machine.vhost(vhost.as_bytes()) {
        None => return Ok(Reply::Deleted { existed: false, queues: Vec::new() }),
        Some(there) if there.protected => return Err(Refusal::VhostProtected(vhost.clone())),
        Some(_) => {}
    }
    let ids: Vec<_> = machine.queues_in_vhost(vhost.as_bytes()).map(|queue| queue.id).collect();
    let queues = ids.into_iter().filter_map(|id| machine.remove_queue(id, events)).collect();
    let exchanges: Vec<_> = machine.exchanges(vhost.as_bytes()).map(|exchange| exchange.name.clone()).collect();
    for name in exchanges {
        machine.remove_exchange(vhost, &name, events);
    }
    machine.remove_vhost(vhost, events);
    Ok(Reply::Deleted { existed: true, queues })
}
