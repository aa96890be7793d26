//! Publisher confirms: a message is confirmed when every group that it went to has answered, and refused when a queue of one
//! of them did not take it.
//!
//! The usual message goes to one group; its number is kept with the chunk, as part of a range. Messages that go to several
//! groups share records here, one per run of messages with the same route in a batch.

use std::{collections::BTreeMap, sync::Arc};

use queue::SlotRange;
use types::SeqRange;

use super::{chunk::PendingChunk, ranges, route::Route};

/// Publishes of one channel that several groups were given.
#[derive(Debug, Default)]
pub(crate) struct SharedConfirms {
    next_id: u64,
    waiting: BTreeMap<u64, SharedConfirm>,
    /// The record of the last message of this batch, which the next with the same route joins.
    open: Option<(Arc<Route>, u64)>,
}

#[derive(Debug)]
struct SharedConfirm {
    numbers: Vec<SeqRange>,
    answers_due: usize,
    failed: bool,
    /// Those that a queue did not take, in no order.
    rejected: Vec<SeqRange>,
}

/// What became of a chunk's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate<'a> {
    /// They are in their queues, but for these slots (ascending, not overlapping).
    Applied(&'a [SlotRange]),
    /// It is not known.
    Unknown,
}

/// What is to be told to a publisher.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    /// Confirmed.
    pub(crate) done: Vec<SeqRange>,
    /// Refused: they are not in all of their queues, or it is not known.
    pub(crate) failed: Vec<SeqRange>,
}

impl SharedConfirms {
    /// Adds a message with that route; returns the record's id, to be noted with the chunk of each part of the route.
    pub(crate) fn add(&mut self, number: u64, route: &Arc<Route>) -> u64 {
        if let Some((open, id)) = &self.open
            && Arc::ptr_eq(open, route)
            && let Some(shared) = self.waiting.get_mut(id)
        {
            ranges::add(&mut shared.numbers, SeqRange::one(number));
            return *id;
        }
        let id = self.next_id;
        self.next_id += 1;
        let shared = SharedConfirm {
            numbers: vec![SeqRange::one(number)],
            answers_due: route.parts.len(),
            failed: false,
            rejected: Vec::new(),
        };
        self.waiting.insert(id, shared);
        self.open = Some((Arc::clone(route), id));
        id
    }

    /// The batch is submitted: its records are complete.
    pub(crate) fn seal(&mut self) {
        self.open = None;
    }

    /// A chunk was answered: what follows for the publisher.
    pub(crate) fn answered(&mut self, chunk: &PendingChunk, fate: Fate<'_>) -> Verdicts {
        let mut verdicts = Verdicts::default();
        let own = chunk.confirms.iter().map(|entry| entry.numbers);
        match fate {
            Fate::Unknown => verdicts.failed.extend(own),
            Fate::Applied([]) => verdicts.done.extend(own),
            Fate::Applied(slots) => {
                let rejected = chunk.confirms.iter().flat_map(|entry| entry.numbers_in(slots));
                verdicts.split(own.collect(), rejected.collect());
            }
        }
        for parts in chunk.shared.chunk_by(|one, next| one.id == next.id) {
            let id = parts[0].id;
            let Some(shared) = self.waiting.get_mut(&id) else { continue };
            shared.answers_due -= 1;
            match fate {
                Fate::Unknown => shared.failed = true,
                Fate::Applied(slots) => {
                    shared.rejected.extend(parts.iter().flat_map(|part| part.publishes.numbers_in(slots)));
                }
            }
            if shared.answers_due == 0
                && let Some(shared) = self.waiting.remove(&id)
            {
                if shared.failed {
                    verdicts.failed.extend(shared.numbers);
                } else {
                    verdicts.split(shared.numbers, shared.rejected);
                }
            }
        }
        verdicts
    }
}

impl Verdicts {
    /// Adds messages of which some were rejected.
    fn split(&mut self, numbers: Vec<SeqRange>, mut rejected: Vec<SeqRange>) {
        if rejected.is_empty() {
            self.done.extend(numbers);
            return;
        }
        ranges::normalize(&mut rejected);
        self.done.extend(ranges::without(&numbers, &rejected));
        self.failed.extend(rejected);
    }
}

#[cfg(test)]
mod tests {
    use types::{GroupId, QueueId};

    use super::*;

    const TAKEN: Fate<'static> = Fate::Applied(&[]);

    fn two_groups() -> Arc<Route> {
        let queue = |id, group| routing::QueueRef { queue: QueueId(id), group: GroupId(group) };
        Arc::new(Route::to([queue(1, 1), queue(2, 2)]))
    }

    fn chunk(group: u32, shared: u64, numbers: impl Iterator<Item = u64>) -> PendingChunk {
        let mut chunk = PendingChunk::new(GroupId(group));
        for (slot, number) in (0..).zip(numbers) {
            chunk.number_shared(shared, slot, number);
        }
        chunk
    }

    #[test]
    fn a_message_of_two_groups_is_confirmed_by_the_second_answer() {
        let mut confirms = SharedConfirms::default();
        let route = two_groups();
        let id = confirms.add(5, &route);
        assert_eq!(confirms.add(6, &route), id);
        confirms.seal();
        assert_eq!(confirms.answered(&chunk(1, id, 5..=6), TAKEN), Verdicts::default());
        let both = vec![SeqRange { first: 5, last: 6 }];
        assert_eq!(confirms.answered(&chunk(2, id, 5..=6), TAKEN), Verdicts { done: both, failed: vec![] });
    }

    #[test]
    fn a_message_that_one_of_its_groups_failed_is_refused() {
        let mut confirms = SharedConfirms::default();
        let id = confirms.add(1, &two_groups());
        confirms.answered(&chunk(1, id, 1..=1), Fate::Unknown);
        let verdicts = confirms.answered(&chunk(2, id, 1..=1), TAKEN);
        assert_eq!(verdicts, Verdicts { done: vec![], failed: vec![SeqRange::one(1)] });
    }

    #[test]
    fn messages_of_different_batches_do_not_share_a_record() {
        let mut confirms = SharedConfirms::default();
        let route = two_groups();
        let first = confirms.add(1, &route);
        confirms.seal();
        assert_ne!(confirms.add(2, &route), first);
    }

    #[test]
    fn exactly_the_messages_that_a_queue_rejected_are_refused() {
        let mut confirms = SharedConfirms::default();
        let mut pending = PendingChunk::new(GroupId(1));
        for (slot, number) in (4..).zip(1..=5) {
            pending.number(slot, number);
        }
        let rejected = [SlotRange { first: 5, count: 2 }, SlotRange { first: 8, count: 1 }];
        let verdicts = confirms.answered(&pending, Fate::Applied(&rejected));
        assert_eq!(verdicts.done, [SeqRange::one(1), SeqRange::one(4)]);
        assert_eq!(verdicts.failed, [SeqRange { first: 2, last: 3 }, SeqRange::one(5)]);
    }

    #[test]
    fn what_any_of_several_groups_rejected_is_refused() {
        let mut confirms = SharedConfirms::default();
        let route = two_groups();
        let id = confirms.add(1, &route);
        for number in 2..=4 {
            confirms.add(number, &route);
        }
        let (of_one, of_two) = ([SlotRange { first: 3, count: 1 }], [SlotRange { first: 1, count: 1 }]);
        assert_eq!(confirms.answered(&chunk(1, id, 1..=4), Fate::Applied(&of_one)), Verdicts::default());
        let verdicts = confirms.answered(&chunk(2, id, 1..=4), Fate::Applied(&of_two));
        assert_eq!(verdicts.done, [SeqRange::one(1), SeqRange::one(3)]);
        assert_eq!(verdicts.failed, [SeqRange::one(2), SeqRange::one(4)]);
    }
}
