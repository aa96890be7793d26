//! Metrics of replication: names, units, help.

use metrics::{counter, describe_counter, describe_gauge, gauge};

const APPLIED: &str = "quorate_replication_applied_entries_total";
const APPLIED_MESSAGES: &str = "quorate_replication_applied_messages_total";
const DELIVERED: &str = "quorate_replication_delivered_messages_total";
const ELECTIONS: &str = "quorate_replication_leaderships_total";
const SNAPSHOTS: &str = "quorate_replication_snapshots_installed_total";
const LED: &str = "quorate_replication_groups_led";
const FAILED: &str = "quorate_replication_groups_failed";
const CLOCK_OFF: &str = "quorate_replication_clock_off_ms";

/// Tells the recorder what the metrics mean.
pub fn describe() {
    describe_counter!(APPLIED, "log entries applied by this node, over all groups");
    describe_counter!(APPLIED_MESSAGES, "messages in the entries that this node applied");
    describe_counter!(DELIVERED, "messages that groups led by this node sent to consumers");
    describe_counter!(ELECTIONS, "times that this node became leader of a group");
    describe_counter!(
        SNAPSHOTS,
        "times that a replica of this node got the state of another, since the log it needed was gone"
    );
    describe_gauge!(LED, "groups that this node leads");
    describe_gauge!(
        FAILED,
        "groups whose replica on this node has failed and is of no use until the node is started again"
    );
    describe_gauge!(CLOCK_OFF, "milliseconds by which this node's clock is too far from those of the others");
}

pub(crate) fn applied(messages: u32) {
    counter!(APPLIED).increment(1);
    counter!(APPLIED_MESSAGES).increment(u64::from(messages));
}

pub(crate) fn delivered(messages: usize) {
    counter!(DELIVERED).increment(u64::try_from(messages).unwrap_or(u64::MAX));
}

pub(crate) fn leadership() {
    counter!(ELECTIONS).increment(1);
}

pub(crate) fn snapshot_installed() {
    counter!(SNAPSHOTS).increment(1);
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a gauge is a float")]
pub(crate) fn clock_off(ms: u64) {
    gauge!(CLOCK_OFF).set(ms as f64);
}

pub(crate) fn groups_failed(count: usize) {
    gauge!(FAILED).set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
}

pub(crate) fn groups_led(count: u32) {
    gauge!(LED).set(f64::from(count));
}
