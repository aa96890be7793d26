//! The scripted client, and the shell and broker around the connection under test.

use std::sync::Arc;

use amqp_codec::{
    EncodeMethod, Method, ReplyCode,
    content::{self, Content, ContentHeader},
    frame::{self, FrameKind},
    methods::{basic, channel, connection},
    properties::NO_PROPERTIES,
};
use amqp_connection::{CloseReason, Config, Connection, Delivery, Event, Origin};
use bytes::{Bytes, BytesMut};
use types::{FieldTable, FieldValue, MessageRecord, QueueId, ShortStr, Timestamp};

/// What the client gets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Got {
    Method(u16, Method),
    Content { channel: u16, method: Method, properties: Bytes, body: Bytes },
    Heartbeat,
}

/// Both ends of a connection, and the moment.
pub(crate) struct Peer {
    pub(crate) server: Connection,
    pub(crate) now: Timestamp,
    /// What the shell's receive buffer holds.
    buf: BytesMut,
    /// Bytes that the client has not looked at.
    inbox: BytesMut,
    /// The broker answers logins, vhosts and secrets at once.
    pub(crate) obliging: bool,
    /// Whether what belongs to the connection stays until the test releases it.
    pub(crate) withholds: bool,
}

pub(crate) fn short(text: &str) -> ShortStr {
    ShortStr::copy_from(text).unwrap()
}

/// A client's properties with those capabilities.
pub(crate) fn client_properties(capabilities: &[&str]) -> FieldTable {
    let table = capabilities.iter().map(|name| (short(name), FieldValue::Bool(true))).collect();
    FieldTable(vec![(short("capabilities"), FieldValue::Table(FieldTable(table)))])
}

pub(crate) fn start_ok(capabilities: &[&str]) -> connection::StartOk {
    connection::StartOk {
        client_properties: client_properties(capabilities),
        mechanism: short("PLAIN"),
        response: Bytes::from_static(b"\0guest\0guest"),
        locale: short("en_US"),
    }
}

pub(crate) fn tune_ok(frame_max: u32, channel_max: u16, heartbeat: u16) -> connection::TuneOk {
    connection::TuneOk { channel_max, frame_max, heartbeat }
}

/// The client's close.
pub(crate) fn close() -> connection::Close {
    connection::Close { reply_code: 200, reply_text: short("bye"), class_id: 0, method_id: 0 }
}

/// The client's close of a channel.
pub(crate) fn close_channel() -> channel::Close {
    channel::Close { reply_code: 200, reply_text: short("bye"), class_id: 0, method_id: 0 }
}

pub(crate) fn delivery(consumer: u32, seq: u64, body: &[u8]) -> Delivery {
    Delivery {
        consumer_tag: short("tag"),
        origin: Origin { consumer, queue: QueueId(7), seq },
        no_ack: false,
        redelivered: false,
        delivery_count: 0,
        message: MessageRecord {
            exchange: short("x"),
            routing_key: short("k"),
            properties: Bytes::from_static(NO_PROPERTIES),
            body: Bytes::copy_from_slice(body),
        },
    }
}

/// A method frame's bytes.
pub(crate) fn bytes_of(channel: u16, method: &impl EncodeMethod) -> Vec<u8> {
    let mut buf = BytesMut::new();
    frame::encode_method(&mut buf, channel, method);
    buf.to_vec()
}

/// Any frame's bytes.
pub(crate) fn raw_frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(channel.to_be_bytes());
    bytes.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend(payload);
    bytes.push(frame::FRAME_END);
    bytes
}

/// A content header frame's bytes.
pub(crate) fn header_frame(channel: u16, class_id: u16, body_size: u64) -> Vec<u8> {
    let mut buf = BytesMut::new();
    frame::encode_content_header(&mut buf, channel, class_id, body_size, NO_PROPERTIES);
    buf.to_vec()
}

/// A publish's frames.
pub(crate) fn publish_bytes(channel: u16, key: &str, body: &[u8]) -> Vec<u8> {
    let method = basic::Publish { routing_key: short(key), ..basic::Publish::default() };
    let mut buf = BytesMut::new();
    content::encode_message(&mut buf, channel, 4096, &method, &Content { properties: NO_PROPERTIES, body: &[body] });
    buf.to_vec()
}

impl Peer {
    /// A socket without a byte on it.
    pub(crate) fn connected(config: Config) -> Self {
        let now = Timestamp(1_000_000);
        let server = Connection::new(Arc::new(config), now);
        Peer { server, now, buf: BytesMut::new(), inbox: BytesMut::new(), obliging: true, withholds: false }
    }

    /// After `connection.start`.
    pub(crate) fn started(config: Config) -> Self {
        let mut peer = Peer::connected(config);
        peer.send_bytes(b"AMQP\0\0\x09\x01");
        assert!(matches!(peer.got().as_slice(), [Got::Method(0, Method::ConnectionStart(_))]));
        peer
    }

    /// After `connection.open-ok`; the client has all capabilities.
    pub(crate) fn opened(config: Config) -> Self {
        const ALL: [&str; 3] = ["authentication_failure_close", "connection.blocked", "consumer_cancel_notify"];
        let (frame_max, channel_max) = (config.frame_max, config.channel_max);
        Peer::opened_with(config, &ALL, tune_ok(frame_max, channel_max, 0))
    }

    pub(crate) fn opened_with(config: Config, capabilities: &[&str], tune_ok: connection::TuneOk) -> Self {
        let mut peer = Peer::started(config);
        peer.send(0, &start_ok(capabilities));
        peer.send(0, &tune_ok);
        peer.send(0, &connection::Open { virtual_host: short("/") });
        let got = peer.got();
        assert!(matches!(
            got.as_slice(),
            [Got::Method(0, Method::ConnectionTune(_)), Got::Method(0, Method::ConnectionOpenOk(_))]
        ));
        peer
    }

    /// With channel 1 open.
    pub(crate) fn with_channel() -> Self {
        let mut peer = Peer::opened(Config::default());
        assert_eq!(peer.send(1, &channel::Open {}), [Event::ChannelOpened { channel: 1 }]);
        assert_eq!(peer.got(), [Got::Method(1, channel::OpenOk {}.into())]);
        peer
    }

    /// Sends a method; what the broker learns.
    pub(crate) fn send(&mut self, channel: u16, method: &impl EncodeMethod) -> Vec<Event> {
        self.send_bytes(&bytes_of(channel, method))
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.hand_in(bytes);
        self.poll()
    }

    /// Bytes come; nothing is polled.
    pub(crate) fn hand_in(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
        self.server.handle_bytes(self.now, &mut self.buf);
    }

    /// As `send_bytes`, with a broker that acts on each event before the next is polled.
    pub(crate) fn send_bytes_and(&mut self, bytes: &[u8], act: fn(&mut Connection, &Event)) -> Vec<Event> {
        self.hand_in(bytes);
        self.poll_and(act)
    }

    /// All events; what there is to send goes to the client.
    pub(crate) fn poll(&mut self) -> Vec<Event> {
        self.poll_and(|_, _| {})
    }

    fn poll_and(&mut self, act: fn(&mut Connection, &Event)) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.server.poll_event() {
            act(&mut self.server, &event);
            match event {
                Event::Login { .. } | Event::LoginResponse { .. } if self.obliging => self.server.login_ok(),
                Event::Open { .. } if self.obliging => self.server.open_ok(),
                Event::UpdateSecret { .. } if self.obliging => self.server.update_secret_ok(),
                // Nothing belonged to it.
                Event::Closed
                    if matches!(self.server.close_reason(), Some(CloseReason::Server { .. })) && !self.withholds =>
                {
                    self.server.release();
                    events.push(Event::Closed);
                }
                event => events.push(event),
            }
        }
        self.transmit();
        events
    }

    fn transmit(&mut self) {
        let mut segments = Vec::new();
        self.server.poll_transmit(&mut segments);
        for segment in segments {
            self.inbox.extend_from_slice(&segment);
        }
        assert_eq!(self.server.pending_output_bytes(), 0);
    }

    /// Raw bytes that the client got.
    pub(crate) fn got_bytes(&mut self) -> Bytes {
        self.transmit();
        self.inbox.split().freeze()
    }

    /// Frames that the client got; content as a whole.
    pub(crate) fn got(&mut self) -> Vec<Got> {
        self.transmit();
        let mut got = Vec::new();
        while let Some(frame) = frame::decode_frame(&mut self.inbox, 0).unwrap() {
            match frame.kind {
                FrameKind::Heartbeat => got.push(Got::Heartbeat),
                FrameKind::Method => {
                    let method = Method::decode(frame.payload).unwrap();
                    got.push(if method.has_content() {
                        self.content(frame.channel, method)
                    } else {
                        Got::Method(frame.channel, method)
                    });
                }
                FrameKind::Header | FrameKind::Body => panic!("content without method"),
            }
        }
        assert!(self.inbox.is_empty(), "a frame in part");
        got
    }

    fn content(&mut self, channel: u16, method: Method) -> Got {
        let mut next = |kind| {
            let frame = frame::decode_frame(&mut self.inbox, 0).unwrap().unwrap();
            assert_eq!((frame.kind, frame.channel), (kind, channel));
            frame.payload
        };
        let header = ContentHeader::decode(next(FrameKind::Header)).unwrap();
        let mut body = BytesMut::new();
        while u64::try_from(body.len()).unwrap() < header.body_size {
            body.extend_from_slice(&next(FrameKind::Body));
        }
        Got::Content { channel, method, properties: header.properties, body: body.freeze() }
    }

    /// Time passes.
    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// The shell's timer goes off if it should have.
    pub(crate) fn timeout(&mut self) -> Vec<Event> {
        if self.server.next_timeout().is_some_and(|at| at <= self.now) {
            self.server.handle_timeout(self.now);
        }
        self.poll()
    }

    /// The one thing that the client got is that the connection is closed, with this code and text.
    #[track_caller]
    pub(crate) fn assert_connection_closed(&mut self, code: ReplyCode, text: &str, ids: (u16, u16)) {
        let (class_id, method_id) = ids;
        let reply_text = short(&format!("{} - {text}", code.name()));
        let close = connection::Close { reply_code: code.code(), reply_text, class_id, method_id };
        assert_eq!(self.got(), [Got::Method(0, close.into())]);
        assert!(!self.server.is_closed());
        assert_eq!(self.send(0, &connection::CloseOk {}), []);
        assert!(self.server.is_closed());
        assert_eq!(self.got(), []);
    }

    /// The one thing that the client got is that channel 1 is closed, with this code and text.
    #[track_caller]
    pub(crate) fn assert_channel_closed(&mut self, code: ReplyCode, text: &str, ids: (u16, u16)) {
        let (class_id, method_id) = ids;
        let reply_text = short(&format!("{} - {text}", code.name()));
        let close = channel::Close { reply_code: code.code(), reply_text, class_id, method_id };
        assert_eq!(self.got(), [Got::Method(1, close.into())]);
    }
}
