//! A binding goes.

use super::bind::{destination, not_default};
use crate::{Binding, Change, Event, Machine, Refusal, Reply, Unbind};

pub(crate) fn apply(machine: &mut Machine, c: &Unbind, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    not_default(&c.source, &c.destination)?;
    let destination = match destination(machine, &c.vhost, &c.destination, c.connection) {
        Ok(destination) => destination,
        // What is not there is not bound.
        Err(Refusal::NotFound(_)) => return Ok(Reply::Done(Change::Unchanged)),
        Err(refusal) => return Err(refusal),
    };
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
