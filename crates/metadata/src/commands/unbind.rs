//! A binding goes.

use super::bind::{destination, not_default};
use crate::{Binding, Change, Destination, Event, Machine, Refusal, Reply, Unbind};

pub(crate) fn apply(machine: &mut Machine, c: &Unbind, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    // What is not there is not bound.
    let Some(destination) = check(machine, c)? else { return Ok(Reply::Done(Change::Unchanged)) };
    let binding = Binding {
        vhost: c.vhost.clone(),
        source: c.source.clone(),
        destination,
        routing_key: c.routing_key.clone(),
        arguments: c.arguments.clone(),
    };
    let existed = machine.remove_binding(&c.vhost, &binding.key(), events);
    Ok(Reply::Done(if existed { Change::Deleted } else { Change::Unchanged }))
}

/// Where the binding leads; `None`: there is no such thing.
pub(crate) fn check(machine: &Machine, c: &Unbind) -> Result<Option<Destination>, Refusal> {
    not_default(&c.source, &c.destination)?;
    match destination(machine, &c.vhost, &c.destination, c.connection) {
        Ok(destination) => Ok(Some(destination)),
        Err(Refusal::NotFound(_)) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}
