//! A vhost comes or changes.

use types::{FieldTable, ShortStr, Timestamp};

use crate::{Change, Event, Exchange, ExchangeKind, Machine, PutVhost, Reply, Vhost};

/// What every vhost has from the start: name, type, whether it is internal. (The default exchange is not stored.)
const PREDECLARED: [(&str, ExchangeKind, bool); 6] = [
    ("amq.direct", ExchangeKind::Direct, false),
    ("amq.fanout", ExchangeKind::Fanout, false),
    ("amq.headers", ExchangeKind::Headers, false),
    ("amq.match", ExchangeKind::Headers, false),
    ("amq.rabbitmq.trace", ExchangeKind::Topic, true),
    ("amq.topic", ExchangeKind::Topic, false),
];

pub(crate) fn apply(machine: &mut Machine, c: &PutVhost, now: Timestamp, events: &mut Vec<Event>) -> Reply {
    match machine.vhost_mut(&c.vhost) {
        Some(vhost) => update(vhost, c, events),
        None => create(machine, c, now, events),
    }
}

fn update(vhost: &mut Vhost, c: &PutVhost, events: &mut Vec<Event>) -> Reply {
    let before = vhost.clone();
    if let Some(description) = &c.description {
        vhost.description.clone_from(description);
    }
    if c.default_queue_type.is_some() {
        vhost.default_queue_type = c.default_queue_type;
    }
    if *vhost == before {
        return Reply::Done(Change::Unchanged);
    }
    events.push(Event::VhostChanged { vhost: before.name });
    Reply::Done(Change::Updated)
}

fn create(machine: &mut Machine, c: &PutVhost, now: Timestamp, events: &mut Vec<Event>) -> Reply {
    let name = c.vhost.compact();
    let vhost = Vhost {
        name: name.clone(),
        description: c.description.clone().unwrap_or_default(),
        default_queue_type: c.default_queue_type,
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
        };
        machine.insert_exchange(exchange, events);
    }
    Reply::Done(Change::Created)
}
