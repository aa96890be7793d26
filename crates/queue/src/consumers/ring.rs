//! The rings of consumers that may be given a message, one for each priority, in the order in which they are served.
//!
//! Links lie in the consumers, so that entering, leaving and turning cost the same for two consumers and for ten thousand.

use std::collections::BTreeMap;

use super::{Consumer, Consumers};

/// Ends the ring's links.
const NOBODY: u32 = u32::MAX;

/// A consumer's neighbours in the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    previous: u32,
    next: u32,
}

/// Consumers of one priority.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring {
    head: u32,
    len: u32,
}

/// Rings of unusual priorities, none of them empty.
#[derive(Clone, Debug, Default)]
pub(super) struct OtherRings {
    rings: BTreeMap<i64, Ring>,
}

static NO_RINGS: BTreeMap<i64, Ring> = BTreeMap::new();

impl Default for Ring {
    fn default() -> Self {
        Ring { head: NOBODY, len: 0 }
    }
}

impl Consumers {
    /// Whether nobody may be given a message.
    pub(crate) fn is_ring_empty(&self) -> bool {
        self.usual.len == 0 && self.others.is_none()
    }

    /// The consumer to be served next, and whether it is alone in its ring.
    pub(crate) fn next_in_ring(&self) -> Option<(u32, bool)> {
        let ring = if self.others.is_none() { &self.usual } else { self.first_ring() };
        (ring.len > 0).then_some((ring.head, ring.len == 1))
    }

    /// A consumer that was served is now the last in its ring, or not in it when it has no capacity left.
    pub(crate) fn turn_ring(&mut self, slot: u32) {
        let consumer = self.get(slot);
        if consumer.capacity() == 0 {
            self.leave_ring(slot);
        } else {
            let next = consumer.ring.expect("who was served is in the ring").next;
            if consumer.options.priority == 0 {
                self.usual.head = next;
            } else {
                self.ring_mut(slot).head = next;
            }
        }
    }

    /// Lets a consumer enter or leave the ring as its capacity asks. Who enters is last.
    pub(crate) fn settle_ring(&mut self, slot: u32) {
        let consumer = self.get(slot);
        match (consumer.ring.is_some(), consumer.capacity() > 0) {
            (false, true) => self.enter_ring(slot),
            (true, false) => self.leave_ring(slot),
            (true, true) | (false, false) => {}
        }
    }

    /// The rings from that of the highest priority on, each from the consumer that is next.
    pub(crate) fn ring(&self) -> impl Iterator<Item = &Consumer> {
        let others = self.others().iter().rev();
        let above = others.clone().take_while(|(priority, _)| **priority > 0).map(|(_, ring)| ring);
        let below = others.skip_while(|(priority, _)| **priority > 0).map(|(_, ring)| ring);
        above.chain(std::iter::once(&self.usual)).chain(below).flat_map(move |ring| {
            let mut at = ring.head;
            (0..ring.len).map(move |_| {
                let consumer = self.get(at);
                at = consumer.ring.expect("who is linked is in the ring").next;
                consumer
            })
        })
    }

    /// That of the highest priority that is not empty.
    fn first_ring(&self) -> &Ring {
        match self.others().last_key_value() {
            Some((priority, ring)) if *priority > 0 || self.usual.len == 0 => ring,
            Some(_) | None => &self.usual,
        }
    }

    fn ring_mut(&mut self, slot: u32) -> &mut Ring {
        match self.get(slot).options.priority {
            0 => &mut self.usual,
            priority => self.others.get_or_insert_default().rings.entry(priority).or_default(),
        }
    }

    fn enter_ring(&mut self, slot: u32) {
        let ring = self.ring_mut(slot);
        ring.len += 1;
        let next = if ring.len == 1 { slot } else { ring.head };
        ring.head = next;
        let previous = if next == slot { slot } else { self.links(next).previous };
        self.get_mut(slot).ring = Some(Links { previous, next });
        self.links_mut(previous).next = slot;
        self.links_mut(next).previous = slot;
    }

    fn leave_ring(&mut self, slot: u32) {
        let links = self.links(slot);
        self.links_mut(links.previous).next = links.next;
        self.links_mut(links.next).previous = links.previous;
        self.get_mut(slot).ring = None;
        let ring = self.ring_mut(slot);
        ring.len -= 1;
        if ring.head == slot {
            ring.head = links.next;
        }
        if ring.len == 0 {
            ring.head = NOBODY;
            self.drop_ring(self.get(slot).options.priority);
        }
    }

    fn drop_ring(&mut self, priority: i64) {
        let Some(others) = &mut self.others else { return };
        others.rings.remove(&priority);
        if others.rings.is_empty() {
            self.others = None;
        }
    }

    fn others(&self) -> &BTreeMap<i64, Ring> {
        self.others.as_ref().map_or(&NO_RINGS, |others| &others.rings)
    }

    fn links(&self, slot: u32) -> Links {
        self.get(slot).ring.expect("who is linked is in the ring")
    }

    fn links_mut(&mut self, slot: u32) -> &mut Links {
        self.get_mut(slot).ring.as_mut().expect("who is linked is in the ring")
    }
}
