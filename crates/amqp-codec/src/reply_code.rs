//! Reply codes (AMQP 0-9-1 §1.2 of the reference) under RabbitMQ's names, on which clients branch.

use types::ShortStr;

/// Why a connection or channel was closed, or a message returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum ReplyCode {
    /// Nothing is wrong.
    ReplySuccess = 200,
    /// The content is larger than can be taken now.
    ContentTooLarge = 311,
    /// A mandatory message reached no queue.
    NoRoute = 312,
    /// An immediate message found no consumer.
    NoConsumers = 313,
    /// An operator closed the connection.
    ConnectionForced = 320,
    /// The client named a vhost that does not exist.
    InvalidPath = 402,
    /// The client has no right to do this.
    AccessRefused = 403,
    /// The client named something that does not exist.
    NotFound = 404,
    /// Another connection holds it.
    ResourceLocked = 405,
    /// A precondition is not met.
    PreconditionFailed = 406,
    /// A frame cannot be decoded.
    FrameError = 501,
    /// A frame holds an impossible value.
    SyntaxError = 502,
    /// A method comes where it makes no sense, or is not known.
    CommandInvalid = 503,
    /// A method comes on a channel that is not open, or already is.
    ChannelError = 504,
    /// A frame comes where another kind is due.
    UnexpectedFrame = 505,
    /// The server lacks resources.
    ResourceError = 506,
    /// The client may not do this now, or not like this.
    NotAllowed = 530,
    /// The server does not do this.
    NotImplemented = 540,
    /// The server failed.
    InternalError = 541,
}

impl ReplyCode {
    /// All codes, ascending.
    pub const ALL: [ReplyCode; 19] = [
        ReplyCode::ReplySuccess,
        ReplyCode::ContentTooLarge,
        ReplyCode::NoRoute,
        ReplyCode::NoConsumers,
        ReplyCode::ConnectionForced,
        ReplyCode::InvalidPath,
        ReplyCode::AccessRefused,
        ReplyCode::NotFound,
        ReplyCode::ResourceLocked,
        ReplyCode::PreconditionFailed,
        ReplyCode::FrameError,
        ReplyCode::SyntaxError,
        ReplyCode::CommandInvalid,
        ReplyCode::ChannelError,
        ReplyCode::UnexpectedFrame,
        ReplyCode::ResourceError,
        ReplyCode::NotAllowed,
        ReplyCode::NotImplemented,
        ReplyCode::InternalError,
    ];

    /// The number on the wire.
    #[expect(clippy::as_conversions, reason = "the discriminant is the number")]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The code of that number.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// The name with which RabbitMQ starts its reply texts.
    pub const fn name(self) -> &'static str {
        match self {
            ReplyCode::ReplySuccess => "REPLY_SUCCESS",
            ReplyCode::ContentTooLarge => "CONTENT_TOO_LARGE",
            ReplyCode::NoRoute => "NO_ROUTE",
            ReplyCode::NoConsumers => "NO_CONSUMERS",
            ReplyCode::ConnectionForced => "CONNECTION_FORCED",
            ReplyCode::InvalidPath => "INVALID_PATH",
            ReplyCode::AccessRefused => "ACCESS_REFUSED",
            ReplyCode::NotFound => "NOT_FOUND",
            ReplyCode::ResourceLocked => "RESOURCE_LOCKED",
            ReplyCode::PreconditionFailed => "PRECONDITION_FAILED",
            ReplyCode::FrameError => "FRAME_ERROR",
            ReplyCode::SyntaxError => "SYNTAX_ERROR",
            ReplyCode::CommandInvalid => "COMMAND_INVALID",
            ReplyCode::ChannelError => "CHANNEL_ERROR",
            ReplyCode::UnexpectedFrame => "UNEXPECTED_FRAME",
            ReplyCode::ResourceError => "RESOURCE_ERROR",
            ReplyCode::NotAllowed => "NOT_ALLOWED",
            ReplyCode::NotImplemented => "NOT_IMPLEMENTED",
            ReplyCode::InternalError => "INTERNAL_ERROR",
        }
    }

    /// Whether it closes the connection rather than one channel.
    pub const fn is_hard_error(self) -> bool {
        match self {
            ReplyCode::ConnectionForced
            | ReplyCode::InvalidPath
            | ReplyCode::FrameError
            | ReplyCode::SyntaxError
            | ReplyCode::CommandInvalid
            | ReplyCode::ChannelError
            | ReplyCode::UnexpectedFrame
            | ReplyCode::ResourceError
            | ReplyCode::NotAllowed
            | ReplyCode::NotImplemented
            | ReplyCode::InternalError => true,
            ReplyCode::ReplySuccess
            | ReplyCode::ContentTooLarge
            | ReplyCode::NoRoute
            | ReplyCode::NoConsumers
            | ReplyCode::AccessRefused
            | ReplyCode::NotFound
            | ReplyCode::ResourceLocked
            | ReplyCode::PreconditionFailed => false,
        }
    }

    /// The reply text as RabbitMQ builds it: `NAME - explanation`, and if that is too long, cut and ended with `...`.
    pub fn reply_text(self, explanation: &str) -> ShortStr {
        let mut text = format!("{} - {explanation}", self.name());
        if text.len() > types::limits::NAME_BYTES_MAX {
            let mut end = types::limits::NAME_BYTES_MAX - "...".len();
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push_str("...");
        }
        ShortStr::truncated(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_number() {
        for code in ReplyCode::ALL {
            assert_eq!(ReplyCode::from_code(code.code()), Some(code));
        }
        assert_eq!(ReplyCode::from_code(0), None);
        assert_eq!(ReplyCode::from_code(407), None);
    }

    #[test]
    fn a_reply_text_starts_with_the_codes_name() {
        let text = ReplyCode::PreconditionFailed.reply_text("unknown delivery tag 7");
        assert_eq!(text, "PRECONDITION_FAILED - unknown delivery tag 7");
    }

    #[test]
    fn a_long_reply_text_is_cut_at_a_character_and_ends_with_dots() {
        let text = ReplyCode::NotFound.reply_text(&"ü".repeat(200));
        let text = text.as_str().expect("cut at a character");
        assert!(text.len() <= 255 && text.len() >= 254, "{}", text.len());
        assert!(text.ends_with("ü..."));
    }
}
