//! A chunk in flight: what is to happen when its answers come.

use queue::SlotRange;
use types::{GroupId, QueueId, SeqRange};

/// What a channel remembers of a chunk that it submitted.
#[derive(Debug)]
pub(crate) struct PendingChunk {
    /// Who answers.
    pub(crate) group: GroupId,
    /// What it weighs in the connection's bytes in flight.
    pub(crate) bytes: usize,
    /// Publishes that this group alone was given.
    pub(crate) confirms: Vec<Numbered>,
    /// Publishes that several groups were given.
    pub(crate) shared: Vec<SharedPart>,
    /// A queue that publishes go to,
    queue: Option<QueueId>,
    /// and the others; some may be there several times.
    more_queues: Vec<QueueId>,
    /// It is part of a transaction's commit.
    pub(crate) is_commit: bool,
    /// The positions, ascending, of the commands whose answers operations of the channel wait for, and which operations.
    pub(crate) expected: Vec<(usize, u64)>,
}

/// Publishes in consecutive slots of a chunk, with consecutive confirm sequence numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    /// The slot of the first.
    pub(crate) first_slot: u32,
    /// Their numbers.
    pub(crate) numbers: SeqRange,
}

/// Publishes of a chunk that belong to a record of the channel's [`SharedConfirms`](super::confirm::SharedConfirms).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharedPart {
    /// The record's id.
    pub(crate) id: u64,
    /// The publishes.
    pub(crate) publishes: Numbered,
}

impl PendingChunk {
    /// Nothing is expected yet.
    pub(crate) fn new(group: GroupId) -> Self {
        PendingChunk {
            group,
            bytes: 0,
            confirms: Vec::new(),
            shared: Vec::new(),
            queue: None,
            more_queues: Vec::new(),
            is_commit: false,
            expected: Vec::new(),
        }
    }

    /// Notes where publishes go.
    pub(crate) fn note_queues(&mut self, queues: impl Iterator<Item = QueueId>) {
        for queue in queues {
            if self.queue.is_none() {
                self.queue = Some(queue);
            } else if self.queue != Some(queue) && self.more_queues.last() != Some(&queue) {
                self.more_queues.push(queue);
            }
        }
    }

    /// Whether somebody waits for confirms.
    pub(crate) fn has_confirms(&self) -> bool {
        !self.confirms.is_empty() || !self.shared.is_empty()
    }

    /// Where its publishes go.
    pub(crate) fn queues(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.queue.into_iter().chain(self.more_queues.iter().copied())
    }

    /// Notes a publish that this group alone is given.
    pub(crate) fn number(&mut self, slot: u32, number: u64) {
        match self.confirms.last_mut() {
            Some(last) if last.is_continued_by(slot, number) => last.numbers.last = number,
            _ => self.confirms.push(Numbered { first_slot: slot, numbers: SeqRange::one(number) }),
        }
    }

    /// Notes a publish of a shared record.
    pub(crate) fn number_shared(&mut self, id: u64, slot: u32, number: u64) {
        match self.shared.last_mut() {
            Some(last) if last.id == id && last.publishes.is_continued_by(slot, number) => {
                last.publishes.numbers.last = number;
            }
            _ => {
                let publishes = Numbered { first_slot: slot, numbers: SeqRange::one(number) };
                self.shared.push(SharedPart { id, publishes });
            }
        }
    }
}

impl Numbered {
    fn is_continued_by(&self, slot: u32, number: u64) -> bool {
        number == self.numbers.last + 1 && u64::from(slot - self.first_slot) == self.numbers.count()
    }

    /// The numbers of those that are in `slots`, which ascend and do not overlap.
    pub(crate) fn numbers_in<'a>(&'a self, slots: &'a [SlotRange]) -> impl Iterator<Item = SeqRange> + 'a {
        let first = u64::from(self.first_slot);
        let last = first + self.numbers.count() - 1;
        let from = slots.partition_point(|range| u64::from(range.first) + u64::from(range.count) <= first);
        slots[from..].iter().take_while(move |range| u64::from(range.first) <= last).map(move |range| {
            let (start, end) = (u64::from(range.first), u64::from(range.first) + u64::from(range.count) - 1);
            SeqRange {
                first: self.numbers.first + (start.max(first) - first),
                last: self.numbers.first + (end.min(last) - first),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(ranges: &[(u32, u32)]) -> Vec<SlotRange> {
        ranges.iter().map(|(first, count)| SlotRange { first: *first, count: *count }).collect()
    }

    #[test]
    fn publishes_in_a_row_are_one_entry() {
        let mut chunk = PendingChunk::new(GroupId(1));
        for (slot, number) in [(2, 7), (3, 8), (5, 9), (6, 11)] {
            chunk.number(slot, number);
        }
        let numbers: Vec<_> = chunk.confirms.iter().map(|entry| (entry.first_slot, entry.numbers.count())).collect();
        assert_eq!(numbers, [(2, 2), (5, 1), (6, 1)]);
    }

    #[test]
    fn rejected_slots_lead_to_their_numbers() {
        let numbered = Numbered { first_slot: 10, numbers: SeqRange { first: 101, last: 105 } };
        let rejected = slots(&[(0, 3), (8, 3), (12, 2), (14, 9), (30, 1)]);
        let numbers: Vec<_> = numbered.numbers_in(&rejected).map(|range| (range.first, range.last)).collect();
        assert_eq!(numbers, [(101, 101), (103, 104), (105, 105)]);
        assert_eq!(numbered.numbers_in(&slots(&[(0, 10), (15, 1)])).count(), 0);
    }
}
