//! When each queue has something to do because time passes.

use std::collections::BTreeSet;

use types::{QueueId, Timestamp};

use super::NEVER;

/// Queues by their deadline.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines {
    queues: BTreeSet<(Timestamp, QueueId)>,
}

impl Deadlines {
    /// The earliest.
    pub(crate) fn first(&self) -> Option<(Timestamp, QueueId)> {
        self.queues.first().copied()
    }

    /// A queue's deadline changes; [`NEVER`] is none.
    pub(crate) fn change(&mut self, queue: QueueId, from: Timestamp, to: Timestamp) {
        if from != NEVER {
            self.queues.remove(&(from, queue));
        }
        if to != NEVER {
            self.queues.insert((to, queue));
        }
    }

    /// All, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Timestamp, QueueId)> {
        self.queues.iter().copied()
    }
}
