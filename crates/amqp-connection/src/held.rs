//! Delivery tags of one channel: which deliveries the client holds, and where each came from.
//!
//! Tags count up from 1. What is held lies in the order of its tags in one ring; while nothing in the middle was settled, a
//! tag's place follows from the ring's first tag, otherwise it is found by bisection. Settled places in the middle are swept
//! when they outnumber the held ones, so that one message held for ever does not keep the places of all that follow.
//!
//! In a transaction what is settled is kept aside until the end: a rollback puts it back in its place.

use std::{collections::VecDeque, mem};

use types::QueueId;

use crate::{Origin, SettledList};

/// The tag is not held: never given, not to be acknowledged, or settled before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownTag;

/// The deliveries of a channel.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The last tag given.
    last_tag: u64,
    ring: VecDeque<Place>,
    /// Places in the ring that are settled. The first and the last place never are.
    holes: usize,
    /// In a transaction: what was settled in it, in the order in which that happened.
    kept: Option<Vec<Place>>,
}

/// A delivery, or the hole that it left.
#[derive(Clone, Copy, Debug)]
struct Place {
    tag: u64,
    seq: u64,
    queue: QueueId,
    consumer: u32,
    settled: bool,
}

/// Fewer holes than this are not worth a sweep.
const HOLES_MIN: usize = 64;

/// The largest ring that is kept for the next deliveries when nothing is held (128 KiB).
const PLACES_KEPT: usize = 4096;

impl Held {
    /// A tag for a delivery that the client does not acknowledge.
    pub(crate) fn skip(&mut self) -> u64 {
        self.last_tag += 1;
        self.last_tag
    }

    /// A tag for a delivery that the client holds from now on.
    pub(crate) fn hold(&mut self, origin: Origin) -> u64 {
        let tag = self.skip();
        let Origin { consumer, queue, seq } = origin;
        self.ring.push_back(Place { tag, seq, queue, consumer, settled: false });
        tag
    }

    /// How many deliveries are held.
    pub(crate) fn len(&self) -> usize {
        self.ring.len() - self.holes
    }

    /// Settles one tag.
    pub(crate) fn settle_one(&mut self, tag: u64) -> Result<SettledList, UnknownTag> {
        let at = self.find(tag).ok_or(UnknownTag)?;
        let mut settled = SettledList::default();
        settled.push(self.ring[at].origin());
        if let Some(kept) = &mut self.kept {
            kept.push(self.ring[at]);
        }
        self.ring[at].settled = true;
        self.holes += 1;
        self.trim();
        if self.holes > HOLES_MIN && self.holes > self.len() {
            self.ring.retain(|place| !place.settled);
            self.holes = 0;
        }
        Ok(settled)
    }

    /// Settles everything up to a tag, which must be held; zero stands for the last.
    pub(crate) fn settle_up_to(&mut self, tag: u64) -> Result<SettledList, UnknownTag> {
        let count = match tag {
            0 => self.ring.len(),
            tag => self.find(tag).ok_or(UnknownTag)? + 1,
        };
        let mut settled = SettledList::default();
        for place in self.ring.drain(..count) {
            if place.settled {
                self.holes -= 1;
                continue;
            }
            settled.push(place.origin());
            if let Some(kept) = &mut self.kept {
                kept.push(place);
            }
        }
        self.trim();
        Ok(settled)
    }

    /// Takes everything back from the client. No transaction undoes that.
    pub(crate) fn recover(&mut self) -> SettledList {
        let mut settled = SettledList::default();
        for place in mem::take(&mut self.ring) {
            if !place.settled {
                settled.push(place.origin());
            }
        }
        self.holes = 0;
        settled
    }

    /// From now on what is settled is kept until [`Held::commit`] or [`Held::roll_back`].
    pub(crate) fn start_transactions(&mut self) {
        self.kept.get_or_insert_default();
    }

    /// How many deliveries the transaction has settled.
    pub(crate) fn kept_len(&self) -> usize {
        self.kept.as_ref().map_or(0, Vec::len)
    }

    /// What the transaction has settled is settled for good.
    pub(crate) fn commit(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.clear();
            if kept.capacity() > PLACES_KEPT {
                *kept = Vec::new();
            }
        }
    }

    /// What the transaction has settled is held again.
    pub(crate) fn roll_back(&mut self) {
        let Some(kept) = self.kept.as_mut().filter(|kept| !kept.is_empty()) else { return };
        let mut places = mem::take(kept);
        places.extend(self.ring.drain(..).filter(|place| !place.settled));
        // Two or more sorted runs, which the stable sort merges.
        places.sort_by_key(|place| place.tag);
        self.ring = places.into();
        self.holes = 0;
    }

    /// Gives memory back that is not needed.
    pub(crate) fn shrink(&mut self) {
        self.ring.shrink_to_fit();
        if let Some(kept) = &mut self.kept {
            kept.shrink_to_fit();
        }
    }

    fn find(&self, tag: u64) -> Option<usize> {
        let first = self.ring.front()?.tag;
        let offset = usize::try_from(tag.checked_sub(first)?).ok()?;
        let at = match self.ring.get(offset) {
            Some(place) if place.tag == tag => offset,
            Some(_) | None => self.ring.binary_search_by_key(&tag, |place| place.tag).ok()?,
        };
        (!self.ring[at].settled).then_some(at)
    }

    fn trim(&mut self) {
        while self.ring.front().is_some_and(|place| place.settled) {
            self.ring.pop_front();
            self.holes -= 1;
        }
        while self.ring.back().is_some_and(|place| place.settled) {
            self.ring.pop_back();
            self.holes -= 1;
        }
        if self.ring.is_empty() && self.ring.capacity() > PLACES_KEPT {
            self.ring = VecDeque::new();
        }
    }
}

impl Place {
    fn origin(self) -> Origin {
        Origin { consumer: self.consumer, queue: self.queue, seq: self.seq }
    }
}

#[cfg(test)]
mod tests;
