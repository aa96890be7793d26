//! Dead letters that could not be delivered: when they are put back behind the others of their queue, to come again.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;
use types::{GroupId, QueueId};

/// The first pause. A target that is full, or a binding that is missing, is not mended sooner.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// The longest pause: what an operator who mends it has to wait for.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A dead letter that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// When it goes back.
    pub(crate) due: Instant,
    /// Its queue.
    pub(crate) queue: QueueId,
    /// Where the queue is.
    pub(crate) group: GroupId,
    /// Its number.
    pub(crate) number: u64,
}

/// All that wait, and how long those of each queue do.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    waiting: Vec<Waiting>,
    /// Of queues whose last dead letter could not be delivered.
    pauses: HashMap<QueueId, Duration>,
}

impl Retries {
    /// A dead letter could not be delivered.
    pub(crate) fn add(&mut self, now: Instant, queue: QueueId, group: GroupId, number: u64) {
        let pause = *self.pauses.entry(queue).or_insert(PAUSE_FIRST);
        self.waiting.push(Waiting { due: now + pause, queue, group, number });
    }

    /// One of the queue's dead letters was delivered.
    pub(crate) fn delivered(&mut self, queue: QueueId) {
        if !self.pauses.is_empty() {
            self.pauses.remove(&queue);
        }
    }

    /// What is in the way may be gone.
    pub(crate) fn hasten(&mut self, now: Instant) {
        self.pauses.clear();
        for waiting in &mut self.waiting {
            waiting.due = waiting.due.min(now + PAUSE_FIRST);
        }
    }

    /// Takes what is due. The next pause of its queues is longer.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Waiting> {
        let due: Vec<Waiting> = self.waiting.extract_if(.., |waiting| waiting.due <= now).collect();
        let mut queues: Vec<QueueId> = due.iter().map(|waiting| waiting.queue).collect();
        queues.sort_unstable();
        queues.dedup();
        for queue in queues {
            let pause = self.pauses.entry(queue).or_insert(PAUSE_FIRST);
            *pause = (*pause * 2).min(PAUSE_MAX);
        }
        due
    }

    /// When the first is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_a_letter_is_delivered() {
        let (mut retries, mut now) = (Retries::default(), Instant::now());
        let (queue, group) = (QueueId(1), GroupId(1));
        let mut pauses = Vec::new();
        for number in 1..8 {
            retries.add(now, queue, group, number);
            let due = retries.next().unwrap();
            pauses.push(due - now);
            assert_eq!(retries.take_due(due - Duration::from_millis(1)), []);
            assert_eq!(retries.take_due(due), [Waiting { due, queue, group, number }]);
            now = due;
        }
        assert_eq!(pauses[..3], [250, 500, 1000].map(Duration::from_millis));
        assert_eq!(pauses[6], PAUSE_MAX);
        retries.delivered(queue);
        retries.add(now, queue, group, 9);
        assert_eq!(retries.next(), Some(now + PAUSE_FIRST));
    }

    #[test]
    fn a_change_of_topology_shortens_what_waits() {
        let (mut retries, now) = (Retries::default(), Instant::now());
        for _ in 0..6 {
            retries.add(now, QueueId(1), GroupId(1), 1);
            retries.take_due(now + PAUSE_MAX);
        }
        retries.add(now, QueueId(1), GroupId(1), 2);
        assert_eq!(retries.next(), Some(now + PAUSE_MAX));
        retries.hasten(now);
        assert_eq!(retries.next(), Some(now + PAUSE_FIRST));
    }
}
