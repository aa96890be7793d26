//! The listeners' metrics.

use metrics::{Unit, counter};
use telemetry::metrics::{Metric, describe_all};

/// Bytes that were read from clients.
pub const READ_BYTES: &str = "quorate_amqp_read_bytes_total";
/// Bytes that were written to clients.
pub const WRITTEN_BYTES: &str = "quorate_amqp_written_bytes_total";
/// Clients that were turned away because there were too many.
pub const TURNED_AWAY: &str = "quorate_amqp_connections_turned_away_total";

/// All metrics of this crate.
pub const METRICS: &[Metric] = &[
    Metric::counter(READ_BYTES, Unit::Bytes, "Bytes that were read from AMQP clients"),
    Metric::counter(WRITTEN_BYTES, Unit::Bytes, "Bytes that were written to AMQP clients"),
    Metric::counter(TURNED_AWAY, Unit::Count, "AMQP clients that were turned away because there were too many"),
];

/// Hands names, units and help of this crate's metrics to the recorder.
pub fn describe() {
    describe_all(METRICS);
}

pub(crate) fn read(bytes: usize) {
    counter!(READ_BYTES).increment(u64::try_from(bytes).unwrap_or(u64::MAX));
}

pub(crate) fn written(bytes: usize) {
    counter!(WRITTEN_BYTES).increment(u64::try_from(bytes).unwrap_or(u64::MAX));
}

pub(crate) fn turned_away() {
    counter!(TURNED_AWAY).increment(1);
}
