//! The broker's metrics. Counted per batch, never with labels per message.

use metrics::{Unit, counter, gauge};
use queue::DeathReason;
use telemetry::metrics::{Metric, describe_all};

use crate::dead_letter::death;

/// Messages that clients published.
pub const PUBLISHED: &str = "quorate_messages_published_total";
/// Bytes of published messages' records.
pub const PUBLISHED_BYTES: &str = "quorate_messages_published_bytes_total";
/// Messages that no queue took.
pub const UNROUTABLE: &str = "quorate_messages_unroutable_total";
/// Publishes that were confirmed.
pub const CONFIRMED: &str = "quorate_messages_confirmed_total";
/// Publishes that were refused (`basic.nack` to the publisher).
pub const REFUSED: &str = "quorate_messages_refused_total";
/// Messages that were handed to consumers and getters.
pub const DELIVERED: &str = "quorate_messages_delivered_total";
/// Deliveries that came again after a change of leader and were dropped.
pub const REPEATED: &str = "quorate_deliveries_repeated_total";
/// Messages that clients settled.
pub const SETTLED: &str = "quorate_messages_settled_total";
/// Dead letters that have reached their targets, by `reason`.
pub const DEAD_LETTERED: &str = "quorate_messages_dead_lettered_total";
/// Dead letters that were dropped, by `reason`.
pub const DEAD_LETTERS_DROPPED: &str = "quorate_dead_letters_dropped_total";
/// Dead letters that went back to their queue, to be tried again.
pub const DEAD_LETTERS_RETRIED: &str = "quorate_dead_letters_retried_total";
/// Open connections.
pub const CONNECTIONS: &str = "quorate_connections";
/// Open channels.
pub const CHANNELS: &str = "quorate_channels";
/// Consumers.
pub const CONSUMERS: &str = "quorate_consumers";
/// Connections that were opened.
pub const CONNECTIONS_OPENED: &str = "quorate_connections_opened_total";
/// Logins that were refused.
pub const LOGINS_REFUSED: &str = "quorate_logins_refused_total";
/// Channels and connections that were closed because of an error of the client's.
pub const CLIENT_ERRORS: &str = "quorate_client_errors_total";

/// All metrics of this crate.
pub const METRICS: &[Metric] = &[
    Metric::counter(PUBLISHED, Unit::Count, "Messages that clients published"),
    Metric::counter(PUBLISHED_BYTES, Unit::Bytes, "Bytes of published messages, their names and properties included"),
    Metric::counter(UNROUTABLE, Unit::Count, "Messages that no queue took"),
    Metric::counter(CONFIRMED, Unit::Count, "Publishes that were confirmed"),
    Metric::counter(REFUSED, Unit::Count, "Publishes that were refused with basic.nack"),
    Metric::counter(DELIVERED, Unit::Count, "Messages that were handed to consumers and getters"),
    Metric::counter(REPEATED, Unit::Count, "Deliveries that came again after a change of leader and were dropped"),
    Metric::counter(SETTLED, Unit::Count, "Messages that clients settled"),
    Metric::counter(DEAD_LETTERED, Unit::Count, "Dead letters that have reached their targets, by reason"),
    Metric::counter(
        DEAD_LETTERS_DROPPED,
        Unit::Count,
        "Dead letters that were dropped because they were routed nowhere or rejected, by reason",
    ),
    Metric::counter(DEAD_LETTERS_RETRIED, Unit::Count, "Dead letters that went back to their queue, to be tried again"),
    Metric::gauge(CONNECTIONS, Unit::Count, "Open connections"),
    Metric::gauge(CHANNELS, Unit::Count, "Open channels"),
    Metric::gauge(CONSUMERS, Unit::Count, "Consumers of open channels"),
    Metric::counter(CONNECTIONS_OPENED, Unit::Count, "Connections that were opened"),
    Metric::counter(LOGINS_REFUSED, Unit::Count, "Logins that were refused"),
    Metric::counter(CLIENT_ERRORS, Unit::Count, "Channels and connections closed because of a client's error"),
];

/// Hands names, units and help of this crate's metrics to the recorder.
pub fn describe() {
    describe_all(METRICS);
}

/// What a connection counts until its next flush.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) published: u64,
    pub(crate) published_bytes: u64,
    pub(crate) unroutable: u64,
    pub(crate) confirmed: u64,
    pub(crate) refused: u64,
    pub(crate) delivered: u64,
    pub(crate) repeated: u64,
    pub(crate) settled: u64,
}

impl Tally {
    /// Adds what was counted to the node's metrics and starts anew.
    pub(crate) fn publish(&mut self) {
        let Tally { published, published_bytes, unroutable, confirmed, refused, delivered, repeated, settled } =
            std::mem::take(self);
        for (name, count) in [
            (PUBLISHED, published),
            (PUBLISHED_BYTES, published_bytes),
            (UNROUTABLE, unroutable),
            (CONFIRMED, confirmed),
            (REFUSED, refused),
            (DELIVERED, delivered),
            (REPEATED, repeated),
            (SETTLED, settled),
        ] {
            if count > 0 {
                counter!(name).increment(count);
            }
        }
    }
}

pub(crate) fn dead_lettered(reason: DeathReason) {
    counter!(DEAD_LETTERED, "reason" => death::word(reason)).increment(1);
}

pub(crate) fn dead_letter_dropped(reason: DeathReason) {
    counter!(DEAD_LETTERS_DROPPED, "reason" => death::word(reason)).increment(1);
}

pub(crate) fn dead_letters_retried(count: usize) {
    counter!(DEAD_LETTERS_RETRIED).increment(u64::try_from(count).unwrap_or(u64::MAX));
}

pub(crate) fn connection_opened() {
    counter!(CONNECTIONS_OPENED).increment(1);
    gauge!(CONNECTIONS).increment(1.0);
}

pub(crate) fn connection_closed() {
    gauge!(CONNECTIONS).decrement(1.0);
}

pub(crate) fn channel_opened() {
    gauge!(CHANNELS).increment(1.0);
}

pub(crate) fn channel_closed() {
    gauge!(CHANNELS).decrement(1.0);
}

pub(crate) fn consumer_added() {
    gauge!(CONSUMERS).increment(1.0);
}

pub(crate) fn consumer_removed() {
    gauge!(CONSUMERS).decrement(1.0);
}

pub(crate) fn login_refused() {
    counter!(LOGINS_REFUSED).increment(1);
}

pub(crate) fn client_error() {
    counter!(CLIENT_ERRORS).increment(1);
}
