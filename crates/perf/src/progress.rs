//! What is said on standard error while load runs.

use serde::Serialize;

use crate::{
    stats::{Interval, LatencySummary},
    units::{human_rate, human_us, rate},
};

/// One line of progress: what happened in a second.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Second {
    /// The end of the second. Unit: seconds since the load began.
    pub(crate) at_seconds: f64,
    /// Whether it counts in the report.
    pub(crate) measured: bool,
    /// Messages published per second.
    pub(crate) sent: f64,
    /// Confirms per second.
    pub(crate) confirmed: f64,
    /// Deliveries per second.
    pub(crate) consumed: f64,
    /// Half of the confirms took less. Unit: microseconds.
    pub(crate) confirm_p50_us: Option<u64>,
    /// 99 of a hundred confirms took less. Unit: microseconds.
    pub(crate) confirm_p99_us: Option<u64>,
    /// Half of the deliveries took less. Unit: microseconds.
    pub(crate) end_to_end_p50_us: Option<u64>,
    /// 99 of a hundred deliveries took less. Unit: microseconds.
    pub(crate) end_to_end_p99_us: Option<u64>,
    /// Publishes without a confirm at that time.
    pub(crate) unconfirmed: u64,
}

impl Second {
    pub(crate) fn new(at_seconds: f64, seconds: f64, measured: bool, line: &mut Interval, unconfirmed: u64) -> Self {
        let confirm = LatencySummary::of(&mut line.confirm);
        let end_to_end = LatencySummary::of(&mut line.end_to_end);
        Second {
            at_seconds,
            measured,
            sent: rate(line.counts.sent, seconds),
            confirmed: rate(line.counts.confirmed, seconds),
            consumed: rate(line.counts.consumed, seconds),
            confirm_p50_us: confirm.map(|latency| latency.p50_us),
            confirm_p99_us: confirm.map(|latency| latency.p99_us),
            end_to_end_p50_us: end_to_end.map(|latency| latency.p50_us),
            end_to_end_p99_us: end_to_end.map(|latency| latency.p99_us),
            unconfirmed,
        }
    }

    /// The line, with what this stage has.
    pub(crate) fn text(&self, publishes: bool, confirms: bool, consumes: bool) -> String {
        let mut text = format!("{:7.1} s", self.at_seconds);
        if publishes {
            text += &format!("   sent {:>9}/s", human_rate(self.sent));
        }
        if publishes && confirms {
            text += &format!("   confirmed {:>9}/s", human_rate(self.confirmed));
        }
        if consumes {
            text += &format!("   consumed {:>9}/s", human_rate(self.consumed));
        }
        if publishes && confirms {
            let us = |us: Option<u64>| us.map_or_else(|| "-".into(), human_us);
            text += &format!("   p50 {:>8}   p99 {:>8}", us(self.confirm_p50_us), us(self.confirm_p99_us));
            text += &format!("   unconfirmed {:>6}", self.unconfirmed);
        }
        if !self.measured {
            text += "   (does not count)";
        }
        text
    }
}

/// Says something on standard error, where it does not mix with the report.
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_the_stage_has() {
        let mut interval = Interval::new();
        interval.counts.sent = 200_000;
        interval.counts.confirmed = 100_000;
        interval.confirm.record(1_000_000, 3_500_000);
        let second = Second::new(3.0, 2.0, true, &mut interval, 998);
        assert_eq!(
            second.text(true, true, false),
            "    3.0 s   sent   100,000/s   confirmed    50,000/s   p50  2.50 ms   p99  2.50 ms   unconfirmed    998"
        );
        let second = Second { measured: false, ..second };
        assert_eq!(second.text(false, true, true), "    3.0 s   consumed       0.0/s   (does not count)");
    }
}
