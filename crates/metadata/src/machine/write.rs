//! The few changes that commands are made of. Each keeps the indexes in step and tells of itself by events.

use std::collections::{BTreeSet, btree_map::Entry};

use types::{GroupId, QueueId, ShortStr};

use super::{Machine, Room};
use crate::{
    Binding, Destination, Event, Exchange, Home, Permissions, Queue, User, Vhost,
    binding::{BindingKey, BindingRef},
    canonical, compact,
};

impl Machine {
    /// Whether this is the first time.
    pub(crate) fn set_bootstrapped(&mut self) -> bool {
        !std::mem::replace(&mut self.bootstrapped, true)
    }

    pub(crate) fn take_queue_id(&mut self) -> QueueId {
        self.last_queue_id += 1;
        QueueId(self.last_queue_id)
    }

    /// Adds a vhost that is not there.
    pub(crate) fn insert_vhost(&mut self, vhost: Vhost, events: &mut Vec<Event>) {
        events.push(Event::VhostCreated { vhost: vhost.name.clone() });
        self.vhosts.insert(vhost.name.clone(), Room { vhost, ..Room::default() });
    }

    pub(crate) fn vhost_mut(&mut self, name: &ShortStr) -> Option<&mut Vhost> {
        self.vhosts.get_mut(name).map(|room| &mut room.vhost)
    }

    /// Removes a vhost that is empty, and the permissions in it.
    pub(crate) fn remove_vhost(&mut self, vhost: &ShortStr, events: &mut Vec<Event>) {
        let users: Vec<_> = self.users.keys().cloned().collect();
        for user in users {
            self.remove_permissions(&user, vhost, events);
            self.remove_topic_permissions(&user, vhost, None, events);
        }
        if let Some(room) = self.vhosts.remove(vhost) {
            assert!(room.queues.is_empty() && room.exchanges.is_empty(), "a vhost is emptied before it goes");
            events.push(Event::VhostDeleted { vhost: room.vhost.name });
        }
    }

    /// Adds or replaces a user.
    pub(crate) fn put_user(&mut self, user: User, events: &mut Vec<Event>) {
        events.push(Event::UserChanged { user: user.name.clone() });
        self.users.insert(user.name.clone(), user);
    }

    pub(crate) fn remove_user(&mut self, user: &ShortStr, events: &mut Vec<Event>) -> bool {
        let vhosts: Vec<_> = self.vhosts.keys().cloned().collect();
        for vhost in vhosts {
            self.remove_permissions(user, &vhost, events);
            self.remove_topic_permissions(user, &vhost, None, events);
        }
        let Some(gone) = self.users.remove(user) else { return false };
        events.push(Event::UserDeleted { user: gone.name });
        true
    }

    /// Sets the permissions of a user that is there in a vhost that is there; whether there were others before.
    pub(crate) fn put_permissions(
        &mut self,
        user: &ShortStr,
        vhost: &ShortStr,
        permissions: Permissions,
        events: &mut Vec<Event>,
    ) -> bool {
        let (user, vhost) = (user.compact(), vhost.compact());
        events.push(Event::PermissionsChanged { user: user.clone(), vhost: vhost.clone() });
        self.permissions.entry(user).or_default().insert(vhost, permissions).is_some()
    }

    pub(crate) fn remove_permissions(&mut self, user: &ShortStr, vhost: &ShortStr, events: &mut Vec<Event>) -> bool {
        let Some(of_user) = self.permissions.get_mut(user) else { return false };
        if of_user.remove(vhost).is_none() {
            return false;
        }
        if of_user.is_empty() {
            self.permissions.remove(user);
        }
        events.push(Event::PermissionsChanged { user: user.compact(), vhost: vhost.compact() });
        true
    }

    /// Adds an exchange that is not there to a vhost that is there. Its history, if it has one, is to come in that group.
    pub(crate) fn insert_exchange(
        &mut self,
        mut exchange: Exchange,
        history: Option<GroupId>,
        events: &mut Vec<Event>,
    ) {
        let room = self.vhosts.get_mut(&exchange.vhost).expect("the vhost was looked up");
        exchange.vhost = room.vhost.name.clone();
        events.push(Event::ExchangeDeclared {
            vhost: exchange.vhost.clone(),
            name: exchange.name.clone(),
            kind: exchange.kind,
            alternate: room.apply_policies_to_exchange(&exchange).alternate,
            internal: exchange.internal,
            arguments: exchange.arguments.clone(),
            history: exchange.history.zip(history),
        });
        room.exchanges.insert(exchange.name.clone(), exchange);
    }

    /// Removes an exchange, its bindings, and the auto-delete exchanges that lose their last binding by it.
    pub(crate) fn remove_exchange(&mut self, vhost: &ShortStr, name: &ShortStr, events: &mut Vec<Event>) {
        if let Some(room) = self.vhosts.get_mut(vhost) {
            let histories = room.remove_exchanges(vec![name.clone()], events);
            self.remove_histories(histories);
        }
    }

    /// Adds the queue of an exchange that is there and has none yet.
    pub(crate) fn insert_history(&mut self, mut queue: Queue) {
        let room = self.vhosts.get_mut(&queue.vhost).expect("the vhost was looked up");
        let exchange = room.exchanges.get_mut(&queue.name).expect("the exchange was looked up");
        exchange.history = Some(queue.id);
        queue.vhost = exchange.vhost.clone();
        queue.name = exchange.name.clone();
        self.by_group.entry(queue.group).or_default().insert(queue.id);
        self.queues.insert(queue.id, queue);
    }

    /// Removes the queues of exchanges that are gone.
    fn remove_histories(&mut self, histories: Vec<QueueId>) {
        for id in histories {
            if let Some(queue) = self.queues.remove(&id) {
                self.leave_group(id, queue.group);
            }
        }
    }

    /// Adds a queue, whose name is free, to a vhost that is there.
    pub(crate) fn insert_queue(&mut self, mut queue: Queue, events: &mut Vec<Event>) {
        let room = self.vhosts.get_mut(&queue.vhost).expect("the vhost was looked up");
        queue.vhost = room.vhost.name.clone();
        events.push(Event::QueueDeclared {
            vhost: queue.vhost.clone(),
            name: queue.name.clone(),
            queue: queue.id,
            group: queue.group,
        });
        room.apply_policies_to_queue(&queue);
        room.queues.insert(queue.name.clone(), queue.id);
        self.by_group.entry(queue.group).or_default().insert(queue.id);
        if queue.is_local() {
            *self.local_homes.entry(queue.home).or_default() += 1;
        }
        if let Some(owner) = queue.owner {
            self.by_owner.insert((owner, queue.id));
        }
        self.queues.insert(queue.id, queue);
    }

    /// Removes a queue, its bindings, and the auto-delete exchanges that lose their last binding by it.
    pub(crate) fn remove_queue(&mut self, id: QueueId, events: &mut Vec<Event>) -> Option<(QueueId, GroupId)> {
        let vhost = self.queues.get(&id).filter(|queue| !queue.is_history)?.vhost.clone();
        let room = self.vhosts.get_mut(&vhost).expect("a queue's vhost is there");
        let orphans = room.unbind_to(&Destination::Queue(id), events);
        let histories = room.remove_exchanges(orphans, events);
        self.remove_histories(histories);
        let queue = self.take_queue(id, events)?;
        Some((queue.id, queue.group))
    }

    /// Lets a queue begin anew, empty, under another id, with its bindings.
    pub(crate) fn replace_queue(&mut self, id: QueueId, successor: Queue, events: &mut Vec<Event>) {
        let room = self.vhosts.get_mut(&successor.vhost).expect("a queue's vhost is there");
        let old = Destination::Queue(id);
        let keys: Vec<_> = room.to(&old).map(|key| key.forward()).collect();
        let mut bindings = Vec::with_capacity(keys.len());
        for key in &keys {
            bindings.extend(room.unbind(key, events));
        }
        self.take_queue(id, events);
        let new = Destination::Queue(successor.id);
        let vhost = successor.vhost.clone();
        self.insert_queue(successor, events);
        for binding in bindings {
            self.insert_binding(&vhost, Binding { destination: new.clone(), ..binding }, events);
        }
    }

    /// Adds a binding between things that are there; whether it is a new one.
    pub(crate) fn insert_binding(&mut self, vhost: &ShortStr, binding: Binding, events: &mut Vec<Event>) -> bool {
        let room = self.vhosts.get_mut(vhost).expect("the vhost was looked up");
        let binding = room.own(binding);
        let key = binding.key();
        if room.bindings.contains_key(&key) {
            return false;
        }
        room.reverse.insert(key.reversed());
        room.bindings.insert(key, binding.arguments.clone());
        events.push(Event::Bound(binding));
        true
    }

    /// Removes a binding, and the exchange that it started from if that was auto-delete and this its last.
    pub(crate) fn remove_binding(&mut self, vhost: &ShortStr, key: &BindingKey, events: &mut Vec<Event>) -> bool {
        let Some(room) = self.vhosts.get_mut(vhost) else { return false };
        if room.unbind(key, events).is_none() {
            return false;
        }
        if room.is_orphan(&key.source) {
            let histories = room.remove_exchanges(vec![key.source.clone()], events);
            self.remove_histories(histories);
        }
        true
    }

    pub(crate) fn has_binding(&self, vhost: &ShortStr, key: &BindingKey) -> bool {
        self.vhosts.get(vhost).is_some_and(|room| room.bindings.contains_key(key))
    }

    fn leave_home(&mut self, home: Home) {
        if let Entry::Occupied(mut count) = self.local_homes.entry(home) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Removes a queue without bindings.
    fn take_queue(&mut self, id: QueueId, events: &mut Vec<Event>) -> Option<Queue> {
        let queue = self.queues.remove(&id)?;
        if let Some(room) = self.vhosts.get_mut(&queue.vhost) {
            room.queues.remove(&queue.name);
            room.queue_policies.remove(&id);
        }
        self.leave_group(id, queue.group);
        if let Some(owner) = queue.owner {
            self.by_owner.remove(&(owner, id));
        }
        if queue.is_local() {
            self.leave_home(queue.home);
        }
        events.push(Event::QueueDeleted {
            vhost: queue.vhost.clone(),
            name: queue.name.clone(),
            queue: id,
            group: queue.group,
        });
        Some(queue)
    }

    fn leave_group(&mut self, queue: QueueId, group: GroupId) {
        if let Some(ids) = self.by_group.get_mut(&group) {
            ids.remove(&queue);
            if ids.is_empty() {
                self.by_group.remove(&group);
            }
        }
    }
}

impl Room {
    /// The binding with the names that lie here already, and all else in memory of its own.
    fn own(&self, binding: Binding) -> Binding {
        let own = |name: &ShortStr| match self.exchanges.get(name) {
            Some(exchange) => exchange.name.clone(),
            None => name.compact(),
        };
        let destination = match &binding.destination {
            Destination::Queue(queue) => Destination::Queue(*queue),
            Destination::Exchange(name) => Destination::Exchange(own(name)),
        };
        Binding {
            vhost: self.vhost.name.clone(),
            source: own(&binding.source),
            destination,
            routing_key: binding.routing_key.compact(),
            arguments: compact::table(&binding.arguments),
        }
    }

    /// Whether the exchange goes because no binding starts from it any more.
    fn is_orphan(&self, exchange: &ShortStr) -> bool {
        self.exchanges.get(exchange).is_some_and(|exchange| exchange.auto_delete)
            && self.from(exchange).next().is_none()
    }

    fn unbind(&mut self, key: &BindingKey, events: &mut Vec<Event>) -> Option<Binding> {
        let (key, arguments) = self.bindings.remove_entry(key)?;
        self.reverse.remove(&key.reversed());
        let view = BindingRef {
            source: &key.source,
            destination: &key.destination,
            routing_key: &key.routing_key,
            arguments: &arguments,
        };
        let binding = view.to_binding(&self.vhost.name);
        events.push(Event::Unbound(binding.clone()));
        Some(binding)
    }

    /// Removes the bindings that lead there; the exchanges that thereby have to go.
    fn unbind_to(&mut self, destination: &Destination, events: &mut Vec<Event>) -> Vec<ShortStr> {
        let keys: Vec<_> = self.to(destination).map(|key| key.forward()).collect();
        let mut sources = BTreeSet::new();
        for key in keys {
            self.unbind(&key, events);
            sources.insert(key.source);
        }
        sources.into_iter().filter(|source| self.is_orphan(source)).collect()
    }

    /// Removes these exchanges and those that thereby have to go, in a loop: chains of exchanges may be long. Returns their
    /// histories, which have to go too.
    fn remove_exchanges(&mut self, mut doomed: Vec<ShortStr>, events: &mut Vec<Event>) -> Vec<QueueId> {
        let mut histories = Vec::new();
        while let Some(name) = doomed.pop() {
            let Some(exchange) = self.exchanges.remove(&name) else { continue };
            self.exchange_policies.remove(&name);
            let keys: Vec<_> = self.from(&name).map(|(key, _)| key.clone()).collect();
            for key in keys {
                self.unbind(&key, events);
            }
            doomed.extend(self.unbind_to(&Destination::Exchange(name), events));
            histories.extend(exchange.history);
            events.push(Event::ExchangeDeleted { vhost: self.vhost.name.clone(), name: exchange.name });
        }
        histories
    }
}

impl Binding {
    /// What makes it that binding.
    pub(crate) fn key(&self) -> BindingKey {
        BindingKey {
            source: self.source.clone(),
            destination: self.destination.clone(),
            routing_key: self.routing_key.clone(),
            arguments: canonical::binding_arguments(&self.arguments),
        }
    }
}
