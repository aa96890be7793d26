//! AMQP 0-9-1 bytes to frames to methods and back, with RabbitMQ's extensions; for both sides of a connection.
//!
//! From the socket: [`protocol_header`], then [`frame::decode_frame`], then by the frame's kind [`methods::Method::decode`],
//! [`content::ContentHeader::decode`] (whose properties [`properties`] can read or only look into), or a piece of body as it
//! is. To the socket: [`frame`] and [`content`] append whole frames to one buffer, [`segments::Segments`] keeps large bodies
//! as they are.
//!
//! Architecture invariant: this crate keeps no state between frames; it knows the bytes of AMQP, never what they mean to a
//! connection. Whatever bytes come from outside, it neither panics, nor recurses without bound, nor allocates more than in
//! proportion to them. Strings and bodies are slices of the bytes that were read.

pub mod content;
mod error;
pub mod frame;
mod generated;
pub mod methods;
pub mod properties;
pub mod protocol_header;
mod reader;
mod reply_code;
pub mod segments;
pub mod table;
mod write;

pub use error::DecodeError;
pub use methods::{EncodeMethod, Method, MethodError};
pub use properties::BasicProperties;
pub use reply_code::ReplyCode;
