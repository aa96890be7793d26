//! What all threads of a store share: whether it failed, what waits, and since when nothing was synced.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use tracing::error;

use crate::{Error, OnFatal, metrics::StoreMetrics};

pub(crate) struct Watch {
    pub(crate) metrics: StoreMetrics,
    on_fatal: OnFatal,
    failure: OnceLock<Error>,
    queued_bytes: AtomicUsize,
    /// Bodies that were deleted since the store was opened.
    dead_bodies: AtomicU64,
    /// Completions that were not called yet.
    waiting: AtomicU64,
    /// When work began to wait, or of the last sync since. Milliseconds after `epoch`.
    progress_ms: AtomicU64,
    /// Whether a part of a large checkpoint is written but not synced.
    part_unsynced: AtomicBool,
    epoch: Instant,
}

impl Watch {
    pub(crate) fn new(on_fatal: OnFatal) -> Self {
        Watch {
            metrics: StoreMetrics::new(),
            on_fatal,
            failure: OnceLock::new(),
            queued_bytes: AtomicUsize::new(0),
            dead_bodies: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            progress_ms: AtomicU64::new(0),
            part_unsynced: AtomicBool::new(false),
            epoch: Instant::now(),
        }
    }

    /// The store has failed for good; the first error is kept and reported, others follow from it.
    pub(crate) fn fail(&self, error: Error) {
        if self.failure.set(error.clone()).is_err() {
            return;
        }
        self.metrics.failed();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        error!(%error, cause, "storage failed, the node must stop");
        (self.on_fatal)(&error);
    }

    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failure.get()
    }

    pub(crate) fn queue(&self, bytes: usize, waits: bool) {
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if waits && self.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            self.progress_ms.store(self.now_ms(), Ordering::Relaxed);
        }
    }

    pub(crate) fn dequeue(&self, bytes: usize) {
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn bodies_died(&self, count: usize) {
        self.dead_bodies.fetch_add(u64::try_from(count).expect("a count fits 64 bits"), Ordering::Relaxed);
    }

    pub(crate) fn dead_bodies(&self) -> u64 {
        self.dead_bodies.load(Ordering::Relaxed)
    }

    /// A sync was completed, for whomever.
    pub(crate) fn progressed(&self) {
        self.progress_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// So many completions are about to be called.
    pub(crate) fn completed(&self, count: u64) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
    }

    pub(crate) fn stalled_ms(&self) -> u64 {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        self.now_ms().saturating_sub(self.progress_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn set_part_unsynced(&self, unsynced: bool) {
        self.part_unsynced.store(unsynced, Ordering::Release);
    }

    pub(crate) fn part_unsynced(&self) -> bool {
        self.part_unsynced.load(Ordering::Acquire)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).expect("the process does not run for 584 million years")
    }
}
