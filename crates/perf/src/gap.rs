//! The longest time without confirms: of any one publisher, and of all together. The measure of a fault.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::Serialize;

use crate::units::{float, ns_to_seconds};

/// A time without confirms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Gap {
    /// How long it was.
    pub(crate) ms: f64,
    /// When it began. Unit: seconds since publishing began.
    pub(crate) at_seconds: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Longest {
    length_ns: u64,
    from_ns: u64,
}

/// Watches over the confirms of all publishers. Times are those of the generator's clock; zero stands for "not yet".
#[derive(Debug)]
pub(crate) struct GapWatch {
    from_ns: AtomicU64,
    until_ns: AtomicU64,
    last_of_all_ns: AtomicU64,
    /// Lets most confirms pass without a lock.
    longest_of_one_ns: AtomicU64,
    of_one: Mutex<Longest>,
    of_all: Mutex<Longest>,
}

impl Default for GapWatch {
    fn default() -> Self {
        GapWatch {
            from_ns: AtomicU64::new(0),
            until_ns: AtomicU64::new(u64::MAX),
            last_of_all_ns: AtomicU64::new(0),
            longest_of_one_ns: AtomicU64::new(0),
            of_one: Mutex::default(),
            of_all: Mutex::default(),
        }
    }
}

impl GapWatch {
    /// Begins to measure; what was before does not count.
    pub(crate) fn start(&self, now_ns: u64) {
        self.last_of_all_ns.store(now_ns, Ordering::Relaxed);
        self.from_ns.store(now_ns, Ordering::Relaxed);
    }

    /// Ends measuring: of a wait that lasts longer, the part until now counts.
    pub(crate) fn stop(&self, now_ns: u64) {
        self.until_ns.store(now_ns, Ordering::Relaxed);
    }

    /// A publisher has confirms after a wait that began at `waiting_since_ns`.
    pub(crate) fn confirmed(&self, waiting_since_ns: u64, now_ns: u64) {
        let last = self.last_of_all_ns.fetch_max(now_ns, Ordering::Relaxed);
        self.waited(waiting_since_ns, now_ns, last);
    }

    /// A publisher gives up waiting.
    pub(crate) fn still_waiting(&self, waiting_since_ns: u64, now_ns: u64) {
        let last = self.last_of_all_ns.load(Ordering::Relaxed);
        self.waited(waiting_since_ns, now_ns, last);
    }

    fn waited(&self, since_ns: u64, now_ns: u64, last_of_all_ns: u64) {
        let from = self.from_ns.load(Ordering::Relaxed);
        if from == 0 {
            return;
        }
        let now_ns = now_ns.min(self.until_ns.load(Ordering::Relaxed));
        let since = since_ns.max(from);
        // Nobody else was confirmed either: since the later of this one's wait and the last confirm of all.
        note(&self.of_all, since.max(last_of_all_ns), now_ns);
        if now_ns.saturating_sub(since) > self.longest_of_one_ns.load(Ordering::Relaxed) {
            let longest = note(&self.of_one, since, now_ns);
            self.longest_of_one_ns.fetch_max(longest, Ordering::Relaxed);
        }
    }

    /// The longest gap of one publisher and of all together. Without any: zero.
    pub(crate) fn longest(&self, began_ns: u64) -> (Gap, Gap) {
        let gap = |longest: Longest| Gap {
            ms: float(longest.length_ns) / 1e6,
            at_seconds: ns_to_seconds(longest.from_ns.saturating_sub(began_ns)),
        };
        (gap(*self.of_one.lock()), gap(*self.of_all.lock()))
    }
}

fn note(longest: &Mutex<Longest>, from_ns: u64, now_ns: u64) -> u64 {
    let length_ns = now_ns.saturating_sub(from_ns);
    let mut longest = longest.lock();
    if length_ns > longest.length_ns {
        *longest = Longest { length_ns, from_ns };
    }
    longest.length_ns
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn one_publishers_gap_can_be_longer_than_that_of_all() {
        let watch = GapWatch::default();
        watch.start(100 * MS);
        watch.confirmed(100 * MS, 110 * MS);
        watch.confirmed(100 * MS, 150 * MS);
        watch.confirmed(110 * MS, 170 * MS);
        let (one, all) = watch.longest(0);
        assert_eq!((one.ms, one.at_seconds), (60.0, 0.11));
        assert_eq!((all.ms, all.at_seconds), (40.0, 0.11));
    }

    #[test]
    fn what_is_outside_the_measured_time_does_not_count() {
        let watch = GapWatch::default();
        watch.confirmed(MS, 500 * MS);
        watch.start(600 * MS);
        watch.confirmed(500 * MS, 605 * MS);
        watch.stop(610 * MS);
        watch.confirmed(605 * MS, 9_000 * MS);
        watch.confirmed(9_000 * MS, 9_900 * MS);
        let (one, all) = watch.longest(600 * MS);
        assert_eq!((one.ms, one.at_seconds, all.ms), (5.0, 0.0, 5.0));
    }

    #[test]
    fn a_wait_that_never_ended_counts() {
        let watch = GapWatch::default();
        watch.start(MS);
        watch.confirmed(MS, 2 * MS);
        watch.still_waiting(2 * MS, 3_002 * MS);
        assert_eq!(watch.longest(0).0.ms, 3_000.0);
    }

    #[test]
    fn a_publisher_that_was_idle_has_no_gap() {
        let watch = GapWatch::default();
        watch.start(MS);
        watch.confirmed(1_000 * MS, 1_001 * MS);
        assert_eq!(watch.longest(0).0.ms, 1.0);
        assert_eq!(watch.longest(0).1.ms, 1.0, "nobody waited before");
    }
}
