//! What a follower of events knows: plain sets, kept by events alone.

use std::collections::{BTreeMap, BTreeSet};

use metadata::{Binding, Destination, Event, Machine};
use types::{GroupId, QueueId, ShortStr};

type Name = (ShortStr, ShortStr);

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Mirror {
    vhosts: BTreeSet<ShortStr>,
    users: BTreeSet<ShortStr>,
    /// With their alternates.
    exchanges: BTreeMap<Name, Option<ShortStr>>,
    queues: BTreeMap<Name, (QueueId, GroupId)>,
    bindings: Vec<Binding>,
    /// Exchanges from which a binding once started.
    were_used: BTreeSet<Name>,
}

impl Mirror {
    /// Follows blindly, and complains when that is not possible.
    pub(crate) fn follow(&mut self, event: &Event) {
        match event.clone() {
            Event::VhostCreated { vhost } => assert!(self.vhosts.insert(vhost)),
            Event::VhostChanged { vhost } => assert!(self.vhosts.contains(&vhost)),
            Event::VhostDeleted { vhost } => {
                assert!(self.vhosts.remove(&vhost));
                assert!(self.exchanges.keys().all(|(v, _)| *v != vhost), "its exchanges go before it");
                assert!(self.queues.keys().all(|(v, _)| *v != vhost), "its queues go before it");
            }
            Event::UserChanged { user } => drop(self.users.insert(user)),
            Event::UserDeleted { user } => assert!(self.users.remove(&user)),
            Event::PermissionsChanged { user, vhost } | Event::TopicPermissionsChanged { user, vhost } => {
                assert!(self.users.contains(&user) && self.vhosts.contains(&vhost));
            }
            Event::PolicyChanged { vhost, .. } | Event::ParameterChanged { vhost, .. } => {
                assert!(self.vhosts.contains(&vhost));
            }
            Event::GlobalParameterChanged { .. } | Event::ClusterChanged => {}
            Event::ExchangeDeclared { vhost, name, alternate, .. } => {
                assert!(self.vhosts.contains(&vhost));
                assert_eq!(self.exchanges.insert((vhost, name), alternate), None);
            }
            Event::ExchangeChanged { vhost, name, alternate } => {
                let before = self.exchanges.insert((vhost, name), alternate.clone());
                assert!(before.expect("it was declared") != alternate);
            }
            Event::QueueSettingsChanged { queue, group } => {
                assert!(self.queues.values().any(|there| *there == (queue, group)));
            }
            Event::ExchangeDeleted { vhost, name } => {
                assert!(self.bindings.iter().all(|b| b.vhost != vhost || b.source != name), "unbound before it goes");
                self.assert_unbound(&vhost, &Destination::Exchange(name.clone()));
                let key = (vhost, name);
                assert!(self.exchanges.remove(&key).is_some());
                self.were_used.remove(&key);
            }
            Event::QueueDeclared { vhost, name, queue, group } => {
                assert!(self.vhosts.contains(&vhost));
                assert_eq!(self.queues.insert((vhost, name), (queue, group)), None);
            }
            Event::QueueDeleted { vhost, name, queue, group } => {
                self.assert_unbound(&vhost, &Destination::Queue(queue));
                assert_eq!(self.queues.remove(&(vhost, name)), Some((queue, group)));
            }
            Event::Bound(binding) => self.bind(binding),
            Event::Unbound(binding) => {
                let at = self.bindings.iter().position(|there| *there == binding);
                self.bindings.remove(at.expect("what is unbound was bound, with the same arguments"));
            }
        }
    }

    fn bind(&mut self, binding: Binding) {
        assert!(self.exchanges.contains_key(&(binding.vhost.clone(), binding.source.clone())));
        match &binding.destination {
            Destination::Queue(id) => assert!(self.queues.values().any(|(queue, _)| queue == id)),
            Destination::Exchange(name) => {
                assert!(self.exchanges.contains_key(&(binding.vhost.clone(), name.clone())));
            }
        }
        self.were_used.insert((binding.vhost.clone(), binding.source.clone()));
        self.bindings.push(binding);
    }

    fn assert_unbound(&self, vhost: &ShortStr, destination: &Destination) {
        let leads_there = |b: &Binding| b.vhost == *vhost && b.destination == *destination;
        assert!(!self.bindings.iter().any(leads_there), "unbound before it goes");
    }

    /// That the machine holds what its events told, and no exchange that should have gone.
    pub(crate) fn assert_is(&self, machine: &Machine) {
        assert!(self.vhosts.iter().eq(machine.vhosts().map(|vhost| &vhost.name)));
        assert!(self.users.iter().eq(machine.users().map(|user| &user.name)));
        assert_eq!(self.exchanges.len(), machine.counts().exchanges);
        for exchange in machine.vhosts().flat_map(|vhost| machine.exchanges(vhost.name.as_bytes())) {
            let key = (exchange.vhost.clone(), exchange.name.clone());
            assert_eq!(self.exchanges.get(&key), Some(&machine.effective_exchange(exchange).alternate));
            let is_used = machine.bindings_from(key.0.as_bytes(), &key.1).next().is_some();
            assert!(
                is_used || !exchange.auto_delete || !self.were_used.contains(&key),
                "{key:?} lost its last binding"
            );
        }
        assert_eq!(self.queues.len(), machine.queues().count());
        for queue in machine.queues() {
            let key = (queue.vhost.clone(), queue.name.clone());
            assert_eq!(self.queues.get(&key), Some(&(queue.id, queue.group)));
        }
        assert_eq!(self.bindings.len(), machine.counts().bindings);
        for vhost in machine.vhosts() {
            for binding in machine.bindings(vhost.name.as_bytes()) {
                assert!(self.bindings.contains(&binding.to_binding(&vhost.name)));
            }
        }
    }
}
