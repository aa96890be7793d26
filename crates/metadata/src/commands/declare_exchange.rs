//! An exchange comes, or is there already and equivalent.

use crate::{
    Change, Event, Exchange, ExchangeKind, Machine, Refusal, Reply, Resource, command::DeclareExchange, compact,
    equivalence, exchange_arguments, history,
};

pub(crate) fn apply(machine: &mut Machine, c: &DeclareExchange, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    let Some(kind) = check(machine, c)? else { return Ok(Reply::Done(Change::Unchanged)) };
    let group = c.history.filter(|group| kind == ExchangeKind::RecentHistory && group.local_node().is_none());
    let mut exchange = Exchange {
        vhost: c.vhost.clone(),
        name: c.name.compact(),
        kind,
        durable: c.durable,
        auto_delete: c.auto_delete,
        internal: c.internal,
        arguments: compact::table(&c.arguments),
        history: None,
    };
    let history = group.map(|group| history::queue(machine.take_queue_id(), group, &exchange));
    exchange.history = history.as_ref().map(|queue| queue.id);
    machine.insert_exchange(exchange, group, events);
    if let Some(queue) = history {
        machine.insert_history(queue);
    }
    Ok(Reply::Done(Change::Created))
}

pub(crate) fn known(machine: &Machine, c: &DeclareExchange) -> Option<Reply> {
    matches!(check(machine, c), Ok(None)).then_some(Reply::Done(Change::Unchanged))
}

/// The kind of the exchange to make, or `None` when it is there.
pub(crate) fn check(machine: &Machine, c: &DeclareExchange) -> Result<Option<ExchangeKind>, Refusal> {
    let kind = ExchangeKind::parse(c.kind.as_bytes()).ok_or_else(|| Refusal::UnknownExchangeType(c.kind.clone()))?;
    if c.name.is_empty() {
        return Err(Refusal::DefaultExchange);
    }
    if machine.vhost(c.vhost.as_bytes()).is_none() {
        return Err(Refusal::NoSuchVhost(c.vhost.clone()));
    }
    if let Some(current) = machine.exchange(c.vhost.as_bytes(), c.name.as_bytes()) {
        equivalence::exchange(current, c, kind)?;
        return Ok(None);
    }
    let resource = Resource::exchange(&c.vhost, &c.name);
    if c.name.as_bytes().starts_with(b"amq.") {
        return Err(Refusal::ReservedName(resource));
    }
    exchange_arguments::check_alternate(&resource, &c.arguments)?;
    machine.check_exchange_limit(&resource)?;
    exchange_arguments::check(&resource, kind, &c.arguments)?;
    Ok(Some(kind))
}
