//! Policies in the machine: which apply to what, and what changes when one of them does.
//!
//! What applies to a queue or an exchange is kept beside it, so that it is known without matching names. A policy that changes
//! is matched once with each name of its vhost; only where it applied or applies now is more work done.

use std::{collections::BTreeMap, sync::Arc};

use types::{QueueId, ShortStr};

use super::{Machine, Room};
use crate::{
    AppliedPolicies, Event, Exchange, ExchangeSettings, Policy, Queue, QueueSettings, effective, policy::Subject,
};

/// A policy that comes, changes or goes.
struct PolicyChange {
    name: ShortStr,
    operator: bool,
    new: Option<Arc<Policy>>,
}

impl Machine {
    /// What is in force for a queue of this machine: its arguments, merged with its policies.
    pub fn effective_queue(&self, queue: &Queue) -> QueueSettings {
        effective::queue_settings(queue, self.applied_to_queue(queue))
    }

    /// What is in force for an exchange of this machine: its arguments, merged with its policies.
    pub fn effective_exchange(&self, exchange: &Exchange) -> ExchangeSettings {
        effective::exchange_settings(exchange, self.applied_to_exchange(exchange))
    }

    /// The policies that apply to a queue of this machine; `None`: neither a policy nor an operator policy.
    pub fn applied_to_queue(&self, queue: &Queue) -> Option<&AppliedPolicies> {
        self.vhosts.get(&queue.vhost)?.queue_policies.get(&queue.id)
    }

    /// The policies that apply to an exchange of this machine; `None`: neither a policy nor an operator policy.
    pub fn applied_to_exchange(&self, exchange: &Exchange) -> Option<&AppliedPolicies> {
        self.vhosts.get(&exchange.vhost)?.exchange_policies.get(&exchange.name)
    }

    /// The policy, or operator policy, of that name.
    pub fn policy(&self, vhost: &[u8], name: &[u8], operator: bool) -> Option<&Policy> {
        self.vhosts.get(vhost)?.policies.of(operator).get(name).map(|policy| &**policy)
    }

    /// The policies, or operator policies, of a vhost, by name.
    pub fn policies(&self, vhost: &[u8], operator: bool) -> impl Iterator<Item = &Policy> {
        let room = self.vhosts.get(vhost).into_iter();
        room.flat_map(move |room| room.policies.of(operator).values()).map(|policy| &**policy)
    }

    /// Adds or replaces a policy of a vhost that is there.
    pub(crate) fn put_policy(&mut self, mut policy: Policy, operator: bool, events: &mut Vec<Event>) {
        let room = self.vhosts.get_mut(&policy.vhost).expect("the vhost was looked up");
        policy.vhost = room.vhost.name.clone();
        let new = Arc::new(policy);
        let change = PolicyChange { name: new.name.clone(), operator, new: Some(new) };
        room.change_policy(&change, &self.queues, events);
    }

    pub(crate) fn remove_policy(
        &mut self,
        vhost: &ShortStr,
        name: &ShortStr,
        operator: bool,
        events: &mut Vec<Event>,
    ) -> bool {
        let Some(room) = self.vhosts.get_mut(vhost) else { return false };
        let Some(gone) = room.policies.of(operator).get(name) else { return false };
        let change = PolicyChange { name: gone.name.clone(), operator, new: None };
        room.change_policy(&change, &self.queues, events);
        true
    }
}

impl Room {
    /// Finds out what applies to a queue that comes.
    pub(super) fn apply_policies_to_queue(&mut self, queue: &Queue) {
        if let Some(applied) = self.policies.applied(Subject::Queue(queue.declared_type), queue.name.as_bytes()) {
            self.queue_policies.insert(queue.id, applied);
        }
    }

    /// Finds out what applies to an exchange that comes.
    pub(super) fn apply_policies_to_exchange(&mut self, exchange: &Exchange) -> ExchangeSettings {
        let applied = self.policies.applied(Subject::Exchange, exchange.name.as_bytes());
        let settings = effective::exchange_settings(exchange, applied.as_ref());
        if let Some(applied) = applied {
            self.exchange_policies.insert(exchange.name.clone(), applied);
        }
        settings
    }

    fn change_policy(&mut self, change: &PolicyChange, queues: &BTreeMap<QueueId, Queue>, events: &mut Vec<Event>) {
        let policies = self.policies.of_mut(change.operator);
        match &change.new {
            Some(new) => drop(policies.insert(change.name.clone(), Arc::clone(new))),
            None => drop(policies.remove(&change.name)),
        }
        let (vhost, name) = (self.vhost.name.clone(), change.name.clone());
        events.push(Event::PolicyChanged { vhost, name, operator: change.operator });
        self.change_exchanges(change, events);
        self.change_queues(change, queues, events);
    }

    fn change_exchanges(&mut self, change: &PolicyChange, events: &mut Vec<Event>) {
        for (name, exchange) in &self.exchanges {
            let before = self.exchange_policies.get(name);
            if !change.concerns(before, Subject::Exchange, name) {
                continue;
            }
            let after = self.policies.applied(Subject::Exchange, name.as_bytes());
            let old = effective::exchange_settings(exchange, before);
            let new = effective::exchange_settings(exchange, after.as_ref());
            set(&mut self.exchange_policies, name, after);
            if old.alternate != new.alternate {
                let (vhost, name) = (self.vhost.name.clone(), name.clone());
                events.push(Event::ExchangeChanged { vhost, name, alternate: new.alternate });
            }
        }
    }

    fn change_queues(&mut self, change: &PolicyChange, queues: &BTreeMap<QueueId, Queue>, events: &mut Vec<Event>) {
        for (name, id) in &self.queues {
            let queue = queues.get(id).expect("a name of a queue has a queue");
            let subject = Subject::Queue(queue.declared_type);
            let before = self.queue_policies.get(id);
            if !change.concerns(before, subject, name) {
                continue;
            }
            let after = self.policies.applied(subject, name.as_bytes());
            let old = effective::queue_settings(queue, before);
            let new = effective::queue_settings(queue, after.as_ref());
            set(&mut self.queue_policies, id, after);
            if !old.has_same_effect(&new) {
                events.push(Event::QueueSettingsChanged { queue: *id, group: queue.group });
            }
        }
    }
}

impl PolicyChange {
    /// Whether it may change what applies to that thing.
    fn concerns(&self, before: Option<&AppliedPolicies>, subject: Subject, name: &ShortStr) -> bool {
        let applied = before.and_then(|before| before.of(self.operator)).is_some_and(|policy| policy.name == self.name);
        applied || self.new.as_ref().is_some_and(|new| new.covers(subject, name.as_bytes()))
    }
}

fn set<K: Ord + Clone>(applied: &mut BTreeMap<K, AppliedPolicies>, key: &K, new: Option<AppliedPolicies>) {
    match new {
        Some(new) => drop(applied.insert(key.clone(), new)),
        None => drop(applied.remove(key)),
    }
}
