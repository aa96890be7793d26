//! What is counted and timed while load runs. Workers add to an [`Interval`] once per read or write of a socket; the
//! coordinator collects the intervals.

use std::{mem, sync::Arc};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Serialize;

/// Longest latency that is told apart, one hour. Unit: microseconds.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// Significant digits of latencies: an error below one in a thousand.
const LATENCY_DIGITS: u8 = 3;

/// Counts over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Messages published for the first time.
    pub(crate) sent: u64,
    /// Messages confirmed.
    pub(crate) confirmed: u64,
    /// Messages refused by the broker with `basic.nack`.
    pub(crate) nacked: u64,
    /// Messages published again after a connection was lost.
    pub(crate) republished: u64,
    /// Deliveries.
    pub(crate) consumed: u64,
    /// Deliveries that said so to be repeated.
    pub(crate) redelivered: u64,
    /// Deliveries of messages that an earlier run left behind, or another program.
    pub(crate) foreign: u64,
    /// Connections that were lost.
    pub(crate) disconnects: u64,
    /// Times that the broker blocked a connection.
    pub(crate) blocked: u64,
}

impl Counts {
    /// Adds other counts.
    pub(crate) fn add(&mut self, other: &Counts) {
        self.sent += other.sent;
        self.confirmed += other.confirmed;
        self.nacked += other.nacked;
        self.republished += other.republished;
        self.consumed += other.consumed;
        self.redelivered += other.redelivered;
        self.foreign += other.foreign;
        self.disconnects += other.disconnects;
        self.blocked += other.blocked;
    }
}

/// Latencies, gathered in runs of equal start times: messages of one burst share theirs.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    histogram: Histogram<u64>,
    start_ns: u64,
    end_ns: u64,
    count: u64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        let histogram =
            Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS).expect("the bounds are constants that fit");
        Latencies { histogram, start_ns: 0, end_ns: 0, count: 0 }
    }

    /// Notes one message.
    #[inline]
    pub(crate) fn record(&mut self, start_ns: u64, end_ns: u64) {
        if self.start_ns == start_ns && self.end_ns == end_ns {
            self.count += 1;
        } else {
            self.settle();
            (self.start_ns, self.end_ns, self.count) = (start_ns, end_ns, 1);
        }
    }

    fn settle(&mut self) {
        if self.count > 0 {
            let us = self.end_ns.saturating_sub(self.start_ns) / 1000;
            self.histogram.saturating_record_n(us.max(1), self.count);
            self.count = 0;
        }
    }

    /// All that was noted.
    pub(crate) fn histogram(&mut self) -> &Histogram<u64> {
        self.settle();
        &self.histogram
    }

    /// Adds other latencies.
    pub(crate) fn add(&mut self, other: &mut Latencies) {
        self.settle();
        self.histogram.add(other.histogram()).expect("all histograms have the same bounds");
    }

    fn clear(&mut self) {
        self.count = 0;
        self.histogram.reset();
    }
}

/// What was counted and timed since the last collection, by the workers of one thread.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    pub(crate) counts: Counts,
    /// From the time a message was sent, or due, to its confirm.
    pub(crate) confirm: Latencies,
    /// From the time a message was sent, or due, to its delivery.
    pub(crate) end_to_end: Latencies,
}

/// An interval shared between workers and the coordinator; locked once per batch.
pub(crate) type Recorder = Arc<Mutex<Interval>>;

impl Interval {
    pub(crate) fn new() -> Self {
        Interval { counts: Counts::default(), confirm: Latencies::new(), end_to_end: Latencies::new() }
    }

    /// Moves what was gathered into others and starts anew.
    pub(crate) fn collect_into(&mut self, others: &mut [&mut Interval]) {
        let counts = mem::take(&mut self.counts);
        for other in others {
            other.counts.add(&counts);
            other.confirm.add(&mut self.confirm);
            other.end_to_end.add(&mut self.end_to_end);
        }
        self.confirm.clear();
        self.end_to_end.clear();
    }

    pub(crate) fn clear(&mut self) {
        self.counts = Counts::default();
        self.confirm.clear();
        self.end_to_end.clear();
    }
}

/// Latencies in a few numbers. Unit: microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct LatencySummary {
    /// How many were measured.
    pub(crate) count: u64,
    /// Their mean.
    pub(crate) mean_us: f64,
    /// Half are below.
    pub(crate) p50_us: u64,
    /// Nine of ten are below.
    pub(crate) p90_us: u64,
    /// 99 of a hundred are below.
    pub(crate) p99_us: u64,
    /// 999 of a thousand are below.
    pub(crate) p999_us: u64,
    /// The longest.
    pub(crate) max_us: u64,
}

impl LatencySummary {
    /// The numbers of a histogram; `None` when it is empty.
    pub(crate) fn of(latencies: &mut Latencies) -> Option<Self> {
        let histogram = latencies.histogram();
        (!histogram.is_empty()).then(|| LatencySummary {
            count: histogram.len(),
            mean_us: histogram.mean(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_counted_once_however_they_are_grouped() {
        let mut latencies = Latencies::new();
        for (start, end) in [(0, 5_000_000), (0, 5_000_000), (1_000_000, 5_000_000), (0, 5_000_000)] {
            latencies.record(start, end);
        }
        let summary = LatencySummary::of(&mut latencies).unwrap();
        assert_eq!(summary.count, 4);
        assert!(summary.p50_us.abs_diff(5_000) <= 5, "{summary:?}");
        assert!((summary.mean_us - 4_750.0).abs() < 5.0, "{summary:?}");
    }

    #[test]
    fn a_message_confirmed_before_it_was_due_counts_as_the_shortest() {
        let mut latencies = Latencies::new();
        latencies.record(10_000, 5_000);
        assert_eq!(LatencySummary::of(&mut latencies).unwrap().max_us, 1);
    }

    #[test]
    fn collecting_moves_everything() {
        let mut interval = Interval::new();
        interval.counts.sent = 7;
        interval.confirm.record(0, 1_000_000);
        let (mut all, mut line) = (Interval::new(), Interval::new());
        interval.collect_into(&mut [&mut all, &mut line]);
        for sink in [&mut all, &mut line] {
            assert_eq!(sink.counts.sent, 7);
            assert_eq!(LatencySummary::of(&mut sink.confirm).unwrap().count, 1);
        }
        assert_eq!(interval.counts, Counts::default());
        assert_eq!(LatencySummary::of(&mut interval.confirm), None);
    }
}
