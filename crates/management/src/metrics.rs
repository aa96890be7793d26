//! This crate's metrics.

use metrics::{Unit, counter};
use telemetry::metrics::{Metric, describe_all};

/// Requests answered, by `route` (the pattern, not the path) and `status`.
pub const REQUESTS: &str = "quorate_http_requests_total";

/// All metrics of this crate.
pub const METRICS: &[Metric] = &[Metric::counter(REQUESTS, Unit::Count, "HTTP requests answered, by route and status")];

/// Hands names, units and help to the recorder. Called once, after it is installed.
pub fn describe() {
    describe_all(METRICS);
}

pub(crate) fn count_request(route: String, status: u16) {
    counter!(REQUESTS, "route" => route, "status" => status.to_string()).increment(1);
}
