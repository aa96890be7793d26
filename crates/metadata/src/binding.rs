//! Bindings: from an exchange to a queue or to another exchange.

use bytes::Bytes;
use types::{FieldTable, QueueId, ShortStr};

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// A queue.
    Queue(QueueId),
    /// An exchange of the same vhost.
    Exchange(ShortStr),
}

/// A binding.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Its vhost.
    pub vhost: ShortStr,
    /// The exchange that it starts from.
    pub source: ShortStr,
    /// Where it leads.
    pub destination: Destination,
    /// Its routing key.
    pub routing_key: ShortStr,
    /// Its arguments, as given.
    pub arguments: FieldTable,
}

/// A binding that lies in the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BindingRef<'a> {
    /// The exchange that it starts from.
    pub source: &'a ShortStr,
    /// Where it leads.
    pub destination: &'a Destination,
    /// Its routing key.
    pub routing_key: &'a ShortStr,
    /// Its arguments, as given.
    pub arguments: &'a FieldTable,
}

impl BindingRef<'_> {
    /// A copy that can be kept.
    pub fn to_binding(self, vhost: &ShortStr) -> Binding {
        Binding {
            vhost: vhost.clone(),
            source: self.source.clone(),
            destination: self.destination.clone(),
            routing_key: self.routing_key.clone(),
            arguments: self.arguments.clone(),
        }
    }
}

/// What makes a binding that binding, in the order in which an exchange's bindings lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BindingKey {
    pub(crate) source: ShortStr,
    pub(crate) destination: Destination,
    pub(crate) routing_key: ShortStr,
    /// Canonical bytes: the order of arguments does not matter.
    pub(crate) arguments: Bytes,
}

/// The same in the order in which a destination's bindings lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReverseKey {
    pub(crate) destination: Destination,
    pub(crate) source: ShortStr,
    pub(crate) routing_key: ShortStr,
    pub(crate) arguments: Bytes,
}

impl BindingKey {
    pub(crate) fn reversed(&self) -> ReverseKey {
        ReverseKey {
            destination: self.destination.clone(),
            source: self.source.clone(),
            routing_key: self.routing_key.clone(),
            arguments: self.arguments.clone(),
        }
    }
}

impl ReverseKey {
    pub(crate) fn forward(&self) -> BindingKey {
        BindingKey {
            source: self.source.clone(),
            destination: self.destination.clone(),
            routing_key: self.routing_key.clone(),
            arguments: self.arguments.clone(),
        }
    }
}
