//! Where one set of equal bindings leads.

use types::{GroupId, QueueId, ShortStr};

/// A queue and the group that its messages are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueRef {
    /// The queue.
    pub queue: QueueId,
    /// Where its messages are.
    pub group: GroupId,
}

/// Destinations, sorted. One that is there twice was bound twice (with arguments that do not matter here), and stays until it
/// was unbound twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Targets {
    queues: Vec<QueueRef>,
    exchanges: Vec<ShortStr>,
}

/// A destination that the table has looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Queue(QueueRef),
    Exchange(ShortStr),
}

impl Targets {
    pub(crate) fn add(&mut self, target: &Target) {
        match target {
            Target::Queue(queue) => insert(&mut self.queues, *queue),
            Target::Exchange(name) => insert(&mut self.exchanges, name.clone()),
        }
    }

    /// Takes one away; whether it was there.
    pub(crate) fn remove(&mut self, target: &Target) -> bool {
        match target {
            Target::Queue(queue) => take(&mut self.queues, queue),
            Target::Exchange(name) => take(&mut self.exchanges, name),
        }
    }

    /// Takes it away, however often it is there.
    pub(crate) fn forget(&mut self, target: &Target) {
        while self.remove(target) {}
    }

    pub(crate) fn contains(&self, target: &Target) -> bool {
        match target {
            Target::Queue(queue) => self.queues.binary_search(queue).is_ok(),
            Target::Exchange(name) => self.exchanges.binary_search(name).is_ok(),
        }
    }

    /// How many there are, with repeats.
    pub(crate) fn len(&self) -> usize {
        self.queues.len() + self.exchanges.len()
    }

    /// One of them, in an order that depends on nothing but what is there.
    pub(crate) fn get(&self, at: usize) -> Option<Target> {
        match self.queues.get(at) {
            Some(queue) => Some(Target::Queue(*queue)),
            None => self.exchanges.get(at - self.queues.len()).cloned().map(Target::Exchange),
        }
    }

    /// All of them, with repeats.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Target> {
        let queues = self.queues.iter().map(|queue| Target::Queue(*queue));
        queues.chain(self.exchanges.iter().cloned().map(Target::Exchange))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.exchanges.is_empty()
    }

    /// Sorted; may hold repeats.
    pub(crate) fn queues(&self) -> &[QueueRef] {
        &self.queues
    }

    /// Sorted; may hold repeats.
    pub(crate) fn exchanges(&self) -> &[ShortStr] {
        &self.exchanges
    }
}

fn insert<T: Ord>(list: &mut Vec<T>, item: T) {
    if list.is_empty() {
        // Most keys have one destination: do not keep room for four.
        list.reserve_exact(1);
    }
    let at = list.partition_point(|there| *there <= item);
    list.insert(at, item);
}

fn take<T: Ord>(list: &mut Vec<T>, item: &T) -> bool {
    match list.binary_search(item) {
        Ok(at) => {
            list.remove(at);
            if list.is_empty() {
                list.shrink_to_fit();
            }
            true
        }
        Err(_) => false,
    }
}
