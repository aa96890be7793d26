//! A policy or operator policy goes.

use crate::{Change, DeletePolicy, Event, Machine, Refusal, Reply};

pub(crate) fn apply(machine: &mut Machine, c: &DeletePolicy, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    if machine.vhost(c.vhost.as_bytes()).is_none() {
        return Err(Refusal::NoSuchVhost(c.vhost.clone()));
    }
    let existed = machine.remove_policy(&c.vhost, &c.name, c.operator, events);
    Ok(Reply::Done(if existed { Change::Deleted } else { Change::Unchanged }))
}
