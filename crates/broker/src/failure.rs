//! Refusals to clients: which reply code, which text, and whether the channel or the connection ends by it. The texts are
//! RabbitMQ's, since clients match on them.

use std::fmt::Display;

use amqp_codec::ReplyCode;
use types::ShortStr;

/// A refusal that ends a channel or a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What ends.
    pub(crate) scope: Scope,
    /// The reply code.
    pub(crate) code: ReplyCode,
    /// The text after the code's name.
    pub(crate) text: String,
}

/// What a refusal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The channel (a soft error).
    Channel,
    /// The connection (a hard error).
    Connection,
}

/// `queue 'q' in vhost '/'`
pub(crate) fn queue(name: &ShortStr, vhost: &ShortStr) -> String {
    format!("queue '{name}' in vhost '{vhost}'")
}

/// `exchange 'x' in vhost '/'`
pub(crate) fn exchange(name: &ShortStr, vhost: &ShortStr) -> String {
    format!("exchange '{name}' in vhost '{vhost}'")
}

impl Failure {
    fn soft(code: ReplyCode, text: impl Into<String>) -> Self {
        Failure { scope: Scope::Channel, code, text: text.into() }
    }

    fn hard(code: ReplyCode, text: impl Into<String>) -> Self {
        Failure { scope: Scope::Connection, code, text: text.into() }
    }

    /// 404: `no queue 'q' in vhost '/'`.
    pub(crate) fn not_found(resource: impl Display) -> Self {
        Self::soft(ReplyCode::NotFound, format!("no {resource}"))
    }

    /// 404 with a text of its own.
    pub(crate) fn no_previous_queue() -> Self {
        Self::soft(ReplyCode::NotFound, "no previously declared queue")
    }

    /// 403 with a text of its own.
    pub(crate) fn access_refused(text: impl Into<String>) -> Self {
        Self::soft(ReplyCode::AccessRefused, text)
    }

    /// 406.
    pub(crate) fn precondition(text: impl Into<String>) -> Self {
        Self::soft(ReplyCode::PreconditionFailed, text)
    }

    /// 406: `invalid arg 'x-priority' for queue 'q' in vhost '/': …`.
    pub(crate) fn invalid_argument(argument: &str, resource: &str, why: &str) -> Self {
        Self::precondition(format!("invalid arg '{argument}' for {resource}: {why}"))
    }

    /// 405.
    pub(crate) fn locked(text: impl Into<String>) -> Self {
        Self::soft(ReplyCode::ResourceLocked, text)
    }

    /// What metadata refuses: its codes and texts are RabbitMQ's.
    pub(crate) fn from_metadata(refusal: &metadata::Refusal) -> Self {
        let code = ReplyCode::from_code(refusal.reply_code()).unwrap_or(ReplyCode::InternalError);
        let scope = if code.is_hard_error() { Scope::Connection } else { Scope::Channel };
        Failure { scope, code, text: refusal.reply_text() }
    }

    /// 403: an exclusive consumer, or one that asked to be.
    pub(crate) fn exclusive_use(name: &ShortStr, vhost: &ShortStr) -> Self {
        Self::access_refused(format!("{} in exclusive use", queue(name, vhost)))
    }

    /// 530, which ends the connection.
    pub(crate) fn not_allowed(text: impl Into<String>) -> Self {
        Self::hard(ReplyCode::NotAllowed, text)
    }

    /// 540, which ends the connection.
    pub(crate) fn not_implemented(text: impl Into<String>) -> Self {
        Self::hard(ReplyCode::NotImplemented, text)
    }

    /// 541, on the channel alone: what it did may or may not have happened, and the other channels are not concerned.
    pub(crate) fn internal(text: impl Into<String>) -> Self {
        Self::soft(ReplyCode::InternalError, text)
    }
}
