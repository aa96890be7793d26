//! Settings of connections; one value is shared by all connections of a listener.

use types::{FieldTable, FieldValue, ShortStr, limits};

/// What the server side of a connection offers and insists on.
#[derive(Clone, Debug)]
pub struct Config {
    /// Largest frame that is offered. Unit: bytes, the eight bytes of framing included. Zero means no limit: then a client can
    /// make the shell buffer a frame of 4 GiB.
    pub frame_max: u32,
    /// How many channels are offered; zero means no limit.
    pub channel_max: u16,
    /// The heartbeat interval that is offered; zero means none. Unit: seconds.
    pub heartbeat_s: u16,
    /// Sent in `connection.start`; holds a table `capabilities` (see [`server_capabilities`]).
    pub server_properties: FieldTable,
    /// SASL mechanisms, separated by single spaces. A client that asks for another is refused.
    pub mechanisms: String,
    /// Largest body of a message. Unit: bytes.
    pub message_bytes_max: u64,
    /// How many bytes of unfinished message bodies all channels of a connection may hold together (a client may interleave
    /// messages on all its channels). The connection is closed with 506 beyond that. Not applied below `message_bytes_max`.
    /// Unit: bytes.
    pub unfinished_bytes_max: u64,
    /// How many deliveries a client may settle in one transaction; the channel is closed with 406 beyond that.
    pub transaction_settlements_max: usize,
    /// How long a client may take from the first byte to `connection.open`. Unit: milliseconds.
    pub handshake_timeout_ms: u64,
    /// How long `connection.close-ok` is waited for, on either side. Unit: milliseconds.
    pub close_timeout_ms: u64,
}

impl Default for Config {
    /// RabbitMQ's defaults.
    fn default() -> Self {
        let mut server_properties = FieldTable::default();
        server_properties.push(ShortStr::from_static("capabilities"), FieldValue::Table(server_capabilities()));
        Config {
            frame_max: 131_072,
            channel_max: 2047,
            heartbeat_s: 60,
            server_properties,
            mechanisms: "PLAIN AMQPLAIN".to_owned(),
            message_bytes_max: limits::MESSAGE_BYTES_MAX_DEFAULT,
            unfinished_bytes_max: 128 * 1024 * 1024,
            transaction_settlements_max: 1_000_000,
            handshake_timeout_ms: 10_000,
            close_timeout_ms: 10_000,
        }
    }
}

impl Config {
    /// Whether a client may authenticate with that mechanism.
    pub(crate) fn offers(&self, mechanism: &ShortStr) -> bool {
        !mechanism.is_empty() && self.mechanisms.split(' ').any(|offered| *mechanism == offered)
    }
}

/// The table `capabilities` of the server properties: RabbitMQ's extensions that clients may use here.
pub fn server_capabilities() -> FieldTable {
    const NAMES: [&str; 7] = [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "authentication_failure_close",
        "per_consumer_qos",
    ];
    FieldTable(NAMES.iter().map(|name| (ShortStr::from_static(name), FieldValue::Bool(true))).collect())
}
