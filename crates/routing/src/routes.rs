//! The result of routing, with the memory that it takes to get there. Kept and used again, so that routing does not allocate.

use types::ShortStr;

use crate::{
    targets::{QueueRef, Target, Targets},
    topic::Scratch,
};

/// Repeats are removed on the way when there are more than this many queues, and twice as many as when they were last removed:
/// a message with many routing keys that all lead to the same many queues costs memory for those queues only.
const QUEUES_BEFORE_DEDUP: usize = 4_096;

/// The queues that a message goes to.
#[derive(Debug, Default)]
pub struct Routes {
    queues: Stops,
    /// Behind an exchange that delays the message.
    delayed: Stops,
    /// What comes now is behind one.
    is_delayed: bool,
    /// Queues in which exchanges keep their history, each once, and whether they are to get the message with a delay.
    histories: Vec<(QueueRef, bool)>,
    /// Exchanges that were found, in order, each once with and once without a delay.
    exchanges: Vec<(ShortStr, bool)>,
    /// How many of them were taken.
    taken: usize,
    /// The same, sorted.
    seen: Vec<(ShortStr, bool)>,
    /// How often anything was found.
    found: usize,
    pub(crate) scratch: Scratch,
}

/// Queues, as they are found.
#[derive(Debug, Default)]
struct Stops {
    queues: Vec<QueueRef>,
    /// How many there were when repeats were last removed.
    deduplicated: usize,
}

impl Routes {
    /// Nowhere.
    pub fn new() -> Self {
        Routes::default()
    }

    /// The queues that get the message at once, each once, by id.
    pub fn queues(&self) -> &[QueueRef] {
        &self.queues.queues
    }

    /// The queues that get the message after the delay that it asks for, each once, by id. A queue may be among
    /// [`Routes::queues`] too, when the message gets there in both ways.
    pub fn delayed(&self) -> &[QueueRef] {
        &self.delayed.queues
    }

    /// The queues in which exchanges on the way keep the message, and whether they do after the delay only. These are not its
    /// destinations: a message that is only kept is not routed.
    pub fn histories(&self) -> &[(QueueRef, bool)] {
        &self.histories
    }

    /// Whether the message goes nowhere, now or later.
    pub fn is_empty(&self) -> bool {
        self.queues.queues.is_empty() && self.delayed.queues.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.queues.clear();
        self.delayed.clear();
        self.is_delayed = false;
        self.histories.clear();
        self.exchanges.clear();
        self.taken = 0;
        self.seen.clear();
        self.found = 0;
    }

    /// What is found from now on gets the message with a delay, until another exchange is taken.
    pub(crate) fn delay(&mut self) {
        self.is_delayed = true;
    }

    /// Whether what is found now gets the message with a delay.
    pub(crate) fn is_delayed(&self) -> bool {
        self.is_delayed
    }

    /// An exchange keeps the message there.
    pub(crate) fn keep(&mut self, history: QueueRef) {
        if !self.histories.iter().any(|(there, _)| *there == history) {
            self.histories.push((history, self.is_delayed));
        }
    }

    pub(crate) fn push(&mut self, queue: QueueRef) {
        self.found += 1;
        self.stops().push(&[queue]);
    }

    pub(crate) fn push_exchange(&mut self, name: &ShortStr) {
        self.found += 1;
        let exchange = (name.clone(), self.is_delayed);
        if let Err(place) = self.seen.binary_search(&exchange) {
            self.seen.insert(place, exchange.clone());
            self.exchanges.push(exchange);
        }
    }

    pub(crate) fn push_target(&mut self, target: &Target) {
        match target {
            Target::Queue(queue) => self.push(*queue),
            Target::Exchange(name) => self.push_exchange(name),
        }
    }

    pub(crate) fn extend(&mut self, targets: &Targets) {
        self.found += targets.queues().len();
        self.stops().push(targets.queues());
        for name in targets.exchanges() {
            self.push_exchange(name);
        }
    }

    /// The next exchange that was found and not taken before; what is found from now on is behind it.
    pub(crate) fn next_exchange(&mut self) -> Option<ShortStr> {
        let (next, is_delayed) = self.exchanges.get(self.taken)?.clone();
        self.taken += 1;
        self.is_delayed = is_delayed;
        Some(next)
    }

    /// How often anything was found, new or not.
    pub(crate) fn found(&self) -> usize {
        self.found
    }

    /// Sorts what came from several places, and removes repeats.
    pub(crate) fn finish(&mut self) {
        self.queues.finish();
        self.delayed.finish();
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.queues.queues.capacity()
    }

    fn stops(&mut self) -> &mut Stops {
        if self.is_delayed { &mut self.delayed } else { &mut self.queues }
    }
}

impl Stops {
    fn push(&mut self, queues: &[QueueRef]) {
        self.queues.extend_from_slice(queues);
        if self.queues.len() > QUEUES_BEFORE_DEDUP.max(2 * self.deduplicated) {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if !self.queues.is_sorted() {
            self.queues.sort_unstable();
        }
        self.queues.dedup();
        self.deduplicated = self.queues.len();
    }

    fn clear(&mut self) {
        self.queues.clear();
        self.deduplicated = 0;
    }
}
