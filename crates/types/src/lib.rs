//! Ids, names, units, field tables and the message record: the words that every layer shares.
//!
//! Architecture invariant: this crate does no IO, reads no clock and draws no random number, and it knows neither AMQP's
//! byte layout of methods nor Raft.

mod field_table;
mod ids;
mod message;
mod short_str;

pub use field_table::{FieldTable, FieldValue};
pub use ids::{ConsumerKey, GroupId, MessageRef, NodeId, QueueId, SeqRange, SessionId, Timestamp};
pub use message::{Blob, BlobBuilder, BlobError, MessageRecord, RecordError, RecordParts};
pub use short_str::{ShortStr, ShortStrTooLong};

/// Limits that more than one layer checks.
pub mod limits {
    /// Largest message body that is accepted by default. Unit: bytes. RabbitMQ's default since 4.0.
    pub const MESSAGE_BYTES_MAX_DEFAULT: u64 = 16 * 1024 * 1024;
    /// Longest name of a vhost, exchange, queue, routing key or consumer tag. Unit: bytes (AMQP 0-9-1 short string).
    pub const NAME_BYTES_MAX: usize = 255;
}
