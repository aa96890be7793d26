//! How a connection ends: by the client, by us, by both at once, or by neither.

use amqp_codec::{
    ReplyCode,
    frame::{FrameKind, RawFrame},
    methods::{Method, connection},
    protocol_header::Guess,
};
use bytes::BytesMut;
use types::ShortStr;

use super::Connection;
use crate::{Event, channel::Channel, fault::Fault, phase::Phase};

/// Why a connection is over, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed it.
    Client {
        /// The reply code that it gave, 200 as a rule.
        code: u16,
        /// The text that it gave.
        text: ShortStr,
    },
    /// We closed it, because of an error or on the broker's wish.
    Server {
        /// The reply code.
        code: ReplyCode,
        /// The text, as the client got it (unless it was not trusted so far).
        text: ShortStr,
    },
    /// The client's bytes ended without a close.
    Lost,
    /// It was not open in time.
    HandshakeTimeout,
    /// Nothing came for two heartbeat intervals.
    HeartbeatTimeout,
    /// The client speaks another protocol, presumably that.
    Protocol(Guess),
}

impl Connection {
    /// Why the connection is over, or about to be; none while it is not.
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.close_reason.as_ref()
    }

    /// Closes the connection because of an error that the broker found. `text` follows the code's name on the wire; class and
    /// method are the culprit's, or zero. A client that has not logged in yet is not told, but finds the socket closed.
    pub fn hard_error(&mut self, code: ReplyCode, text: &str, class_id: u16, method_id: u16) {
        self.fail(Fault::new(code, text).of_ids(class_id, method_id));
    }

    /// Closes the connection on the broker's own wish: 320 (`CONNECTION_FORCED`) when the node stops.
    pub fn close(&mut self, code: ReplyCode, text: &str) {
        self.fail(Fault::new(code, text));
    }

    /// What belonged to the connection is gone: the client may know that it is closed. Called by the broker after
    /// [`Event::Closed`]; without this call the client is told after the close timeout. So a client that comes back at once
    /// finds nothing left of what was exclusive to it.
    pub fn release(&mut self) {
        if self.phase != Phase::Leaving {
            return;
        }
        match self.farewell.take() {
            Some(close) => {
                self.write(0, &*close);
                self.phase = Phase::Closing;
                self.timers.start_close(self.config.close_timeout_ms);
            }
            None => {
                self.write(0, &connection::CloseOk {});
                self.finish();
            }
        }
    }

    /// An error that ends the connection.
    pub(super) fn fail(&mut self, fault: Fault) {
        // As RabbitMQ does: whoever is not logged in is told no more than necessary.
        let is_told = match self.phase {
            Phase::Header => false,
            Phase::Starting | Phase::LoggingIn | Phase::Challenged => {
                self.capabilities.has("authentication_failure_close") && fault.code == ReplyCode::AccessRefused
            }
            Phase::Tuning => fault.code == ReplyCode::NotAllowed,
            Phase::Opening | Phase::VhostOpening | Phase::SecretUpdating | Phase::Running => true,
            Phase::Leaving | Phase::Closing | Phase::Closed => return,
        };
        let text = fault.code.reply_text(&fault.text);
        self.close_reason = Some(CloseReason::Server { code: fault.code, text: text.clone() });
        self.end_sessions();
        if is_told {
            let (class_id, method_id) = (fault.class_id, fault.method_id);
            let close = connection::Close { reply_code: fault.code.code(), reply_text: text, class_id, method_id };
            self.farewell = Some(Box::new(close));
            self.phase = Phase::Leaving;
            self.timers.start_close(self.config.close_timeout_ms);
        } else {
            self.finish();
        }
    }

    /// The client closes the connection.
    pub(super) fn leave(&mut self, close: &connection::Close) {
        self.close_reason = Some(CloseReason::Client { code: close.reply_code, text: close.reply_text.compact() });
        self.end_sessions();
        self.phase = Phase::Leaving;
        self.timers.start_close(self.config.close_timeout_ms);
    }

    /// A frame after our close.
    pub(super) fn closing_frame(&mut self, frame: RawFrame) {
        if frame.channel != 0 || frame.kind != FrameKind::Method {
            return;
        }
        match Method::decode(frame.payload) {
            // Both sides closed at once: each answers the other, and the answer to ours is still to come.
            Ok(Method::ConnectionClose(_)) => self.write(0, &connection::CloseOk {}),
            Ok(Method::ConnectionCloseOk(_)) => self.finish(),
            Ok(_) | Err(_) => {}
        }
    }

    /// Closes without a word.
    pub(super) fn close_at_once(&mut self, reason: CloseReason) {
        self.close_reason.get_or_insert(reason);
        self.end_sessions();
        self.finish();
    }

    /// Close-ok did not come, or could not be given, in time.
    pub(super) fn close_timed_out(&mut self) {
        if self.phase == Phase::Leaving {
            self.release();
        } else {
            self.finish();
        }
    }

    /// All is said.
    pub(super) fn finish(&mut self) {
        self.phase = Phase::Closed;
        self.timers.stop();
        self.input = BytesMut::new();
    }

    /// Tells the broker that everything is over; the first time only.
    fn end_sessions(&mut self) {
        if self.phase.is_over() {
            return;
        }
        self.flush_confirms();
        for (number, channel) in std::mem::take(&mut self.channels) {
            if let Channel::Open(session) = channel {
                self.end_session(number, &session);
            }
        }
        self.events.push(Event::Closed);
    }
}
