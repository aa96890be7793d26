//! How a crate declares its metrics: one file `metrics.rs` with a table of [`Metric`]s and a `describe()` that hands the table
//! to the recorder. Names start with `quorate_` and end with `_total`, `_bytes` or `_seconds` where that is what they count.
//!
//! This crate's own metrics are the example.

use metrics::{SharedString, Unit, counter};

/// Panics of supervised tasks and threads, by `kind`.
pub const TASK_PANICS: &str = "quorate_task_panics_total";
/// Critical tasks that ended before a shutdown, by panic or by returning.
pub const TASK_CRITICAL_ENDS: &str = "quorate_task_critical_ends_total";

/// All metrics of this crate.
pub const METRICS: &[Metric] = &[
    Metric::counter(TASK_PANICS, Unit::Count, "Panics of supervised tasks and threads"),
    Metric::counter(TASK_CRITICAL_ENDS, Unit::Count, "Critical tasks that ended before the node's shutdown"),
];

/// Hands names, units and help of this crate's metrics to the recorder. Called once, after it is installed.
pub fn describe() {
    describe_all(METRICS);
}

/// One declared metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, as scraped.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// The unit of its values.
    pub unit: Unit,
    /// A sentence for who reads a dashboard.
    pub help: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

impl Metric {
    /// Declares a counter.
    pub const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Metric { name, kind: MetricKind::Counter, unit, help }
    }

    /// Declares a gauge.
    pub const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Metric { name, kind: MetricKind::Gauge, unit, help }
    }

    /// Declares a histogram.
    pub const fn histogram(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Metric { name, kind: MetricKind::Histogram, unit, help }
    }
}

/// Hands a crate's table to the recorder.
pub fn describe_all(table: &[Metric]) {
    for metric in table {
        let help = SharedString::const_str(metric.help);
        match metric.kind {
            MetricKind::Counter => metrics::describe_counter!(metric.name, metric.unit, help),
            MetricKind::Gauge => metrics::describe_gauge!(metric.name, metric.unit, help),
            MetricKind::Histogram => metrics::describe_histogram!(metric.name, metric.unit, help),
        }
    }
}

pub(crate) fn count_panic(kind: &'static str) {
    counter!(TASK_PANICS, "kind" => kind).increment(1);
}

pub(crate) fn count_critical_end() {
    counter!(TASK_CRITICAL_ENDS).increment(1);
}
