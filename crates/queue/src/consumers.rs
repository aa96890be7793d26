//! The consumers of one queue, and the ring of those that may be given a message.
//!
//! Consumers lie in a slab, so that a ring can be linked through them. In a ring, one for each priority, is who is attached and
//! has capacity.

mod active;
mod ring;
mod times;

use std::collections::BTreeMap;

use types::{ConsumerKey, SessionId};

use crate::{ConsumerOptions, held::HeldMessages, number};
use ring::{Links, OtherRings, Ring};
use times::Times;

/// A consumer, attached or still holding messages; or a session's `basic.get`.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    /// Whose it is.
    pub(crate) key: ConsumerKey,
    /// What it asked for.
    pub(crate) options: ConsumerOptions,
    /// Greatest sequence number that may be sent, where credit applies.
    pub(crate) credit: u64,
    /// Whether it gets messages. Always false for `basic.get`.
    pub(crate) attached: bool,
    /// What it holds.
    pub(crate) held: HeldMessages,
    /// Its delivery in the outcome while the queue is being served.
    pub(crate) delivery: Option<usize>,
    /// Which consumer of the queue it is, counted from the first that ever came.
    pub(crate) order: u64,
    /// Set when others are to get messages instead: the queue has a single active consumer, and it is not this one, or it is
    /// this one but another one of higher priority waits.
    pub(crate) halted: bool,
    /// When it was given what it holds, if it may hold messages only for a time.
    pub(crate) times: Option<Box<Times>>,
    ring: Option<Links>,
}

/// All consumers of a queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Consumers {
    slots: Vec<Option<Consumer>>,
    free: Vec<u32>,
    by_key: BTreeMap<ConsumerKey, u32>,
    /// The ring of the usual priority, zero.
    usual: Ring,
    /// Rings of other priorities.
    others: Option<Box<OtherRings>>,
    /// The single active consumer, where the queue has one.
    active: Option<u32>,
    /// Whether there is one, as far as the consumers were told.
    single: bool,
    /// The next consumer's.
    pub(crate) next_order: u64,
    attached: u32,
    exclusive: bool,
    /// Whether consumers may have times.
    timed: bool,
}

impl Consumer {
    /// A consumer that was given nothing yet.
    pub(crate) fn attached(key: ConsumerKey, options: ConsumerOptions) -> Self {
        let credit = options.initial_credit;
        Consumer {
            key,
            options,
            credit,
            attached: true,
            held: HeldMessages::default(),
            delivery: None,
            order: 0,
            halted: false,
            times: options.timeout_ms.map(|_| Box::default()),
            ring: None,
        }
    }

    /// A session's `basic.get`.
    pub(crate) fn getter(session: SessionId) -> Self {
        let key = ConsumerKey { session, number: ConsumerKey::GET };
        Consumer { attached: false, ..Consumer::attached(key, ConsumerOptions::default()) }
    }

    /// How many more messages it may be given.
    pub(crate) fn capacity(&self) -> u64 {
        if !self.attached || self.halted {
            0
        } else if self.options.no_ack || self.options.prefetch == 0 {
            // Sequence numbers start at one.
            self.credit.saturating_sub(self.held.next_seq() - 1)
        } else {
            u64::from(self.options.prefetch).saturating_sub(self.held.count())
        }
    }

    /// Whether nothing depends on it any more. What `basic.get` numbered is remembered as long as its session lives, so that
    /// a number is never used twice.
    fn is_over(&self) -> bool {
        !self.attached && self.held.count() == 0 && self.key.number != ConsumerKey::GET
    }
}

impl Consumers {
    /// How many are attached.
    pub(crate) fn attached(&self) -> u32 {
        self.attached
    }

    /// Whether one is attached that wants to be alone.
    pub(crate) fn exclusive(&self) -> bool {
        self.exclusive
    }

    /// Where a consumer lies.
    pub(crate) fn find(&self, key: &ConsumerKey) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// Where a session's consumers lie.
    pub(crate) fn of_session(&self, session: SessionId) -> Vec<u32> {
        let first = ConsumerKey { session, number: 0 };
        let last = ConsumerKey { session, number: u32::MAX };
        self.by_key.range(first..=last).map(|(_, slot)| *slot).collect()
    }

    /// Whether a session has any record here.
    pub(crate) fn has_session(&self, session: SessionId) -> bool {
        let first = ConsumerKey { session, number: 0 };
        let last = ConsumerKey { session, number: u32::MAX };
        self.by_key.range(first..=last).next().is_some()
    }

    /// All consumers by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Consumer> {
        self.by_key.values().map(|slot| self.get(*slot))
    }

    /// The consumer at a place that [`Consumers::find`] or [`Consumers::insert`] told.
    pub(crate) fn get(&self, slot: u32) -> &Consumer {
        self.slots[number::index(slot)].as_ref().expect("the slot is in use")
    }

    /// As [`Consumers::get`]. Whoever changes the consumer's capacity calls [`Consumers::settle_ring`] afterwards.
    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut Consumer {
        self.slots[number::index(slot)].as_mut().expect("the slot is in use")
    }

    /// Adds a consumer that comes after all others.
    pub(crate) fn insert_next(&mut self, mut consumer: Consumer) -> u32 {
        consumer.order = self.next_order;
        self.next_order += 1;
        self.insert(consumer)
    }

    /// Adds a consumer, at the end of the ring if it has capacity. There must be none with that key.
    pub(crate) fn insert(&mut self, consumer: Consumer) -> u32 {
        if consumer.attached {
            self.attached += 1;
            self.exclusive |= consumer.options.exclusive;
        }
        self.timed |= consumer.times.is_some();
        let key = consumer.key;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                u32::try_from(self.slots.len() - 1).expect("fewer consumers than memory")
            }
        };
        self.slots[number::index(slot)] = Some(consumer);
        let before = self.by_key.insert(key, slot);
        assert!(before.is_none(), "consumer numbers are used once");
        self.settle_ring(slot);
        slot
    }

    /// Gives a consumer no more messages.
    pub(crate) fn detach(&mut self, slot: u32) {
        let consumer = self.get_mut(slot);
        if !consumer.attached {
            return;
        }
        consumer.attached = false;
        let was_exclusive = consumer.options.exclusive;
        self.attached -= 1;
        // An exclusive consumer is alone.
        self.exclusive &= !was_exclusive;
        self.settle_ring(slot);
    }

    /// Removes a detached consumer's record.
    pub(crate) fn remove(&mut self, slot: u32) {
        let consumer = self.slots[number::index(slot)].take().expect("the slot is in use");
        assert!(!consumer.attached && consumer.ring.is_none(), "a record goes after its consumer was detached");
        self.by_key.remove(&consumer.key);
        self.active = self.active.filter(|active| *active != slot);
        if self.by_key.is_empty() {
            *self = Consumers { next_order: self.next_order, ..Consumers::default() };
        } else {
            self.free.push(slot);
        }
    }

    /// Removes the record if nothing depends on it. Says whether it did.
    pub(crate) fn remove_if_over(&mut self, slot: u32) -> bool {
        let is_over = self.get(slot).is_over();
        if is_over {
            self.remove(slot);
        }
        is_over
    }

    /// What does not hold, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let attached = self.iter().filter(|consumer| consumer.attached).count();
        if attached != number::index(self.attached) {
            return Err(format!("{} consumers are counted as attached, {attached} are", self.attached));
        }
        let exclusive = self.iter().any(|consumer| consumer.attached && consumer.options.exclusive);
        if exclusive != self.exclusive || (exclusive && attached != 1) {
            return Err(format!("exclusive is {} with {attached} attached consumers", self.exclusive));
        }
        let with_capacity = self.iter().filter(|consumer| consumer.capacity() > 0).count();
        let linked = self.iter().filter(|consumer| consumer.ring.is_some()).count();
        let in_ring = self.ring().filter(|consumer| consumer.capacity() > 0).count();
        if linked != with_capacity || in_ring != with_capacity || self.ring().count() != with_capacity {
            return Err(format!("{with_capacity} consumers have capacity, {linked} are linked, {in_ring} in the ring"));
        }
        self.iter().try_for_each(check_consumer)
    }
}

fn check_consumer(consumer: &Consumer) -> Result<(), String> {
    let (key, held) = (consumer.key, consumer.held.count());
    consumer.held.check().map_err(|problem| format!("consumer {key:?}: {problem}"))?;
    let is_getter = key.number == ConsumerKey::GET;
    if is_getter && consumer.attached {
        return Err(format!("consumer {key:?} of basic.get is attached"));
    }
    if consumer.is_over() {
        return Err(format!("consumer {key:?} is over, but its record is kept"));
    }
    let limit = u64::from(consumer.options.prefetch);
    if !is_getter && (limit > 0 && held > limit || consumer.options.no_ack && held > 0) {
        return Err(format!("consumer {key:?} holds {held} messages with a prefetch of {limit}"));
    }
    if consumer.delivery.is_some() {
        return Err(format!("consumer {key:?} has an open delivery"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
