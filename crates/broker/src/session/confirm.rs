//! Publisher confirms: a message is confirmed when every group that it went to has answered.
//!
//! The usual message goes to one group; its number is kept with the chunk, as part of a range. Messages that go to several
//! groups share records here, one per run of messages with the same route in a batch.

use std::{collections::BTreeMap, sync::Arc};

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
}

/// What is to be told to a publisher.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    /// Confirmed.
    pub(crate) done: Vec<SeqRange>,
    /// Refused: whether they are in their queues is not known.
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
        let shared =
            SharedConfirm { numbers: vec![SeqRange::one(number)], answers_due: route.parts.len(), failed: false };
        self.waiting.insert(id, shared);
        self.open = Some((Arc::clone(route), id));
        id
    }

    /// The batch is submitted: its records are complete.
    pub(crate) fn seal(&mut self) {
        self.open = None;
    }

    /// A chunk was answered: what follows for the publisher.
    pub(crate) fn answered(&mut self, chunk: &mut PendingChunk, ok: bool) -> Verdicts {
        let mut verdicts = Verdicts::default();
        let own = std::mem::take(&mut chunk.confirms);
        if ok {
            verdicts.done = own;
        } else {
            verdicts.failed = own;
        }
        for id in chunk.shared.drain(..) {
            let Some(shared) = self.waiting.get_mut(&id) else { continue };
            shared.answers_due -= 1;
            shared.failed |= !ok;
            if shared.answers_due == 0
                && let Some(shared) = self.waiting.remove(&id)
            {
                let list = if shared.failed { &mut verdicts.failed } else { &mut verdicts.done };
                list.extend(shared.numbers);
            }
        }
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use types::{GroupId, QueueId};

    use super::*;

    fn two_groups() -> Arc<Route> {
        Arc::new(Route::new([(QueueId(1), GroupId(1)), (QueueId(2), GroupId(2))].into_iter()))
    }

    fn chunk(group: u32, shared: u64) -> PendingChunk {
        let mut chunk = PendingChunk::new(GroupId(group));
        chunk.shared.push(shared);
        chunk
    }

    #[test]
    fn a_message_of_two_groups_is_confirmed_by_the_second_answer() {
        let mut confirms = SharedConfirms::default();
        let route = two_groups();
        let id = confirms.add(5, &route);
        assert_eq!(confirms.add(6, &route), id);
        confirms.seal();
        assert_eq!(confirms.answered(&mut chunk(1, id), true), Verdicts::default());
        let both = vec![SeqRange { first: 5, last: 6 }];
        assert_eq!(confirms.answered(&mut chunk(2, id), true), Verdicts { done: both, failed: vec![] });
    }

    #[test]
    fn a_message_that_one_of_its_groups_failed_is_refused() {
        let mut confirms = SharedConfirms::default();
        let id = confirms.add(1, &two_groups());
        confirms.answered(&mut chunk(1, id), false);
        let verdicts = confirms.answered(&mut chunk(2, id), true);
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
}
