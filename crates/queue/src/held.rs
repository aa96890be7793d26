//! What one consumer holds, by delivery sequence number.
//!
//! Recent deliveries lie in a dense deque, where a range of numbers is found without search. Holes at its front are trimmed;
//! when few messages stay held for long while many others pass, those few move to a tree, so that memory follows what is held
//! and not how far apart it is.

use std::collections::{BTreeMap, VecDeque};

use types::{MessageRef, SeqRange, Timestamp};

use crate::{backlog::Piece, number};

/// So many holes are tolerated besides as many places as twice the messages in the deque.
const HOLES_MAX: usize = 64;
/// A deque that was larger gives its memory back when it is empty. Half a megabyte.
const KEPT_PLACES_MAX: usize = 16 * 1024;

/// A message by itself: held by a consumer, or loose in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The log entry.
    pub(crate) index: u64,
    /// Its place in the queue: messages that came earlier have smaller positions.
    pub(crate) position: u64,
    /// The slot in the entry's blob.
    pub(crate) slot: u32,
    /// Size of the record. Unit: bytes.
    pub(crate) size: u32,
    /// When its time is over.
    pub(crate) expires_at: Timestamp,
    /// Deliveries that failed.
    pub(crate) delivery_count: u32,
    /// Its priority.
    pub(crate) priority: u8,
    /// Whether it was given to somebody before this delivery.
    pub(crate) redelivered: bool,
}

const _: () = assert!(size_of::<Option<Taken>>() == 40);

impl Taken {
    /// The message of a piece that is `at` places after its first.
    pub(crate) fn of_piece(piece: &Piece<'_>, at: u32) -> Self {
        Taken {
            index: piece.index,
            position: piece.position + u64::from(at),
            slot: piece.first_slot + at,
            size: piece.size(at),
            expires_at: piece.expires_at,
            delivery_count: 0,
            priority: piece.priority,
            redelivered: false,
        }
    }

    /// Where the record lies.
    pub(crate) fn message(&self) -> MessageRef {
        MessageRef { index: self.index, slot: self.slot }
    }
}

/// Held messages by sequence number.
#[derive(Clone, Debug)]
pub(crate) struct HeldMessages {
    /// The last places: the deque ends before `next_seq`.
    dense: VecDeque<Option<Taken>>,
    /// Messages from before the deque's first place.
    sparse: BTreeMap<u64, Taken>,
    next_seq: u64,
    count: u64,
}

impl Default for HeldMessages {
    fn default() -> Self {
        HeldMessages { dense: VecDeque::new(), sparse: BTreeMap::new(), next_seq: 1, count: 0 }
    }
}

impl HeldMessages {
    /// What a consumer held when a snapshot was taken. Numbers must be below `next_seq`.
    pub(crate) fn restored(next_seq: u64, held: BTreeMap<u64, Taken>) -> Self {
        let count = number::count(held.len());
        HeldMessages { dense: VecDeque::new(), sparse: held, next_seq, count }
    }

    /// The number of the next delivery.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The first number that is held.
    pub(crate) fn first(&self) -> Option<u64> {
        self.iter().next().map(|(seq, _)| seq)
    }

    /// How many are held.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Makes room for more at once.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.dense.reserve(more);
    }

    /// Holds a message under the next number.
    pub(crate) fn push(&mut self, message: Taken) {
        self.dense.push_back(Some(message));
        self.next_seq += 1;
        self.count += 1;
    }

    /// Passes over numbers of deliveries that are not held.
    pub(crate) fn skip(&mut self, count: u64) {
        self.next_seq += count;
        // The deque must end before `next_seq`: what it has becomes sparse.
        if !self.dense.is_empty() {
            self.spill_from(self.next_seq - count, 0);
        }
    }

    /// Gives up what is held in the range; numbers that are not held are passed over.
    pub(crate) fn release(&mut self, range: SeqRange, mut on_message: impl FnMut(&Taken)) {
        if range.first > range.last || self.count == 0 {
            return;
        }
        let dense_start = self.dense_start();
        if range.first < dense_start {
            while let Some((&seq, _)) = self.sparse.range(range.first..=range.last).next() {
                let message = self.sparse.remove(&seq).expect("it was just found");
                self.count -= 1;
                on_message(&message);
            }
        }
        if range.last >= dense_start && range.first < self.next_seq && !self.dense.is_empty() {
            self.release_dense(range, dense_start, on_message);
        }
        self.tidy();
    }

    fn release_dense(&mut self, range: SeqRange, start: u64, mut on_message: impl FnMut(&Taken)) {
        let from = place(range.first.max(start) - start);
        let to = place(range.last.min(self.next_seq - 1) - start);
        let mut released = 0;
        if from == 0 {
            for message in self.dense.drain(..=to).flatten() {
                released += 1;
                on_message(&message);
            }
        } else {
            for message in self.dense.range_mut(from..=to).filter_map(Option::take) {
                released += 1;
                on_message(&message);
            }
        }
        self.count -= released;
    }

    /// Everything that is held, with its number, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Taken)> {
        let dense = (self.dense_start()..).zip(&self.dense).filter_map(|(seq, held)| Some((seq, held.as_ref()?)));
        self.sparse.iter().map(|(seq, held)| (*seq, held)).chain(dense)
    }

    /// What does not hold, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let held = number::count(self.iter().count());
        if held != self.count {
            return Err(format!("{} messages are counted as held, {held} are", self.count));
        }
        if let Some((last, _)) = self.sparse.last_key_value()
            && *last >= self.dense_start()
        {
            return Err(format!("sparse number {last} is not before the dense ones"));
        }
        if self.dense.len() > HOLES_MAX + 2 * self.dense_held() {
            return Err(format!("{} places for {held} held messages", self.dense.len()));
        }
        Ok(())
    }

    fn dense_start(&self) -> u64 {
        self.next_seq - number::count(self.dense.len())
    }

    fn dense_held(&self) -> usize {
        place(self.count) - self.sparse.len()
    }

    fn tidy(&mut self) {
        if self.count == 0 {
            self.dense.clear();
            if self.dense.capacity() > KEPT_PLACES_MAX {
                self.dense = VecDeque::new();
            }
            return;
        }
        while let Some(None) = self.dense.front() {
            self.dense.pop_front();
        }
        let held = self.dense_held();
        if self.dense.len() > HOLES_MAX + 2 * held {
            self.spill_from(self.next_seq, HOLES_MAX);
        }
    }

    /// Moves messages from the deque's front to the tree until the deque has at most `holes_max` places more than twice its
    /// messages. The deque ends before `end`.
    fn spill_from(&mut self, end: u64, holes_max: usize) {
        let mut held = self.dense_held();
        let mut seq = end - number::count(self.dense.len());
        while holes_max == 0 || self.dense.len() > holes_max + 2 * held {
            let Some(place) = self.dense.pop_front() else { break };
            if let Some(message) = place {
                self.sparse.insert(seq, message);
                held -= 1;
            }
            seq += 1;
        }
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a place in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(position: u64) -> Taken {
        let expires_at = Timestamp(u64::MAX);
        let (slot, size, delivery_count, priority) = (0, 1, 0, 0);
        Taken { index: position, position, slot, size, expires_at, delivery_count, priority, redelivered: false }
    }

    fn holding(count: u64) -> HeldMessages {
        let mut held = HeldMessages::default();
        for position in 1..=count {
            held.push(message(position));
        }
        held
    }

    fn release(held: &mut HeldMessages, first: u64, last: u64) -> Vec<u64> {
        let mut released = Vec::new();
        held.release(SeqRange { first, last }, |message| released.push(message.position));
        held.check().unwrap();
        released
    }

    #[test]
    fn numbers_start_at_one_and_ranges_release_what_is_held_in_them() {
        let mut held = holding(10);
        assert_eq!(release(&mut held, 3, 5), [3, 4, 5]);
        assert_eq!(release(&mut held, 0, 4), [1, 2]);
        assert_eq!(release(&mut held, 5, 7), [6, 7]);
        assert_eq!(release(&mut held, 9, u64::MAX), [9, 10]);
        assert_eq!(release(&mut held, 0, u64::MAX), [8]);
        assert_eq!(release(&mut held, 0, u64::MAX), []);
        assert_eq!((held.count(), held.next_seq()), (0, 11));
    }

    #[test]
    fn a_range_that_ends_before_it_starts_releases_nothing() {
        let mut held = holding(3);
        assert_eq!(release(&mut held, 3, 1), []);
        assert_eq!(release(&mut held, u64::MAX, 0), []);
        assert_eq!(held.count(), 3);
    }

    #[test]
    fn one_message_held_for_ever_does_not_keep_memory_for_those_after_it() {
        let mut held = holding(1);
        for seq in 2..10_000 {
            held.push(message(seq));
            assert_eq!(release(&mut held, seq, seq), [seq]);
        }
        assert!(held.dense.len() <= HOLES_MAX + 2);
        assert_eq!(held.iter().map(|(seq, _)| seq).collect::<Vec<_>>(), [1]);
        assert_eq!(release(&mut held, 1, 1), [1]);
    }

    #[test]
    fn numbers_of_deliveries_that_are_not_held_are_passed_over() {
        let mut held = holding(2);
        held.skip(3);
        held.push(message(6));
        held.check().unwrap();
        assert_eq!(held.iter().map(|(seq, _)| seq).collect::<Vec<_>>(), [1, 2, 6]);
        assert_eq!(release(&mut held, 2, 6), [2, 6]);
        held.skip(1);
        assert_eq!(held.next_seq(), 8);
    }

    #[test]
    fn restored_messages_are_released_like_others() {
        let mut held = HeldMessages::restored(9, [(2, message(2)), (5, message(5))].into());
        held.push(message(9));
        held.check().unwrap();
        assert_eq!(release(&mut held, 3, 9), [5, 9]);
        assert_eq!(release(&mut held, 1, 2), [2]);
    }
}
