//! The routing table of all vhosts, and the changes that feed it.

use std::collections::BTreeMap;

use types::{FieldTable, GroupId, QueueId, ShortStr};

use crate::{
    exchange::{Exchange, ExchangeKind},
    targets::{QueueRef, Target},
};

/// All exchanges, bindings and queue names.
///
/// It is told of changes one by one, in their order, and follows blindly: what is bound was declared before, and what is
/// deleted was unbound before. Each change tells whether there was anything to change.
#[derive(Clone, Debug, Default)]
pub struct Table {
    version: u64,
    vhosts: BTreeMap<ShortStr, Vhost>,
    groups: BTreeMap<QueueId, GroupId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Vhost {
    exchanges: BTreeMap<ShortStr, Exchange>,
    /// The default exchange's bindings.
    queues: BTreeMap<ShortStr, QueueRef>,
}

/// Where a binding leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    /// A queue.
    Queue(QueueId),
    /// An exchange of the same vhost.
    Exchange(&'a ShortStr),
}

/// A binding.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The exchange that it starts from.
    pub source: &'a ShortStr,
    /// Where it leads.
    pub destination: Destination<'a>,
    /// Its routing key.
    pub routing_key: &'a ShortStr,
    /// Its arguments.
    pub arguments: &'a FieldTable,
}

/// What a publisher has to know of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeInfo {
    /// Its type.
    pub kind: ExchangeKind,
    /// Clients may not publish to it.
    pub internal: bool,
}

impl Table {
    /// A table without vhosts.
    pub fn new() -> Self {
        Table::default()
    }

    /// Grows with each change: what was looked up under the same version is still true.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What a publisher has to know of an exchange. The default exchange, whose name is empty, is in every vhost.
    pub fn exchange(&self, vhost: &[u8], name: &[u8]) -> Option<ExchangeInfo> {
        let vhost = self.vhosts.get(vhost)?;
        if name.is_empty() {
            return Some(ExchangeInfo { kind: ExchangeKind::Direct, internal: false });
        }
        vhost.exchanges.get(name).map(|exchange| ExchangeInfo { kind: exchange.kind, internal: exchange.internal })
    }

    /// The queue of that name.
    pub fn queue(&self, vhost: &[u8], name: &[u8]) -> Option<QueueRef> {
        self.vhosts.get(vhost)?.queues.get(name).copied()
    }

    /// Where a queue's messages are.
    pub fn group(&self, queue: QueueId) -> Option<GroupId> {
        self.groups.get(&queue).copied()
    }

    /// A vhost comes.
    pub fn declare_vhost(&mut self, vhost: &ShortStr) -> bool {
        self.version += 1;
        if self.vhosts.contains_key(vhost) {
            return false;
        }
        self.vhosts.insert(vhost.compact(), Vhost::default());
        true
    }

    /// A vhost goes, with what is left in it.
    pub fn delete_vhost(&mut self, vhost: &ShortStr) -> bool {
        self.version += 1;
        let Some(gone) = self.vhosts.remove(vhost) else { return false };
        for queue in gone.queues.values() {
            self.groups.remove(&queue.queue);
        }
        true
    }

    /// An exchange comes. One of that name that is there already stays as it is.
    pub fn declare_exchange(
        &mut self,
        vhost: &ShortStr,
        name: &ShortStr,
        kind: ExchangeKind,
        alternate: Option<ShortStr>,
        internal: bool,
    ) -> bool {
        self.version += 1;
        let Some(vhost) = self.vhosts.get_mut(vhost) else { return false };
        if vhost.exchanges.contains_key(name) {
            return false;
        }
        let alternate = alternate.map(|name| name.compact());
        vhost.exchanges.insert(name.compact(), Exchange::new(kind, alternate, internal));
        true
    }

    /// An exchange gets another alternate, or none.
    pub fn set_alternate(&mut self, vhost: &ShortStr, name: &ShortStr, alternate: Option<ShortStr>) -> bool {
        self.version += 1;
        let Some(vhost) = self.vhosts.get_mut(vhost) else { return false };
        let Some(exchange) = vhost.exchanges.get_mut(name) else { return false };
        exchange.alternate = alternate.map(|name| name.compact());
        true
    }

    /// An exchange goes, with the bindings that start from it.
    pub fn delete_exchange(&mut self, vhost: &ShortStr, name: &ShortStr) -> bool {
        self.version += 1;
        self.vhosts.get_mut(vhost).is_some_and(|vhost| vhost.exchanges.remove(name).is_some())
    }

    /// A queue comes. One of that name that is there already stays as it is.
    pub fn declare_queue(&mut self, vhost: &ShortStr, name: &ShortStr, queue: QueueId, group: GroupId) -> bool {
        self.version += 1;
        let Some(vhost) = self.vhosts.get_mut(vhost) else { return false };
        if vhost.queues.contains_key(name) {
            return false;
        }
        vhost.queues.insert(name.compact(), QueueRef { queue, group });
        self.groups.insert(queue, group);
        true
    }

    /// A queue goes. Does nothing when the name stands for another queue.
    pub fn delete_queue(&mut self, vhost: &ShortStr, name: &ShortStr, queue: QueueId) -> bool {
        self.version += 1;
        let Some(vhost) = self.vhosts.get_mut(vhost) else { return false };
        if vhost.queues.get(name).is_none_or(|there| there.queue != queue) {
            return false;
        }
        vhost.queues.remove(name);
        self.groups.remove(&queue);
        true
    }

    /// A binding comes. The caller tells of each binding once.
    pub fn bind(&mut self, vhost: &ShortStr, binding: &Binding<'_>) -> bool {
        self.version += 1;
        let Some(target) = self.look_up(binding.destination) else { return false };
        let Some(exchange) = self.source(vhost, binding.source) else { return false };
        exchange.bind(&binding.routing_key.compact(), binding.arguments, &target);
        true
    }

    /// A binding goes.
    pub fn unbind(&mut self, vhost: &ShortStr, binding: &Binding<'_>) -> bool {
        self.version += 1;
        let Some(target) = self.look_up(binding.destination) else { return false };
        let Some(exchange) = self.source(vhost, binding.source) else { return false };
        exchange.unbind(binding.routing_key, binding.arguments, &target)
    }

    pub(crate) fn vhost(&self, name: &[u8]) -> Option<&Vhost> {
        self.vhosts.get(name)
    }

    fn source(&mut self, vhost: &ShortStr, name: &ShortStr) -> Option<&mut Exchange> {
        self.vhosts.get_mut(vhost)?.exchanges.get_mut(name)
    }

    fn look_up(&self, destination: Destination<'_>) -> Option<Target> {
        match destination {
            Destination::Queue(queue) => self.group(queue).map(|group| Target::Queue(QueueRef { queue, group })),
            Destination::Exchange(name) => Some(Target::Exchange(name.compact())),
        }
    }
}

impl Vhost {
    pub(crate) fn exchange(&self, name: &[u8]) -> Option<&Exchange> {
        self.exchanges.get(name)
    }

    pub(crate) fn queue(&self, name: &[u8]) -> Option<QueueRef> {
        self.queues.get(name).copied()
    }
}
