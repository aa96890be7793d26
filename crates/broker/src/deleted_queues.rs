//! Names of queues that were deleted a short while ago: who hears from a queue's group that the queue is gone may want to know whether there is
//! another one of its name.

use std::collections::{BTreeMap, VecDeque};

use metadata::Event;
use parking_lot::Mutex;
use types::{QueueId, ShortStr};

/// Names that are kept, a few hundred bytes each at most: more than are deleted while an answer is under way.
const KEPT_MAX: usize = 16_384;

#[derive(Debug, Default)]
pub(crate) struct DeletedQueues(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Vhost and name.
    names: BTreeMap<QueueId, (ShortStr, ShortStr)>,
    /// In the order in which they went.
    order: VecDeque<QueueId>,
}

impl DeletedQueues {
    /// Notes which queues went.
    pub(crate) fn apply(&self, events: &[Event]) {
        let mut gone = events.iter().filter_map(|event| match event {
            Event::QueueDeleted { vhost, name, queue, .. } => Some((*queue, vhost, name)),
            _ => None,
        });
        let Some(first) = gone.next() else { return };
        let mut kept = self.0.lock();
        for (queue, vhost, name) in std::iter::once(first).chain(gone) {
            kept.names.insert(queue, (vhost.clone(), name.clone()));
            kept.order.push_back(queue);
            if kept.order.len() > KEPT_MAX
                && let Some(oldest) = kept.order.pop_front()
            {
                kept.names.remove(&oldest);
            }
        }
    }

    /// Vhost and name of a queue that went a short while ago.
    pub(crate) fn name_of(&self, queue: QueueId) -> Option<(ShortStr, ShortStr)> {
        self.0.lock().names.get(&queue).cloned()
    }
}

#[cfg(test)]
mod tests {
    use types::GroupId;

    use super::*;

    #[test]
    fn the_latest_names_are_kept() {
        let deleted = DeletedQueues::default();
        let most = u64::try_from(KEPT_MAX).unwrap();
        for id in 1..=most + 2 {
            let (vhost, name) = (ShortStr::from_static("/"), ShortStr::from_static("q"));
            deleted.apply(&[Event::QueueDeleted { vhost, name, queue: QueueId(id), group: GroupId(1) }]);
        }
        assert_eq!(deleted.name_of(QueueId(2)), None);
        assert!(deleted.name_of(QueueId(3)).is_some() && deleted.name_of(QueueId(most + 2)).is_some());
    }
}
