//! The single active consumer of a queue: the one of highest priority, among those the one that came first.
//!
//! One of higher priority that comes later takes over when the active one holds nothing; until then nobody gets messages. When
//! the active one goes, another follows at once.

use std::cmp::Reverse;

use types::ConsumerKey;

use super::Consumers;

impl Consumers {
    /// The single active consumer.
    pub(crate) fn active(&self) -> Option<ConsumerKey> {
        self.active.map(|slot| self.get(slot).key)
    }

    /// Makes a consumer the active one, when a machine is restored.
    pub(crate) fn restore_active(&mut self, key: ConsumerKey) {
        self.active = self.find(&key);
    }

    /// Lets in to the rings who may get messages, when a machine is restored: those named first, in their order.
    pub(crate) fn restore_rings(&mut self, is_single: bool, in_order: impl Iterator<Item = ConsumerKey>) {
        self.single = is_single;
        let only = if is_single {
            let (active, is_drained) = self.choice();
            Some(active.filter(|_| is_drained))
        } else {
            None
        };
        let named: Vec<u32> = in_order.filter_map(|key| self.find(&key)).collect();
        let slots: Vec<u32> = named.into_iter().chain(self.by_key.values().copied()).collect();
        for slot in slots {
            let consumer = self.get_mut(slot);
            consumer.halted = only.is_some_and(|only| only != Some(consumer.key));
            self.settle_ring(slot);
        }
    }

    /// Who may get messages; to be called when consumers came, went, or gave up what they held.
    pub(crate) fn elect(&mut self, is_single: bool) {
        if !is_single {
            if self.single {
                (self.single, self.active) = (false, None);
                self.halt_others(None);
            }
            return;
        }
        self.single = true;
        let (active, is_drained) = self.choice();
        self.active = active.and_then(|key| self.find(&key));
        self.halt_others(Some(active.filter(|_| is_drained)));
    }

    /// Who is to be the active one, and whether it may get messages.
    fn choice(&self) -> (Option<ConsumerKey>, bool) {
        let attached = self.iter().filter(|consumer| consumer.attached);
        let best = attached.max_by_key(|consumer| (consumer.options.priority, Reverse(consumer.order)));
        let active = self.active.map(|slot| self.get(slot));
        match (active.filter(|consumer| consumer.attached), best) {
            (Some(active), Some(best)) if active.options.priority >= best.options.priority => (Some(active.key), true),
            (Some(active), Some(_)) if active.held.count() > 0 => (Some(active.key), false),
            (Some(_) | None, Some(best)) => (Some(best.key), true),
            (Some(_) | None, None) => (None, false),
        }
    }

    /// Lets only that consumer get messages, or all.
    fn halt_others(&mut self, only: Option<Option<ConsumerKey>>) {
        let slots: Vec<u32> = self.by_key.values().copied().collect();
        for slot in slots {
            let consumer = self.get_mut(slot);
            consumer.halted = only.is_some_and(|only| only != Some(consumer.key));
            self.settle_ring(slot);
        }
    }

    /// What does not hold, if anything.
    pub(crate) fn check_active(&self, is_single: bool) -> Result<(), String> {
        let only = is_single.then(|| self.choice()).map(|(active, is_drained)| active.filter(|_| is_drained));
        if is_single && self.choice().0 != self.active() || !is_single && self.active.is_some() {
            return Err(format!("{:?} is the active consumer", self.active()));
        }
        match self.iter().find(|it| it.halted != only.is_some_and(|only| only != Some(it.key))) {
            Some(consumer) => Err(format!("consumer {:?} is wrongly halted or not", consumer.key)),
            None => Ok(()),
        }
    }
}
