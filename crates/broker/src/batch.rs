//! Messages that the broker itself gives to one group: dead letters, histories.

use queue::{Enqueue, EnqueueRun};
use types::{Blob, BlobBuilder, GroupId, RecordParts};

use crate::session::{
    outbox::body_size,
    route::{Asks, RoutePart},
};

/// A batch in the making.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Whose queues they are for.
    pub(crate) group: GroupId,
    blob: BlobBuilder,
    enqueue: Enqueue,
}

impl Batch {
    /// An empty one.
    pub(crate) fn new(group: GroupId) -> Self {
        Batch { group, blob: BlobBuilder::default(), enqueue: Enqueue::default() }
    }

    /// How large it has become. Unit: bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.blob.record_bytes()
    }

    /// Adds a message for these queues. `is_dead_letter`: its `x-death` is the broker's own.
    pub(crate) fn push(&mut self, part: &RoutePart, parts: &RecordParts<'_>, is_dead_letter: bool, asks: Asks) {
        let slot = if is_dead_letter { self.blob.push_dead_letter(parts) } else { self.blob.push(parts) };
        self.enqueue.sizes.push(body_size(parts.body));
        let runs = &mut self.enqueue.runs;
        for (queue, options) in part.runs(asks) {
            let run = runs
                .iter_mut()
                .rev()
                .find(|run| run.queue == queue && run.first_slot + run.count == slot && run.options == options);
            match run {
                Some(run) => run.count += 1,
                None => runs.push(EnqueueRun { queue, first_slot: slot, count: 1, options }),
            }
        }
    }

    /// What is submitted.
    pub(crate) fn finish(mut self) -> (Enqueue, Blob) {
        (self.enqueue, self.blob.finish())
    }
}
