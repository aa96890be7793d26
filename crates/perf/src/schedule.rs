//! When messages are due: an open-loop schedule that does not wait for the broker, so that a stall shows in the latency of
//! every message that was due in it.

use crate::units::{float, whole};

/// Messages that come faster than this are due in groups, since each group costs the generator a wake-up.
const GROUP_NS: f64 = 200_000.0;

/// The schedule of one publisher.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    first_ns: u64,
    interval_ns: f64,
}

impl Schedule {
    /// Starts at `first_ns`, at `rate` messages per second, which must be positive.
    pub(crate) fn new(first_ns: u64, rate: f64) -> Self {
        Schedule { first_ns, interval_ns: 1e9 / rate }
    }

    /// When the message of that number, from zero, is due.
    #[inline]
    pub(crate) fn due_ns(&self, number: u64) -> u64 {
        let after = float(number) * self.interval_ns;
        let after = if self.interval_ns < GROUP_NS { (after / GROUP_NS).ceil() * GROUP_NS } else { after };
        self.first_ns + whole(after)
    }

    /// When the publisher is to be woken for the time of that number: at each message, or at each group.
    pub(crate) fn wake_ns(&self, number: u64) -> u64 {
        self.first_ns + whole(float(number) * self.interval_ns.max(GROUP_NS))
    }

    /// The number of the first wake-up after `now_ns`.
    pub(crate) fn wake_after(&self, now_ns: u64) -> u64 {
        let Some(passed) = now_ns.checked_sub(self.first_ns) else {
            return 0;
        };
        whole(float(passed) / self.interval_ns.max(GROUP_NS)) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_at_equal_distances() {
        let schedule = Schedule::new(1_000, 1_000.0);
        assert_eq!((0..3).map(|number| schedule.due_ns(number)).collect::<Vec<_>>(), [1_000, 1_001_000, 2_001_000]);
    }

    #[test]
    fn fast_schedules_keep_their_rate_in_groups() {
        let schedule = Schedule::new(0, 50_000.0);
        let due: Vec<u64> = (0..=20).map(|number| schedule.due_ns(number)).collect();
        assert_eq!(due[0], 0);
        assert!(due[1..=10].iter().all(|due| *due == 200_000), "{due:?}");
        assert!(due[11..].iter().all(|due| *due == 400_000), "{due:?}");
    }

    #[test]
    fn a_wake_up_follows_now() {
        for rate in [0.5, 1_000.0, 50_000.0] {
            let schedule = Schedule::new(5_000, rate);
            assert_eq!(schedule.wake_after(0), 0);
            for now in [5_000, 123_456_789, 9_876_543_210] {
                let next = schedule.wake_after(now);
                assert!(schedule.wake_ns(next) > now);
                assert!(next == 0 || schedule.wake_ns(next - 1) <= now);
            }
        }
    }
}
