//! The ring of consumers that may be given a message, in the order in which they are served.
//!
//! Links lie in the consumers, so that entering, leaving and turning cost the same for two consumers and for ten thousand.

use super::{Consumer, Consumers};

/// Ends the ring's links.
pub(super) const NOBODY: u32 = u32::MAX;

/// A consumer's neighbours in the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    previous: u32,
    next: u32,
}

impl Consumers {
    /// The consumer to be served next.
    pub(crate) fn next_in_ring(&self) -> Option<u32> {
        (self.ring_len > 0).then_some(self.ring_head)
    }

    /// The consumer that was served is now the last in the ring, or not in it when it has no capacity left.
    pub(crate) fn turn_ring(&mut self) {
        let head = self.ring_head;
        let consumer = self.get(head);
        if consumer.capacity() == 0 {
            self.leave_ring(head);
        } else {
            self.ring_head = consumer.ring.expect("the ring's head is in the ring").next;
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

    /// The ring from the consumer that is next.
    pub(crate) fn ring(&self) -> impl Iterator<Item = &Consumer> {
        let mut at = self.ring_head;
        (0..self.ring_len).map(move |_| {
            let consumer = self.get(at);
            at = consumer.ring.expect("who is linked is in the ring").next;
            consumer
        })
    }

    fn enter_ring(&mut self, slot: u32) {
        let links = if self.ring_len == 0 {
            self.ring_head = slot;
            Links { previous: slot, next: slot }
        } else {
            let next = self.ring_head;
            let previous = self.links(next).previous;
            Links { previous, next }
        };
        self.get_mut(slot).ring = Some(links);
        self.links_mut(links.previous).next = slot;
        self.links_mut(links.next).previous = slot;
        self.ring_len += 1;
    }

    fn leave_ring(&mut self, slot: u32) {
        let links = self.links(slot);
        self.links_mut(links.previous).next = links.next;
        self.links_mut(links.next).previous = links.previous;
        self.get_mut(slot).ring = None;
        self.ring_len -= 1;
        if self.ring_len == 0 {
            self.ring_head = NOBODY;
        } else if self.ring_head == slot {
            self.ring_head = links.next;
        }
    }

    fn links(&self, slot: u32) -> Links {
        self.get(slot).ring.expect("who is linked is in the ring")
    }

    fn links_mut(&mut self, slot: u32) -> &mut Links {
        self.get_mut(slot).ring.as_mut().expect("who is linked is in the ring")
    }
}
