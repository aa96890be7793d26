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
    queues: Vec<QueueRef>,
    /// How many there were when repeats were last removed.
    deduplicated: usize,
    /// Exchanges that were found, in order, each once.
    exchanges: Vec<ShortStr>,
    /// How many of them were taken.
    taken: usize,
    /// The same, sorted.
    seen: Vec<ShortStr>,
    /// How often anything was found.
    found: usize,
    pub(crate) scratch: Scratch,
}

impl Routes {
    /// Nowhere.
    pub fn new() -> Self {
        Routes::default()
    }

    /// The queues, each once, by id.
    pub fn queues(&self) -> &[QueueRef] {
        &self.queues
    }

    /// Whether the message goes nowhere.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.queues.clear();
        self.deduplicated = 0;
        self.exchanges.clear();
        self.taken = 0;
        self.seen.clear();
        self.found = 0;
    }

    pub(crate) fn push(&mut self, queue: QueueRef) {
        self.found += 1;
        self.queues.push(queue);
        self.limit();
    }

    pub(crate) fn push_exchange(&mut self, name: &ShortStr) {
        self.found += 1;
        if let Err(place) = self.seen.binary_search(name) {
            self.seen.insert(place, name.clone());
            self.exchanges.push(name.clone());
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
        self.queues.extend_from_slice(targets.queues());
        self.limit();
        for name in targets.exchanges() {
            self.push_exchange(name);
        }
    }

    /// The next exchange that was found and not taken before.
    pub(crate) fn next_exchange(&mut self) -> Option<ShortStr> {
        let next = self.exchanges.get(self.taken)?.clone();
        self.taken += 1;
        Some(next)
    }

    /// How often anything was found, new or not.
    pub(crate) fn found(&self) -> usize {
        self.found
    }

    /// Sorts what came from several places, and removes repeats.
    pub(crate) fn finish(&mut self) {
        if !self.queues.is_sorted() {
            self.queues.sort_unstable();
        }
        self.queues.dedup();
        self.deduplicated = self.queues.len();
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.queues.capacity()
    }

    fn limit(&mut self) {
        if self.queues.len() > QUEUES_BEFORE_DEDUP.max(2 * self.deduplicated) {
            self.finish();
        }
    }
}
