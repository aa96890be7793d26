//! Which dead letters of other queues came in before.

use std::collections::{BTreeMap, BTreeSet};

use types::QueueId;

/// So many numbers that were refused are remembered for each source: more than are on their way at once.
const REFUSED_MAX: usize = 1024;

/// All queues whose dead letters came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    queues: BTreeMap<QueueId, Source>,
}

/// How far a queue's dead letters came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// The greatest number.
    pub(crate) up_to: u64,
    /// Numbers up to there that did not come in, as there was no room. If the answer is lost they come again.
    pub(crate) refused: BTreeSet<u64>,
}

impl Sources {
    /// Whether a dead letter did not come in before.
    pub(crate) fn is_new(&self, queue: QueueId, number: u64) -> bool {
        self.queues.get(&queue).is_none_or(|source| number > source.up_to || source.refused.contains(&number))
    }

    /// A dead letter came; `refused`: there was no room for it somewhere.
    pub(crate) fn note(&mut self, queue: QueueId, number: u64, refused: bool) {
        let source = self.queues.entry(queue).or_default();
        source.up_to = source.up_to.max(number);
        if !refused {
            source.refused.remove(&number);
        } else if source.refused.insert(number) && source.refused.len() > REFUSED_MAX {
            source.refused.pop_first();
        }
    }

    /// A queue is over.
    pub(crate) fn forget(&mut self, queue: QueueId) {
        self.queues.remove(&queue);
    }

    /// All, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (QueueId, &Source)> {
        self.queues.iter().map(|(queue, source)| (*queue, source))
    }

    /// Adds one from a snapshot; false when it is out of order.
    pub(crate) fn restore(&mut self, queue: QueueId, source: Source) -> bool {
        let is_next = self.queues.last_key_value().is_none_or(|(last, _)| *last < queue);
        self.queues.insert(queue, source);
        is_next
    }
}
