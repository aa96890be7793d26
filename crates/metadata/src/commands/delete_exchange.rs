//! An exchange and its bindings go.

use crate::{Change, Event, Machine, Refusal, Reply, Resource, command::DeleteExchange};

pub(crate) fn apply(machine: &mut Machine, c: &DeleteExchange, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    if c.name.is_empty() {
        return Err(Refusal::DefaultExchange);
    }
    if c.name.as_bytes().starts_with(b"amq.") {
        return Err(Refusal::SystemExchange(Resource::exchange(&c.vhost, &c.name)));
    }
    if machine.exchange(c.vhost.as_bytes(), c.name.as_bytes()).is_none() {
        return Ok(Reply::Done(Change::Unchanged));
    }
    if c.if_unused && machine.bindings_from(c.vhost.as_bytes(), &c.name).next().is_some() {
        return Err(Refusal::InUse(Resource::exchange(&c.vhost, &c.name)));
    }
    machine.remove_exchange(&c.vhost, &c.name, events);
    Ok(Reply::Done(Change::Deleted))
}
