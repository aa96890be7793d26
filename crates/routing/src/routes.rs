//! The result of routing, with the memory that it takes to get there. Kept and used again, so that routing does not allocate.

use types::ShortStr;

use crate::{
    targets::{QueueRef, Targets},
    topic::Scratch,
};

/// The queues that a message goes to.
#[derive(Debug, Default)]
pub struct Routes {
    queues: Vec<QueueRef>,
    /// Exchanges that were found, in order, with repeats.
    exchanges: Vec<ShortStr>,
    /// How many of them were taken.
    taken: usize,
    /// Those that were taken, sorted.
    seen: Vec<ShortStr>,
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
        self.exchanges.clear();
        self.taken = 0;
        self.seen.clear();
    }

    pub(crate) fn push(&mut self, queue: QueueRef) {
        self.queues.push(queue);
    }

    pub(crate) fn push_exchange(&mut self, name: ShortStr) {
        self.exchanges.push(name);
    }

    pub(crate) fn has_exchanges(&self) -> bool {
        !self.exchanges.is_empty()
    }

    /// The next exchange that was found and not taken before.
    pub(crate) fn next_exchange(&mut self) -> Option<ShortStr> {
        while let Some(name) = self.exchanges.get(self.taken) {
            self.taken += 1;
            if let Err(place) = self.seen.binary_search(name) {
                self.seen.insert(place, name.clone());
                return Some(name.clone());
            }
        }
        None
    }

    pub(crate) fn extend(&mut self, targets: &Targets) {
        self.queues.extend_from_slice(targets.queues());
        self.exchanges.extend(targets.exchanges().iter().cloned());
    }

    /// How much was found so far; grows with everything that is found.
    pub(crate) fn found(&self) -> usize {
        self.queues.len() + self.exchanges.len()
    }

    /// Sorts what came from several places, and removes repeats.
    pub(crate) fn finish(&mut self) {
        if !self.queues.is_sorted() {
            self.queues.sort_unstable();
        }
        self.queues.dedup();
    }
}
