//! The machine as a list of records, and back: what a snapshot is made of.

use types::{QueueId, ShortStr};

use super::{InvariantBroken, Machine, Room};
use crate::{Binding, Cluster, Event, Exchange, Permissions, Policy, Queue, TopicPermissions, User, Vhost, compact};

/// One piece of the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Always the first.
    Head {
        /// See [`Machine::is_bootstrapped`].
        bootstrapped: bool,
        /// The id before [`Machine::next_queue_id`].
        last_queue_id: QueueId,
    },
    /// The members of the cluster, once they were recorded.
    Cluster(Cluster),
    /// A vhost.
    Vhost(Vhost),
    /// A user.
    User(User),
    /// What a user may do in a vhost.
    Permissions {
        /// The user.
        user: ShortStr,
        /// The vhost.
        vhost: ShortStr,
        /// What is allowed.
        permissions: Permissions,
    },
    /// What a user may do with the routing keys of an exchange.
    TopicPermissions {
        /// The user.
        user: ShortStr,
        /// The vhost.
        vhost: ShortStr,
        /// The exchange.
        exchange: ShortStr,
        /// What is allowed.
        permissions: TopicPermissions,
    },
    /// A global parameter.
    GlobalParameter {
        /// Its name.
        name: ShortStr,
        /// JSON.
        value: String,
    },
    /// A runtime parameter.
    Parameter {
        /// Its vhost.
        vhost: ShortStr,
        /// Whose parameter it is.
        component: ShortStr,
        /// Its name.
        name: ShortStr,
        /// JSON.
        value: String,
    },
    /// A policy. It comes before what it applies to.
    Policy {
        /// The policy.
        policy: Policy,
        /// An operator policy.
        operator: bool,
    },
    /// An exchange. Its history is the queue that comes later and says so.
    Exchange(Exchange),
    /// A queue.
    Queue(Queue),
    /// A binding.
    Binding(Binding),
}

/// Records that do not make a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Something belongs to a vhost that did not come before it, or came twice.
    #[error("metadata records are out of order")]
    OutOfOrder,
    /// The records contradict each other.
    #[error(transparent)]
    Broken(#[from] InvariantBroken),
}

impl Machine {
    /// The whole state, each thing after those that it belongs to.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let head = Record::Head { bootstrapped: self.bootstrapped, last_queue_id: QueueId(self.last_queue_id) };
        let permissions = self.all_permissions().map(|(user, vhost, permissions)| Record::Permissions {
            user: user.clone(),
            vhost: vhost.clone(),
            permissions: permissions.clone(),
        });
        let exchanges = self.vhosts.values().flat_map(|room| room.exchanges.values());
        let cluster = Some(&self.cluster).filter(|cluster| cluster.is_recorded()).cloned();
        std::iter::once(head)
            .chain(cluster.map(Record::Cluster))
            .chain(self.vhosts().cloned().map(Record::Vhost))
            .chain(self.users().cloned().map(Record::User))
            .chain(permissions)
            .chain(self.administration_records())
            .chain(exchanges.map(|exchange| Record::Exchange(Exchange { history: None, ..exchange.clone() })))
            .chain(self.queues.values().cloned().map(Record::Queue))
            .chain(self.vhosts.values().flat_map(Room::binding_records))
    }

    fn administration_records(&self) -> impl Iterator<Item = Record> {
        let topic_permissions = self.all_topic_permissions().map(|of| Record::TopicPermissions {
            user: of.user.clone(),
            vhost: of.vhost.clone(),
            exchange: of.exchange.clone(),
            permissions: of.permissions.clone(),
        });
        let global = self
            .global_parameters()
            .map(|(name, value)| Record::GlobalParameter { name: name.clone(), value: value.to_owned() });
        let parameters = self.parameters().map(|of| Record::Parameter {
            vhost: of.vhost.clone(),
            component: of.component.clone(),
            name: of.name.clone(),
            value: of.value.to_owned(),
        });
        let policies = self.vhosts.values().flat_map(|room| {
            [false, true].into_iter().flat_map(|operator| {
                let policies = room.policies.of(operator).values();
                policies.map(move |policy| Record::Policy { policy: Policy::clone(policy), operator })
            })
        });
        topic_permissions.chain(global).chain(parameters).chain(policies)
    }

    /// Builds the machine that has this state, in memory of its own (records may be cut from a snapshot's bytes).
    ///
    /// # Errors
    /// When the records are out of order or contradict each other.
    pub fn from_records(records: impl IntoIterator<Item = Record>) -> Result<Machine, RestoreError> {
        let mut machine = Machine::new();
        // What the insertions tell is thrown away: whoever takes over a whole machine reads it as a whole.
        let mut events = Vec::new();
        for record in records {
            machine.take_record(record, &mut events)?;
            events.clear();
        }
        machine.check()?;
        Ok(machine)
    }

    fn take_record(&mut self, record: Record, events: &mut Vec<Event>) -> Result<(), RestoreError> {
        match record {
            Record::Head { bootstrapped, last_queue_id } => {
                self.bootstrapped = bootstrapped;
                self.last_queue_id = last_queue_id.0;
            }
            Record::Cluster(cluster) => self.cluster = cluster,
            Record::Vhost(vhost) => {
                let (name, tags) = (vhost.name.compact(), vhost.tags.iter().map(|tag| tag.compact()).collect());
                self.insert_vhost(Vhost { name, tags, ..vhost }, events);
            }
            Record::User(user) => {
                let user = User {
                    name: user.name.compact(),
                    password: user.password.as_ref().map(compact::password),
                    tags: user.tags.iter().map(|tag| tag.compact()).collect(),
                    limits: user.limits,
                };
                self.put_user(user, events);
            }
            Record::Permissions { user, vhost, permissions } => {
                self.put_permissions(&user, &vhost, permissions, events);
            }
            record @ (Record::TopicPermissions { .. }
            | Record::GlobalParameter { .. }
            | Record::Parameter { .. }
            | Record::Policy { .. }) => self.take_administration(record, events)?,
            Record::Exchange(exchange) => {
                let room = self.vhosts.get(&exchange.vhost).ok_or(RestoreError::OutOfOrder)?;
                if room.exchanges.contains_key(&exchange.name) {
                    return Err(RestoreError::OutOfOrder);
                }
                let (name, arguments) = (exchange.name.compact(), compact::table(&exchange.arguments));
                let exchange = Exchange { name, arguments, history: None, ..exchange };
                self.insert_exchange(exchange, None, events);
            }
            Record::Queue(queue) if queue.is_history => self.take_history(queue)?,
            Record::Queue(queue) => {
                let room = self.vhosts.get(&queue.vhost).ok_or(RestoreError::OutOfOrder)?;
                if room.queues.contains_key(&queue.name) || self.queues.contains_key(&queue.id) {
                    return Err(RestoreError::OutOfOrder);
                }
                let (name, arguments) = (queue.name.compact(), compact::table(&queue.arguments));
                self.insert_queue(Queue { name, arguments, ..queue }, events);
            }
            Record::Binding(binding) => {
                self.need_vhost(&binding.vhost)?;
                let vhost = binding.vhost.clone();
                self.insert_binding(&vhost, binding, events);
            }
        }
        Ok(())
    }
}

impl Machine {
    fn take_administration(&mut self, record: Record, events: &mut Vec<Event>) -> Result<(), RestoreError> {
        match record {
            Record::TopicPermissions { user, vhost, exchange, permissions } => {
                self.need_vhost(&vhost)?;
                self.put_topic_permissions((&user, &vhost, &exchange), permissions, events);
            }
            Record::GlobalParameter { name, value } => {
                self.put_global_parameter(&name, &value, events);
            }
            Record::Parameter { vhost, component, name, value } => {
                self.need_vhost(&vhost)?;
                self.put_parameter((&vhost, &component, &name), &value, events);
            }
            Record::Policy { policy, operator } => {
                self.need_vhost(&policy.vhost)?;
                let (name, definition) = (policy.name.compact(), compact::table(&policy.definition));
                self.put_policy(Policy { name, definition, ..policy }, operator, events);
            }
            Record::Head { .. }
            | Record::Cluster(_)
            | Record::Vhost(_)
            | Record::User(_)
            | Record::Permissions { .. }
            | Record::Exchange(_)
            | Record::Queue(_)
            | Record::Binding(_) => {}
        }
        Ok(())
    }

    fn take_history(&mut self, queue: Queue) -> Result<(), RestoreError> {
        let exchange = self.exchange(queue.vhost.as_bytes(), queue.name.as_bytes());
        if exchange.is_none_or(|exchange| exchange.history.is_some()) || self.queues.contains_key(&queue.id) {
            return Err(RestoreError::OutOfOrder);
        }
        let arguments = compact::table(&queue.arguments);
        self.insert_history(Queue { arguments, ..queue });
        Ok(())
    }

    fn need_vhost(&self, vhost: &ShortStr) -> Result<(), RestoreError> {
        if self.vhosts.contains_key(vhost) { Ok(()) } else { Err(RestoreError::OutOfOrder) }
    }
}

impl Room {
    fn binding_records(&self) -> impl Iterator<Item = Record> {
        self.bindings.iter().map(|(key, arguments)| {
            Record::Binding(Binding {
                vhost: self.vhost.name.clone(),
                source: key.source.clone(),
                destination: key.destination.clone(),
                routing_key: key.routing_key.clone(),
                arguments: arguments.clone(),
            })
        })
    }
}
