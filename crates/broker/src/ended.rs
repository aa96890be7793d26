//! Queues that machines have ended, on their way out of metadata: a few at a time, each once, however many end at once (a node
//! that dies takes the last consumers of many with it).

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use metadata::Command;
use parking_lot::Mutex;
use replication::Metadata;
use telemetry::TaskKind;
use tracing::debug;
use types::QueueId;

/// How many are removed at once: enough to fill the metadata group's batches, and to leave room for clients' changes.
const WORKERS_MAX: usize = 16;

/// Queues to be removed from metadata.
#[derive(Debug, Default)]
pub(crate) struct EndedQueues(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<QueueId>,
    /// Those that wait and those whose removal is under way.
    known: BTreeSet<QueueId>,
    workers: usize,
}

/// Removes queues from metadata. Each is tried once: replication tells of it again until metadata has forgotten it.
pub(crate) fn forget(ended: &Arc<EndedQueues>, metadata: &Arc<dyn Metadata>, queues: impl Iterator<Item = QueueId>) {
    for _ in 0..ended.add(queues) {
        let (ended, metadata) = (Arc::clone(ended), Arc::clone(metadata));
        telemetry::spawn(TaskKind::Background, "forget-queues", async move {
            while let Some(queue) = ended.next() {
                if let Err(error) = metadata.propose(Command::DeleteQueue { queue }).await {
                    debug!(queue_id = %queue, %error, "an ended queue stays in metadata for now");
                }
                ended.done(queue);
            }
        });
    }
}

impl EndedQueues {
    /// Adds queues; returns how many workers are to begin.
    fn add(&self, queues: impl Iterator<Item = QueueId>) -> usize {
        let mut state = self.0.lock();
        for queue in queues {
            if state.known.insert(queue) {
                state.waiting.push_back(queue);
            }
        }
        let more = (WORKERS_MAX - state.workers).min(state.waiting.len());
        state.workers += more;
        more
    }

    /// The next for a worker; without one, the worker is over.
    fn next(&self) -> Option<QueueId> {
        let mut state = self.0.lock();
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.workers -= 1;
        }
        next
    }

    fn done(&self, queue: QueueId) {
        self.0.lock().known.remove(&queue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_queues_are_removed_by_few_workers_each_once() {
        let ended = EndedQueues::default();
        assert_eq!(ended.add((1..=3).map(QueueId)), 3);
        assert_eq!(ended.add((2..=100).map(QueueId)), WORKERS_MAX - 3);
        let mut seen = Vec::new();
        for _ in 0..WORKERS_MAX {
            while let Some(queue) = ended.next() {
                seen.push(queue);
                assert_eq!(ended.add(std::iter::once(queue)), 0, "it is under way");
                ended.done(queue);
            }
        }
        assert_eq!(seen, (1..=100).map(QueueId).collect::<Vec<_>>());
        assert_eq!(ended.add(std::iter::once(QueueId(1))), 1, "it is told of again, and all workers were over");
    }
}
