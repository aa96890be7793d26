//! What is always true of the machine.

use std::collections::{BTreeMap, BTreeSet};

use types::GroupId;

use super::{Machine, Room};
use crate::{Destination, Queue, policy::Subject};

/// The state contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metadata is inconsistent: {0}")]
pub struct InvariantBroken(pub &'static str);

impl Machine {
    /// Checks all invariants. Takes time in the size of the state: for tests, and after a snapshot was read.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check(&self) -> Result<(), InvariantBroken> {
        self.cluster.check()?;
        self.check_permissions()?;
        for queue in self.queues.values() {
            self.check_queue(queue)?;
        }
        self.check_indexes()?;
        let named: usize = self.vhosts.values().map(|room| room.queues.len()).sum();
        hold(named == self.queues().count(), "a queue has more than one name, or a name has no queue")?;
        for (name, room) in &self.vhosts {
            hold(*name == room.vhost.name, "a vhost lies under another name")?;
            self.check_room(room)?;
            self.check_administration(room)?;
            self.check_policies(room)?;
        }
        Ok(())
    }

    fn check_permissions(&self) -> Result<(), InvariantBroken> {
        hold(self.users.iter().all(|(name, user)| *name == user.name), "a user lies under another name")?;
        for (user, of_user) in &self.permissions {
            hold(self.users.contains_key(user), "permissions have no user")?;
            hold(!of_user.is_empty(), "an empty map of permissions was left")?;
            hold(of_user.keys().all(|vhost| self.vhosts.contains_key(vhost)), "permissions have no vhost")?;
        }
        Ok(())
    }

    fn check_queue(&self, queue: &Queue) -> Result<(), InvariantBroken> {
        hold(queue.id.0 >= 1 && queue.id.0 <= self.last_queue_id, "a queue's id was not given")?;
        hold(!queue.name.is_empty(), "a queue has no name")?;
        let room = self.vhosts.get(&queue.vhost).ok_or(InvariantBroken("a queue has no vhost"))?;
        if queue.is_history {
            let exchange = room.exchanges.get(&queue.name);
            hold(exchange.is_some_and(|exchange| exchange.history == Some(queue.id)), "a history has no exchange")?;
            return hold(queue.durable && !queue.is_local(), "a history is not replicated");
        }
        hold(room.queues.get(&queue.name) == Some(&queue.id), "a queue's name is not its own")?;
        hold(!(queue.durable && queue.owner.is_some()), "an exclusive queue is durable")?;
        let local = GroupId::local(queue.home.node);
        hold(queue.durable || queue.group == local, "a queue that is not durable is not at its home")?;
        hold(!queue.is_local() || queue.group == local, "a queue is in the memory of another node than its home")
    }

    fn check_indexes(&self) -> Result<(), InvariantBroken> {
        let mut by_group = 0;
        for (group, ids) in &self.by_group {
            hold(!ids.is_empty(), "an empty set of a group's queues was left")?;
            by_group += ids.len();
            let in_group = |id| self.queues.get(id).is_some_and(|queue| queue.group == *group);
            hold(ids.iter().all(in_group), "a queue is indexed under another group")?;
        }
        hold(by_group == self.queues.len(), "a queue is not indexed by its group")?;
        let mut homes: BTreeMap<_, usize> = BTreeMap::new();
        for queue in self.queues.values().filter(|queue| queue.is_local()) {
            *homes.entry(queue.home).or_default() += 1;
        }
        hold(homes == self.local_homes, "queues in memory are counted wrong")?;
        let owned: BTreeSet<_> = self.queues.values().filter_map(|queue| Some((queue.owner?, queue.id))).collect();
        hold(owned == self.by_owner, "the index of exclusive queues is wrong")
    }

    fn check_room(&self, room: &Room) -> Result<(), InvariantBroken> {
        for (name, exchange) in &room.exchanges {
            hold(*name == exchange.name && !name.is_empty(), "an exchange lies under another name, or has none")?;
            hold(exchange.vhost == room.vhost.name, "an exchange lies in another vhost")?;
            let has_history = |id| self.queues.get(&id).is_some_and(|queue| queue.is_history && queue.name == *name);
            hold(exchange.history.is_none_or(has_history), "an exchange's history is not there")?;
        }
        hold(room.bindings.len() == room.reverse.len(), "a binding is not indexed by its destination")?;
        for key in room.bindings.keys() {
            hold(room.reverse.contains(&key.reversed()), "a binding is not indexed by its destination")?;
            hold(room.exchanges.contains_key(&key.source), "a binding has no source")?;
            let destination_is_there = match &key.destination {
                Destination::Queue(id) => self.queues.get(id).is_some_and(|queue| queue.vhost == room.vhost.name),
                Destination::Exchange(name) => room.exchanges.contains_key(name),
            };
            hold(destination_is_there, "a binding has no destination")?;
        }
        Ok(())
    }
}

impl Machine {
    fn check_administration(&self, room: &Room) -> Result<(), InvariantBroken> {
        for (user, of_user) in &room.topic_permissions {
            hold(self.users.contains_key(user), "topic permissions have no user")?;
            hold(!of_user.is_empty(), "an empty map of topic permissions was left")?;
        }
        hold(room.parameters.values().all(|values| !values.is_empty()), "an empty map of parameters was left")?;
        for (name, policy) in [false, true].iter().flat_map(|operator| room.policies.of(*operator)) {
            hold(*name == policy.name, "a policy lies under another name")?;
            hold(policy.vhost == room.vhost.name, "a policy lies in another vhost")?;
        }
        Ok(())
    }

    fn check_policies(&self, room: &Room) -> Result<(), InvariantBroken> {
        let mut applied = 0;
        for exchange in room.exchanges.values() {
            let found = room.policies.applied(Subject::Exchange, exchange.name.as_bytes());
            hold(room.exchange_policies.get(&exchange.name) == found.as_ref(), "an exchange has another policy")?;
            applied += usize::from(found.is_some());
        }
        hold(applied == room.exchange_policies.len(), "a policy applies to an exchange that is gone")?;
        let mut applied = 0;
        for queue in room.queues.values().filter_map(|id| self.queues.get(id)) {
            let found = room.policies.applied(Subject::Queue(queue.declared_type), queue.name.as_bytes());
            hold(room.queue_policies.get(&queue.id) == found.as_ref(), "a queue has another policy")?;
            applied += usize::from(found.is_some());
        }
        hold(applied == room.queue_policies.len(), "a policy applies to a queue that is gone")
    }
}

fn hold(is_so: bool, otherwise: &'static str) -> Result<(), InvariantBroken> {
    if is_so { Ok(()) } else { Err(InvariantBroken(otherwise)) }
}
