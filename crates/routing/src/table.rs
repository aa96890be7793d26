//! The routing table of all vhosts, and the changes that feed it.

use std::collections::BTreeMap;

use types::{FieldTable, GroupId, QueueId, ShortStr};

use crate::{
    exchange::{Exchange, ExchangeKind, NewExchange},
    targets::{QueueRef, Target},
};

/// All exchanges, bindings and queue names.
///
/// It is told of changes one by one, in their order, and checks nothing but that what is bound was declared before. What is
/// deleted should have been unbound before: bindings that are left go with it, which takes time in the number of all bindings
/// of the vhost. Each change tells whether there was anything to change.
#[derive(Clone, Debug, Default)]
pub struct Table {
    version: u64,
    vhosts: BTreeMap<ShortStr, Vhost>,
    queues: BTreeMap<QueueId, Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    group: GroupId,
    /// How many bindings lead there.
    inbound: usize,
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
    /// What comes through it may have to wait before it is routed on (`x-delayed-message`).
    pub delayed: bool,
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
            return Some(ExchangeInfo::DEFAULT);
        }
        vhost.exchanges.get(name).map(Exchange::info)
    }

    /// The queue of that name.
    pub fn queue(&self, vhost: &[u8], name: &[u8]) -> Option<QueueRef> {
        self.vhosts.get(vhost)?.queues.get(name).copied()
    }

    /// Where a queue's messages are.
    pub fn group(&self, queue: QueueId) -> Option<GroupId> {
        self.queues.get(&queue).map(|place| place.group)
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
            self.queues.remove(&queue.queue);
        }
        true
    }

    /// An exchange comes. One of that name that is there already stays as it is.
    pub fn declare_exchange(&mut self, vhost: &ShortStr, name: &ShortStr, new: &NewExchange<'_>) -> bool {
        self.version += 1;
        let Some(vhost) = self.vhosts.get_mut(vhost) else { return false };
        if vhost.exchanges.contains_key(name) {
            return false;
        }
        vhost.exchanges.insert(name.compact(), Exchange::new(new));
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

    /// An exchange goes, with the bindings that start from it and lead to it.
    pub fn delete_exchange(&mut self, vhost: &ShortStr, name: &ShortStr) -> bool {
        self.version += 1;
        let Some(there) = self.vhosts.get_mut(vhost) else { return false };
        let Some(gone) = there.exchanges.remove(name) else { return false };
        if gone.inbound > 0 {
            there.forget(&Target::Exchange(name.clone()));
        }
        for target in gone.targets() {
            if let Some(inbound) = self.inbound(vhost, &target) {
                *inbound -= 1;
            }
        }
        true
    }

    /// A queue comes. One of that name that is there already stays as it is.
    pub fn declare_queue(&mut self, vhost: &ShortStr, name: &ShortStr, queue: QueueId, group: GroupId) -> bool {
        self.version += 1;
        let Some(vhost) = self.vhosts.get_mut(vhost) else { return false };
        if vhost.queues.contains_key(name) {
            return false;
        }
        vhost.queues.insert(name.compact(), QueueRef { queue, group });
        self.queues.insert(queue, Place { group, inbound: 0 });
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
        if let Some(place) = self.queues.remove(&queue)
            && place.inbound > 0
        {
            vhost.forget(&Target::Queue(QueueRef { queue, group: place.group }));
        }
        true
    }

    /// A binding comes. The caller tells of each binding once.
    pub fn bind(&mut self, vhost: &ShortStr, binding: &Binding<'_>) -> bool {
        self.version += 1;
        let Some(target) = self.look_up(binding.destination) else { return false };
        if !self.vhosts.get(vhost).is_some_and(|vhost| vhost.exchanges.contains_key(binding.source)) {
            return false;
        }
        let Some(inbound) = self.inbound(vhost, &target) else { return false };
        *inbound += 1;
        let exchange = self.source(vhost, binding.source).expect("it was there");
        exchange.bind(&binding.routing_key.compact(), binding.arguments, &target);
        true
    }

    /// A binding goes.
    pub fn unbind(&mut self, vhost: &ShortStr, binding: &Binding<'_>) -> bool {
        self.version += 1;
        let Some(target) = self.look_up(binding.destination) else { return false };
        let Some(exchange) = self.source(vhost, binding.source) else { return false };
        if !exchange.unbind(binding.routing_key, binding.arguments, &target) {
            return false;
        }
        if let Some(inbound) = self.inbound(vhost, &target) {
            *inbound -= 1;
        }
        true
    }

    /// How many bindings lead there.
    fn inbound(&mut self, vhost: &ShortStr, target: &Target) -> Option<&mut usize> {
        match target {
            Target::Queue(queue) => self.queues.get_mut(&queue.queue).map(|place| &mut place.inbound),
            Target::Exchange(name) => self.source(vhost, name).map(|exchange| &mut exchange.inbound),
        }
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
    /// Removes all bindings that lead there.
    fn forget(&mut self, target: &Target) {
        for exchange in self.exchanges.values_mut() {
            exchange.forget(target);
        }
    }

    pub(crate) fn exchange(&self, name: &[u8]) -> Option<&Exchange> {
        self.exchanges.get(name)
    }

    pub(crate) fn queue(&self, name: &[u8]) -> Option<QueueRef> {
        self.queues.get(name).copied()
    }
}
