//! What may go wrong with a client's frames, as reply codes and texts: the table that clients depend on.
//!
//! Codes and texts are RabbitMQ's to the letter, where it has any. Where it just drops the connection (an unknown method, a
//! damaged table) the client is told.

use amqp_codec::{DecodeError, ReplyCode, frame::FRAME_OVERHEAD_BYTES, methods::MethodInfo};

use crate::{octets, phase::Phase};

/// An error to be answered by closing a channel (soft) or the connection (hard), as its code says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: ReplyCode,
    /// What follows the code's name in the reply text.
    pub(crate) text: String,
    /// Class and method that caused it; zero if none did.
    pub(crate) class_id: u16,
    pub(crate) method_id: u16,
}

impl Fault {
    pub(crate) fn new(code: ReplyCode, text: impl Into<String>) -> Self {
        Fault { code, text: text.into(), class_id: 0, method_id: 0 }
    }

    /// The same, caused by that method.
    pub(crate) fn of(self, info: &MethodInfo) -> Self {
        self.of_ids(info.class_id, info.method_id)
    }

    /// The same, caused by the method with those ids.
    pub(crate) fn of_ids(self, class_id: u16, method_id: u16) -> Self {
        Fault { class_id, method_id, ..self }
    }

    // Frames (501, 505).

    /// A kind of frame that does not exist, or a payload that no such frame can have.
    pub(crate) fn unknown_frame(kind: u8, payload: &[u8]) -> Self {
        Self::frame_error(kind, payload, "unknown_frame")
    }

    /// A payload larger than agreed.
    pub(crate) fn frame_too_large(kind: u8, size: u32, frame_max: u32) -> Self {
        let max = frame_max.saturating_sub(FRAME_OVERHEAD_BYTES);
        Self::frame_error(kind, &[], &format!("{{frame_too_large,{size},{max}}}"))
    }

    /// A frame that does not end where it says.
    pub(crate) fn bad_frame_end(kind: u8, payload: &[u8], marker: u8) -> Self {
        Self::frame_error(kind, payload, &format!("{{invalid_frame_end_marker,{marker}}}"))
    }

    fn frame_error(kind: u8, payload: &[u8], error: &str) -> Self {
        Fault::new(ReplyCode::FrameError, format!("type {kind}, {}: {error}", octets::snippet(payload)))
    }

    /// A frame that may not come now.
    pub(crate) fn unexpected_frame(kind: u8, payload: &[u8]) -> Self {
        Fault::new(ReplyCode::UnexpectedFrame, format!("type {kind}, {}", octets::snippet(payload)))
    }

    /// Content without its method.
    pub(crate) fn no_method_frame() -> Self {
        Fault::new(ReplyCode::UnexpectedFrame, "expected method frame, got non method frame instead")
    }

    /// Something else than the content header that is due.
    pub(crate) fn no_content_header(class_id: u16) -> Self {
        let text = format!("expected content header for class {class_id}, got non content header frame instead");
        Fault::new(ReplyCode::UnexpectedFrame, text)
    }

    /// The content header of another class.
    pub(crate) fn wrong_content_header(class_id: u16, got: u16) -> Self {
        let text = format!("expected content header for class {class_id}, got one for class {got} instead");
        Fault::new(ReplyCode::UnexpectedFrame, text)
    }

    /// Something else than the body that is due.
    pub(crate) fn no_content_body() -> Self {
        Fault::new(ReplyCode::UnexpectedFrame, "expected content body, got non content body frame instead")
    }

    /// More body than the content header announced.
    pub(crate) fn body_too_long() -> Self {
        Fault::new(ReplyCode::FrameError, "content body frame exceeds remaining content size")
    }

    // Methods (501 to 504, 540).

    /// Arguments that do not have the method's layout.
    pub(crate) fn malformed_method(arguments: &[u8]) -> Self {
        Fault::new(ReplyCode::FrameError, format!("cannot decode {}", octets::numbers(arguments)))
    }

    /// A name that is not UTF-8.
    pub(crate) fn not_utf8() -> Self {
        Fault::new(ReplyCode::FrameError, "Malformed UTF-8 in shortstr")
    }

    /// Class or method do not exist.
    pub(crate) fn unknown_method(class_id: u16, method_id: u16) -> Self {
        let text = format!("unknown method {method_id} of class {class_id}");
        Fault::new(ReplyCode::NotImplemented, text).of_ids(class_id, method_id)
    }

    /// A method that a client does not send, or not on a channel.
    pub(crate) fn unimplemented_method() -> Self {
        Fault::new(ReplyCode::CommandInvalid, "unimplemented method")
    }

    /// A method that makes no sense on channel zero now.
    pub(crate) fn unexpected_method(phase: Phase) -> Self {
        let text = format!("unexpected method in connection state {}", phase.name());
        Fault::new(ReplyCode::ChannelError, text)
    }

    /// A method on a channel that is not open.
    pub(crate) fn channel_not_open() -> Self {
        Fault::new(ReplyCode::ChannelError, "expected 'channel.open'")
    }

    /// `channel.open` on an open channel.
    pub(crate) fn channel_open_twice() -> Self {
        Fault::new(ReplyCode::ChannelError, "second 'channel.open' seen")
    }

    /// `channel.open` beyond `channel_max`.
    pub(crate) fn too_many_channels(count: usize, channel_max: u16) -> Self {
        let text =
            format!("number of channels opened ({count}) has reached the negotiated channel_max ({channel_max})");
        Fault::new(ReplyCode::NotAllowed, text)
    }

    /// Something that is not there.
    pub(crate) fn not_implemented(what: impl Into<String>) -> Self {
        Fault::new(ReplyCode::NotImplemented, what)
    }

    // Content (406, 502, 506).

    /// A body beyond the configured limit.
    pub(crate) fn message_too_large(size: u64, max: u64) -> Self {
        let text = format!("message size {size} is larger than configured max size {max}");
        Fault::new(ReplyCode::PreconditionFailed, text)
    }

    /// Properties that do not have the layout they should.
    pub(crate) fn malformed_properties(error: DecodeError) -> Self {
        Fault::new(ReplyCode::SyntaxError, format!("malformed content properties: {error}"))
    }

    /// All channels together have too many unfinished messages.
    pub(crate) fn too_much_unfinished(max: u64) -> Self {
        let text = format!("unfinished messages on all channels together are larger than {max} bytes");
        Fault::new(ReplyCode::ResourceError, text)
    }

    /// A delivery tag that was not given or is settled.
    pub(crate) fn unknown_delivery_tag(tag: u64) -> Self {
        Fault::new(ReplyCode::PreconditionFailed, format!("unknown delivery tag {tag}"))
    }

    // Transactions (406, 504).

    /// Transactions and confirms exclude each other.
    pub(crate) fn cannot_switch(from: &str, to: &str) -> Self {
        Fault::new(ReplyCode::PreconditionFailed, format!("cannot switch from {from} to {to} mode"))
    }

    /// Commit or rollback without select.
    pub(crate) fn not_transactional() -> Self {
        Fault::new(ReplyCode::PreconditionFailed, "channel is not transactional")
    }

    /// A method while the broker commits.
    pub(crate) fn commit_is_pending() -> Self {
        Fault::new(ReplyCode::ChannelError, "unexpected command while processing 'tx.commit'")
    }

    /// More settlements than a transaction may hold.
    pub(crate) fn transaction_too_large(max: usize) -> Self {
        let text = format!("transaction holds more than {max} acknowledgements");
        Fault::new(ReplyCode::PreconditionFailed, text)
    }

    /// A client that has held a delivery for too long and cannot be told that its consumer is over.
    pub(crate) fn consumer_timeout(channel: u16, timeout_ms: u64) -> Self {
        let text = format!(
            "delivery acknowledgement on channel {channel} timed out. Timeout value used: {timeout_ms} ms. This timeout \
             value can be configured, see consumers doc guide to learn more"
        );
        Fault::new(ReplyCode::PreconditionFailed, text)
    }

    // The handshake and the secret (403, 503, 530).

    /// A SASL mechanism that was not offered.
    pub(crate) fn unknown_mechanism(mechanism: &str) -> Self {
        let text = format!("unknown authentication mechanism '{mechanism}'");
        Fault::new(ReplyCode::CommandInvalid, text)
    }

    /// Wrong credentials.
    pub(crate) fn login_refused(mechanism: &str) -> Self {
        let text = format!(
            "Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
        );
        Fault::new(ReplyCode::AccessRefused, text)
    }

    /// A new secret that does not do.
    pub(crate) fn secret_refused() -> Self {
        Fault::new(ReplyCode::NotAllowed, "New secret was refused by one of the backends")
    }

    /// A value of `connection.tune-ok` below the least that is allowed.
    pub(crate) fn tuned_too_low(field: &str, value: u32, min: u32) -> Self {
        let text = format!("negotiated {field} = {value} is lower than the minimum allowed value ({min})");
        Fault::new(ReplyCode::NotAllowed, text)
    }

    /// A value of `connection.tune-ok` above what was offered; zero stands for no limit.
    pub(crate) fn tuned_too_high(field: &str, value: u32, max: u32) -> Self {
        let detail = if field == "channel_max" && value == 0 { " (no limit)" } else { "" };
        let text = format!("negotiated {field} = {value}{detail} is higher than the maximum allowed value ({max})");
        Fault::new(ReplyCode::NotAllowed, text)
    }
}
