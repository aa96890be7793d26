//! What one run of one work came to.

use std::fmt;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::usage::Usage;

/// The figures of one run. What is not known is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    /// Messages that were confirmed and consumed, whichever is less. Unit: messages per second.
    pub(super) rate: f64,
    /// From publish to confirm. Unit: microseconds.
    pub(super) confirm_p50_us: Option<f64>,
    /// The same, 99 of a hundred.
    pub(super) confirm_p99_us: Option<f64>,
    /// CPU time of all nodes per message. Unit: microseconds.
    pub(super) cpu_us: Option<f64>,
    /// Cores that all nodes kept busy.
    pub(super) cores: Option<f64>,
    /// Bytes that the kernel wrote for the busiest node per byte published.
    pub(super) kernel_factor: Option<f64>,
    /// Bytes that RocksDB wrote on the busiest node per byte published.
    pub(super) store_factor: Option<f64>,
}

/// The part of the load generator's report that is used here.
#[derive(Deserialize)]
struct Report {
    config: Config,
    stages: Vec<Stage>,
    missing: u64,
}

#[derive(Deserialize)]
struct Config {
    size: f64,
}

#[derive(Deserialize)]
struct Stage {
    confirmed_per_second: f64,
    consumed_per_second: f64,
    total: Total,
    confirm_latency: Option<Latency>,
    brokers: Option<Cpu>,
}

#[derive(Deserialize)]
struct Total {
    sent: f64,
}

#[derive(Deserialize)]
struct Latency {
    p50_us: f64,
    p99_us: f64,
}

#[derive(Deserialize)]
struct Cpu {
    us_per_message: f64,
    cores: f64,
}

impl Outcome {
    /// Reads the load generator's report.
    pub(super) fn read(report: &[u8], used: &Usage) -> Result<Self> {
        let report: Report = serde_json::from_slice(report).context("the load generator's report has another form")?;
        ensure!(report.missing == 0, "{} messages were lost", report.missing);
        let stage = report.stages.first().context("the load generator's report is empty")?;
        let published = stage.total.sent * report.config.size;
        Ok(Outcome {
            rate: stage.confirmed_per_second.min(stage.consumed_per_second),
            confirm_p50_us: stage.confirm_latency.as_ref().map(|latency| latency.p50_us),
            confirm_p99_us: stage.confirm_latency.as_ref().map(|latency| latency.p99_us),
            cpu_us: stage.brokers.as_ref().map(|cpu| cpu.us_per_message),
            cores: stage.brokers.as_ref().map(|cpu| cpu.cores),
            kernel_factor: factor(&used.kernel, published),
            store_factor: factor(&used.store, published),
        })
    }

    /// The median of each figure.
    pub(super) fn median(outcomes: &[Outcome]) -> Option<Outcome> {
        let all = |figure: fn(&Outcome) -> Option<f64>| median(outcomes.iter().filter_map(figure).collect());
        Some(Outcome {
            rate: all(|o| Some(o.rate))?,
            confirm_p50_us: all(|o| o.confirm_p50_us),
            confirm_p99_us: all(|o| o.confirm_p99_us),
            cpu_us: all(|o| o.cpu_us),
            cores: all(|o| o.cores),
            kernel_factor: all(|o| o.kernel_factor),
            store_factor: all(|o| o.store_factor),
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} messages/s", self.rate)?;
        if let (Some(p50), Some(p99)) = (self.confirm_p50_us, self.confirm_p99_us) {
            write!(f, ", confirm p50 {:.2} ms, p99 {:.2} ms", p50 / 1e3, p99 / 1e3)?;
        }
        if let (Some(us), Some(cores)) = (self.cpu_us, self.cores) {
            write!(f, ", {us:.1} us of CPU a message, {cores:.2} cores")?;
        }
        if let Some(factor) = self.store_factor.or(self.kernel_factor) {
            write!(f, ", {factor:.2} bytes written per byte and node")?;
        }
        Ok(())
    }
}

#[expect(clippy::as_conversions, reason = "bytes written stay far below 2^53, where floats are exact")]
fn factor(written: &[u64], published: f64) -> Option<f64> {
    let most = *written.iter().max()? as f64;
    (published > 0.0).then(|| most / published)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"config": {"size": 1024, "uri": "x"}, "missing": 0, "queues": [], "stages": [{
        "confirmed_per_second": 500.5, "consumed_per_second": 400.0, "total": {"sent": 1000, "confirmed": 1000},
        "confirm_latency": {"p50_us": 600, "p99_us": 2000}, "brokers": {"us_per_message": 12.5, "cores": 0.7}}]}"#;

    #[test]
    fn a_report_becomes_figures() {
        let used = Usage { kernel: vec![1_024_000, 2_048_000], store: Vec::new() };
        let outcome = Outcome::read(REPORT.as_bytes(), &used).unwrap();
        assert_eq!((outcome.rate, outcome.confirm_p99_us, outcome.cpu_us), (400.0, Some(2000.0), Some(12.5)));
        assert_eq!((outcome.kernel_factor, outcome.store_factor), (Some(2.0), None));
    }

    #[test]
    fn a_run_that_lost_messages_is_no_result() {
        let lost = REPORT.replace("\"missing\": 0", "\"missing\": 1");
        assert!(Outcome::read(lost.as_bytes(), &Usage::default()).is_err());
    }

    #[test]
    fn the_median_stands_for_all_rounds() {
        let outcome = Outcome::read(REPORT.as_bytes(), &Usage::default()).unwrap();
        let rounds = [9.0, 1.0, 5.0].map(|rate| Outcome { rate, ..outcome });
        assert_eq!(Outcome::median(&rounds).unwrap().rate, 5.0);
        assert_eq!(Outcome::median(&[]), None);
    }
}
