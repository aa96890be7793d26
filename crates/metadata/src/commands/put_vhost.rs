//! A vhost comes or changes.

use types::{FieldTable, ShortStr, Timestamp};

use super::put_policy;
use crate::{Change, Event, Exchange, ExchangeKind, Machine, PutPolicy, PutVhost, Refusal, Reply, Vhost};

/// What every vhost has from the start: name, type, whether it is internal. (The default exchange is not stored.)
const PREDECLARED: [(&str, ExchangeKind, bool); 7] = [
    ("amq.direct", ExchangeKind::Direct, false),
    ("amq.fanout", ExchangeKind::Fanout, false),
    ("amq.headers", ExchangeKind::Headers, false),
    ("amq.match", ExchangeKind::Headers, false),
    ("amq.rabbitmq.event", ExchangeKind::Topic, true),
    ("amq.rabbitmq.trace", ExchangeKind::Topic, true),
    ("amq.topic", ExchangeKind::Topic, false),
];

pub(crate) fn apply(
    machine: &mut Machine,
    c: &PutVhost,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Result<Reply, Refusal> {
    if let Some(vhost) = machine.vhost_mut(&c.vhost) {
        return Ok(update(vhost, c, events));
    }
    machine.check_vhost_limit(&c.vhost)?;
    Ok(create(machine, c, now, events))
}

fn update(vhost: &mut Vhost, c: &PutVhost, events: &mut Vec<Event>) -> Reply {
    let before = vhost.clone();
    if let Some(description) = &c.description {
        vhost.description.clone_from(description);
    }
    if let Some(tags) = &c.tags {
        vhost.tags = tags.iter().map(|tag| tag.compact()).collect();
    }
    if c.default_queue_type.is_some() {
        vhost.default_queue_type = c.default_queue_type;
    }
    vhost.tracing = c.tracing.unwrap_or(vhost.tracing);
    vhost.protected = c.protected.unwrap_or(vhost.protected);
    if *vhost == before {
        return Reply::Done(Change::Unchanged);
    }
    events.push(Event::VhostChanged { vhost: before.name });
    Reply::Done(Change::Updated)
}

pub(super) fn create(machine: &mut Machine, c: &PutVhost, now: Timestamp, events: &mut Vec<Event>) -> Reply {
    let name = c.vhost.compact();
    let vhost = Vhost {
        name: name.clone(),
        description: c.description.clone().unwrap_or_default(),
        tags: c.tags.iter().flatten().map(|tag| tag.compact()).collect(),
        default_queue_type: c.default_queue_type,
        tracing: c.tracing.unwrap_or(false),
        protected: c.protected.unwrap_or(false),
        limits: c.defaults.limits,
        created_at: now,
    };
    machine.insert_vhost(vhost, events);
    for (exchange, kind, internal) in PREDECLARED {
        let exchange = Exchange {
            vhost: name.clone(),
            name: ShortStr::from_static(exchange),
            kind,
            durable: true,
            auto_delete: false,
            internal,
            arguments: FieldTable::default(),
            history: None,
        };
        machine.insert_exchange(exchange, None, events);
    }
    for policy in &c.defaults.operator_policies {
        let policy = PutPolicy { vhost: name.clone(), operator: true, ..policy.clone() };
        // Who proposes has checked them; a vhost comes all the same.
        put_policy::apply(machine, &policy, events).ok();
    }
    Reply::Done(Change::Created)
}
