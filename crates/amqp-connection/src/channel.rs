//! The states of a channel, and within an open one the states of the content that comes in.
//!
//! ```text
//!                  channel.open                 channel.close (the client's)
//!   (not there) ───────────────▶ Open ───────────────────────────────────────▶ (not there)
//!                                  │ soft error: channel.close (ours)               ▲
//!                                  ▼                                                │
//!                               Closing ── channel.close-ok ────────────────────────┘
//!                                 │  ▲
//!                                 └──┘ channel.close: close-ok is sent; all else is passed over
//!
//!                basic.publish         content header          body frame that completes it
//!   Due:    Method ─────────▶ Header ────────────────▶ Body ───────────────────────────▶ Method
//!                               └────── of an empty body ──────────────────────────────────▲
//!
//! Tx:     Off ── tx.select ──▶ Open ── tx.commit ──▶ Committing
//!                              │  ▲ ▲                    │
//!                  tx.rollback └──┘ └──── commit-ok ─────┘
//! ```
//!
//! The end of the connection removes all channels. A session lasts as long as its channel is `Open`.

use std::mem;

use amqp_codec::{
    DecodeError,
    content::ContentHeader,
    frame::{FrameKind, RawFrame},
    methods::basic,
    properties,
};
use bytes::Bytes;
use types::ShortStr;

use crate::{Publish, body::BodyBuilder, confirms::Confirms, fault::Fault, held::Held};

/// A channel that is in use.
#[derive(Debug)]
pub(crate) enum Channel {
    /// A session. Boxed since a connection has few channels of a wide range of numbers.
    Open(Box<Session>),
    /// We closed it and await close-ok.
    Closing,
}

/// An open channel.
#[derive(Debug, Default)]
pub(crate) struct Session {
    due: Due,
    /// What has come of a message. Empty while none is underway.
    message: Message,
    pub(crate) held: Held,
    /// In confirm mode.
    pub(crate) confirms: Option<Box<Confirms>>,
    pub(crate) tx: Tx,
}

/// Transactions on a channel. A channel that is in confirm mode never has any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tx {
    /// None was selected.
    #[default]
    Off,
    /// What the client publishes and settles waits for its commit.
    Open,
    /// The broker has not answered the commit yet: nothing may come but the channel's close.
    Committing,
}

/// What has to come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Due {
    /// A method: no content is underway.
    #[default]
    Method,
    /// A content header.
    Header,
    /// So many bytes of body.
    Body(u64),
}

/// A publish that is not complete.
#[derive(Debug, Default)]
struct Message {
    exchange: ShortStr,
    routing_key: ShortStr,
    mandatory: bool,
    properties: Bytes,
    body: BodyBuilder,
    /// Its names and properties do not lie in a receive buffer any more.
    compact: bool,
}

/// The content header has at least class, weight and body size.
const CONTENT_HEADER_BYTES_MIN: usize = 12;

impl Channel {
    /// The session, if the channel is open.
    pub(crate) fn session(&self) -> Option<&Session> {
        match self {
            Channel::Open(session) => Some(session),
            Channel::Closing => None,
        }
    }

    /// The session, to be changed, if the channel is open.
    pub(crate) fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            Channel::Open(session) => Some(session),
            Channel::Closing => None,
        }
    }
}

impl Session {
    /// Whether a content header or a body frame is due.
    pub(crate) fn awaits_content(&self) -> bool {
        self.due != Due::Method
    }

    /// How much of an unfinished body has come. Unit: bytes.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.message.body.len()
    }

    /// `basic.publish` came: content follows.
    pub(crate) fn start_content(&mut self, method: basic::Publish) {
        self.message.exchange = method.exchange;
        self.message.routing_key = method.routing_key;
        self.message.mandatory = method.mandatory;
        self.message.compact = false;
        self.due = Due::Header;
    }

    /// The next frame while content is awaited. Returns the message when it is complete. After a fault none is underway.
    pub(crate) fn content_frame(&mut self, frame: RawFrame, message_bytes_max: u64) -> Result<Option<Publish>, Fault> {
        let due = match self.due {
            Due::Method => Err(Fault::no_method_frame()),
            Due::Header => self.message.header_frame(frame, message_bytes_max),
            Due::Body(remaining) => self.message.body_frame(frame, remaining),
        };
        match due {
            Ok(Due::Body(0)) => {
                self.due = Due::Method;
                let confirm_seq = self.confirms.as_mut().map(|confirms| confirms.number());
                Ok(Some(self.message.finish(confirm_seq, self.tx != Tx::Off)))
            }
            Ok(due) => {
                self.due = due;
                Ok(None)
            }
            Err(fault) => {
                self.due = Due::Method;
                self.message = Message::default();
                Err(fault)
            }
        }
    }

    /// Copies names and properties of an unfinished message, so that it keeps no receive buffer alive while its body comes.
    pub(crate) fn compact(&mut self) {
        if self.awaits_content() && !self.message.compact {
            let message = &mut self.message;
            message.exchange = message.exchange.compact();
            message.routing_key = message.routing_key.compact();
            message.properties = Bytes::copy_from_slice(&message.properties);
            message.compact = true;
        }
    }
}

impl Message {
    fn header_frame(&mut self, frame: RawFrame, message_bytes_max: u64) -> Result<Due, Fault> {
        let class_id = basic::Publish::INFO.class_id;
        if frame.kind != FrameKind::Header {
            return Err(Fault::no_content_header(class_id));
        }
        let payload = frame.payload;
        if payload.len() < CONTENT_HEADER_BYTES_MIN {
            return Err(Fault::unknown_frame(frame.kind.octet(), &payload));
        }
        let header = match ContentHeader::decode(payload) {
            Ok(header) if header.class_id == class_id => header,
            Ok(header) => return Err(Fault::wrong_content_header(class_id, header.class_id)),
            Err(DecodeError::Weight(_)) => return Err(Fault::no_content_header(class_id)),
            Err(error) => return Err(Fault::malformed_properties(error)),
        };
        if header.body_size > message_bytes_max {
            return Err(Fault::message_too_large(header.body_size, message_bytes_max));
        }
        properties::validate(&header.properties).map_err(Fault::malformed_properties)?;
        self.properties = header.properties;
        self.compact = false;
        Ok(Due::Body(header.body_size))
    }

    fn body_frame(&mut self, frame: RawFrame, remaining: u64) -> Result<Due, Fault> {
        if frame.kind != FrameKind::Body {
            return Err(Fault::no_content_body());
        }
        let len = u64::try_from(frame.payload.len()).expect("usize has at most 64 bits");
        let remaining = remaining.checked_sub(len).ok_or_else(Fault::body_too_long)?;
        self.body.push(frame.payload, remaining == 0);
        Ok(Due::Body(remaining))
    }

    /// The message; nothing is left of it here.
    fn finish(&mut self, confirm_seq: Option<u64>, transactional: bool) -> Publish {
        Publish {
            exchange: mem::take(&mut self.exchange),
            routing_key: mem::take(&mut self.routing_key),
            mandatory: self.mandatory,
            properties: mem::take(&mut self.properties),
            body: self.body.finish(),
            confirm_seq,
            transactional,
        }
    }
}
