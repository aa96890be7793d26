//! The generator's clock: nanoseconds since the process began to measure, the same for all threads.

use std::time::{Duration, Instant};

/// A monotonic clock. Copies share their zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    zero: Instant,
}

impl Clock {
    /// A clock that starts now, at a value above zero, so that zero can stand for "never".
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Clock { zero: now.checked_sub(Duration::from_secs(1)).unwrap_or(now) }
    }

    /// Nanoseconds since the clock's zero.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The instant at which the clock shows that value.
    pub(crate) fn instant(&self, at_ns: u64) -> Instant {
        self.zero + Duration::from_nanos(at_ns)
    }
}
