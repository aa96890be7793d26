//! A runtime parameter goes.

use crate::{Change, DeleteParameter, Event, Machine, Refusal, Reply};

pub(crate) fn apply(machine: &mut Machine, c: &DeleteParameter, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    if machine.vhost(c.vhost.as_bytes()).is_none() {
        return Err(Refusal::NoSuchVhost(c.vhost.clone()));
    }
    let existed = machine.remove_parameter((&c.vhost, &c.component, &c.name), events);
    Ok(Reply::Done(if existed { Change::Deleted } else { Change::Unchanged }))
}
