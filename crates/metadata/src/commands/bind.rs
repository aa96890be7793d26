//! A binding comes.

use types::ShortStr;

use crate::{
    Bind, Binding, Change, ConnectionId, Destination, Event, Machine, Refusal, Reply, Resource, Target,
    exchange_arguments,
};

pub(crate) fn apply(machine: &mut Machine, c: &Bind, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    let binding = check(machine, c)?;
    let created = machine.insert_binding(&c.vhost, binding, events);
    Ok(Reply::Done(if created { Change::Created } else { Change::Unchanged }))
}

pub(crate) fn known(machine: &Machine, c: &Bind) -> Option<Reply> {
    let binding = check(machine, c).ok()?;
    machine.has_binding(&c.vhost, &binding.key()).then_some(Reply::Done(Change::Unchanged))
}

pub(crate) fn check(machine: &Machine, c: &Bind) -> Result<Binding, Refusal> {
    if machine.vhost(c.vhost.as_bytes()).is_none() {
        return Err(Refusal::NoSuchVhost(c.vhost.clone()));
    }
    not_default(&c.source, &c.destination)?;
    let source = machine
        .exchange(c.vhost.as_bytes(), c.source.as_bytes())
        .ok_or_else(|| Refusal::NotFound(Resource::exchange(&c.vhost, &c.source)))?;
    let destination = destination(machine, &c.vhost, &c.destination, c.connection)?;
    let kind = source.kind.routes_as(&source.arguments);
    exchange_arguments::check_binding(kind, &c.destination, &c.routing_key, &c.arguments)?;
    Ok(Binding {
        vhost: c.vhost.clone(),
        source: c.source.clone(),
        destination,
        routing_key: c.routing_key.clone(),
        arguments: c.arguments.clone(),
    })
}

/// The default exchange's bindings are what they are.
pub(super) fn not_default(source: &ShortStr, destination: &Target) -> Result<(), Refusal> {
    let to_default = match destination {
        Target::Queue(_) => false,
        Target::Exchange(name) => name.is_empty(),
    };
    if source.is_empty() || to_default { Err(Refusal::DefaultExchange) } else { Ok(()) }
}

pub(super) fn destination(
    machine: &Machine,
    vhost: &ShortStr,
    target: &Target,
    connection: ConnectionId,
) -> Result<Destination, Refusal> {
    match target {
        Target::Queue(name) => Ok(Destination::Queue(machine.queue_for(vhost, name, connection)?.id)),
        Target::Exchange(name) => machine
            .exchange(vhost.as_bytes(), name.as_bytes())
            .map(|exchange| Destination::Exchange(exchange.name.clone()))
            .ok_or_else(|| Refusal::NotFound(Resource::exchange(vhost, name))),
    }
}
