//! The node's routing table, kept in step with metadata.

use std::sync::atomic::{AtomicU64, Ordering};

use metadata::{Destination, Event, ExchangeKind, Machine};
use parking_lot::{RwLock, RwLockReadGuard};
use routing::{NewExchange, QueueRef, Table};

/// The routing table and its version.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    table: RwLock<Table>,
    version: AtomicU64,
}

impl Tables {
    /// Grows with every change. What is looked up after reading the version is at least as new.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The table. Held for one look-up.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read()
    }

    /// Follows changes of metadata.
    pub(crate) fn apply(&self, events: &[Event]) {
        let mut table = self.table.write();
        for event in events {
            apply_one(&mut table, event);
        }
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Starts anew from the whole of metadata.
    pub(crate) fn rebuild(&self, machine: &Machine) {
        let rebuilt = from_machine(machine);
        *self.table.write() = rebuilt;
        self.version.fetch_add(1, Ordering::AcqRel);
    }
}

fn apply_one(table: &mut Table, event: &Event) {
    match event {
        Event::VhostCreated { vhost } => drop(table.declare_vhost(vhost)),
        Event::VhostDeleted { vhost } => drop(table.delete_vhost(vhost)),
        Event::ExchangeDeclared { vhost, name, kind, alternate, internal, arguments, history } => {
            table.declare_exchange(
                vhost,
                name,
                &NewExchange {
                    kind: routing_kind(kind.routes_as(arguments)),
                    delayed: *kind == ExchangeKind::DelayedMessage,
                    internal: *internal,
                    history: history.map(|(queue, group)| QueueRef { queue, group }),
                    alternate: alternate.clone(),
                    arguments,
                },
            );
        }
        Event::ExchangeChanged { vhost, name, alternate } => {
            table.set_alternate(vhost, name, alternate.clone());
        }
        Event::ExchangeDeleted { vhost, name } => drop(table.delete_exchange(vhost, name)),
        Event::QueueDeclared { vhost, name, queue, group } => drop(table.declare_queue(vhost, name, *queue, *group)),
        Event::QueueDeleted { vhost, name, queue, .. } => drop(table.delete_queue(vhost, name, *queue)),
        Event::Bound(binding) => {
            table.bind(
                &binding.vhost,
                &routing::Binding {
                    source: &binding.source,
                    destination: routing_destination(&binding.destination),
                    routing_key: &binding.routing_key,
                    arguments: &binding.arguments,
                },
            );
        }
        Event::Unbound(binding) => {
            table.unbind(
                &binding.vhost,
                &routing::Binding {
                    source: &binding.source,
                    destination: routing_destination(&binding.destination),
                    routing_key: &binding.routing_key,
                    arguments: &binding.arguments,
                },
            );
        }
        Event::VhostChanged { .. }
        | Event::UserChanged { .. }
        | Event::UserDeleted { .. }
        | Event::PermissionsChanged { .. }
        | Event::TopicPermissionsChanged { .. }
        | Event::PolicyChanged { .. }
        | Event::QueueSettingsChanged { .. }
        | Event::ParameterChanged { .. }
        | Event::GlobalParameterChanged { .. }
        | Event::ClusterChanged => {}
    }
}

fn from_machine(machine: &Machine) -> Table {
    let mut table = Table::new();
    for vhost in machine.vhosts() {
        let vhost = &vhost.name;
        table.declare_vhost(vhost);
        for exchange in machine.exchanges(vhost.as_bytes()) {
            let history = machine.history(vhost.as_bytes(), exchange.name.as_bytes());
            table.declare_exchange(
                vhost,
                &exchange.name,
                &NewExchange {
                    kind: routing_kind(exchange.kind.routes_as(&exchange.arguments)),
                    delayed: exchange.kind == ExchangeKind::DelayedMessage,
                    internal: exchange.internal,
                    history: history.map(|queue| QueueRef { queue: queue.id, group: queue.group }),
                    alternate: machine.effective_exchange(exchange).alternate,
                    arguments: &exchange.arguments,
                },
            );
        }
        for queue in machine.queues_in_vhost(vhost.as_bytes()) {
            table.declare_queue(vhost, &queue.name, queue.id, queue.group);
        }
        for binding in machine.bindings(vhost.as_bytes()) {
            table.bind(
                vhost,
                &routing::Binding {
                    source: binding.source,
                    destination: routing_destination(binding.destination),
                    routing_key: binding.routing_key,
                    arguments: binding.arguments,
                },
            );
        }
    }
    table
}

fn routing_destination(destination: &Destination) -> routing::Destination<'_> {
    match destination {
        Destination::Queue(queue) => routing::Destination::Queue(*queue),
        Destination::Exchange(name) => routing::Destination::Exchange(name),
    }
}

fn routing_kind(kind: ExchangeKind) -> routing::ExchangeKind {
    match kind {
        ExchangeKind::Direct => routing::ExchangeKind::Direct,
        // A delayed exchange routes as another type; metadata has checked that there is one.
        ExchangeKind::Fanout | ExchangeKind::DelayedMessage => routing::ExchangeKind::Fanout,
        ExchangeKind::ConsistentHash => routing::ExchangeKind::ConsistentHash,
        ExchangeKind::Random => routing::ExchangeKind::Random,
        ExchangeKind::LocalRandom => routing::ExchangeKind::LocalRandom,
        ExchangeKind::ModulusHash => routing::ExchangeKind::ModulusHash,
        ExchangeKind::RecentHistory => routing::ExchangeKind::RecentHistory,
        ExchangeKind::Topic => routing::ExchangeKind::Topic,
        ExchangeKind::Headers => routing::ExchangeKind::Headers,
    }
}
