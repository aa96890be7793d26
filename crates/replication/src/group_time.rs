//! A group's time on the node that leads it: this node's clock, held near the others' ([`Health::time`](crate::health::Health::time)). Where
//! the group's own time is ahead of that, it does not stand still until the clock is there; it goes slower.

use parking_lot::Mutex;
use tokio::time::Instant;
use types::Timestamp;

use crate::health::millis;

/// A time that is ahead goes on at this part of its pace: what is due comes late by as much as it takes, and never not at all; and the
/// clock comes nearer.
const SLOWER: u64 = 2;

/// One group's time.
#[derive(Debug, Default)]
pub(crate) struct GroupTime {
    /// The latest time that was the clock's, or that the group had, and when that was.
    anchor: Mutex<Option<(Instant, Timestamp)>>,
}

impl GroupTime {
    /// The group's time is this, whatever the clock says: an earlier leader has stamped it.
    pub(crate) fn start(&self, time: Timestamp) {
        *self.anchor.lock() = Some((Instant::now(), time));
    }

    /// Now, where the clock says `clock`.
    pub(crate) fn read(&self, clock: Timestamp) -> Timestamp {
        self.read_at(Instant::now(), clock)
    }

    fn read_at(&self, now: Instant, clock: Timestamp) -> Timestamp {
        let mut anchor = self.anchor.lock();
        let ahead = anchor.map_or(clock, |(at, time)| time.plus_ms(millis(now.duration_since(at)) / SLOWER));
        if clock >= ahead {
            *anchor = Some((now, clock));
        }
        clock.max(ahead)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOON: Timestamp = Timestamp(43_200_000);

    /// Readings so many milliseconds after the first, of a clock that is so many milliseconds past noon.
    fn read(time: &GroupTime, readings: &[(u64, u64)]) -> Vec<u64> {
        let first = Instant::now();
        let read = |(passed, clock): &(u64, u64)| {
            time.read_at(first + Duration::from_millis(*passed), NOON.plus_ms(*clock)).0 - NOON.0
        };
        readings.iter().map(read).collect()
    }

    #[test]
    fn a_clock_that_goes_on_or_jumps_ahead_is_the_time() {
        assert_eq!(read(&GroupTime::default(), &[(0, 0), (10, 10), (11, 5000), (12, 5001)]), [0, 10, 5000, 5001]);
    }

    #[test]
    fn a_clock_that_is_set_back_slows_the_time_down_until_it_has_caught_up() {
        let readings = [(0, 60_000), (1, 0), (1000, 999), (120_000, 119_999), (120_010, 120_009)];
        let time = read(&GroupTime::default(), &readings);
        assert_eq!(time, [60_000, 60_000, 60_500, 120_000, 120_009], "nothing is lost by looking often");
    }

    #[test]
    fn a_leader_goes_on_from_where_the_group_is() {
        let time = GroupTime::default();
        time.start(NOON.plus_ms(2000));
        let readings = read(&time, &[(1000, 0), (5000, 5000)]);
        assert!((2500..2600).contains(&readings[0]), "{readings:?}");
        assert_eq!(readings[1], 5000);
    }
}
