//! Both ends of a connection: a shell that hands in bytes, and a broker that answers at once.

use std::sync::Arc;

use amqp_codec::{
    EncodeMethod, Method, frame,
    methods::{connection as c, tx},
    properties::NO_PROPERTIES,
};
use amqp_connection::{CloseReason, Config, Connection, Delivery, Event, Origin};
use bytes::{Bytes, BytesMut};
use types::{FieldTable, FieldValue, MessageRecord, QueueId, ShortStr, Timestamp};

/// Deliveries that a new channel gets, so that there is something to settle.
const DELIVERIES: u64 = 7;

pub(super) struct Peer {
    pub(super) server: Connection,
    /// What the shell's receive buffer holds.
    buf: BytesMut,
    pub(super) events: Vec<Event>,
    pub(super) output: Vec<u8>,
}

impl Peer {
    /// A socket without a byte on it.
    pub(super) fn connected() -> Self {
        // Small, so that an input can go beyond it.
        let config = Config { message_bytes_max: 2000, channel_max: 20, ..Config::default() };
        let server = Connection::new(Arc::new(config), Timestamp(1_000_000));
        Peer { server, buf: BytesMut::new(), events: Vec::new(), output: Vec::new() }
    }

    /// After `connection.open-ok`; the client has all capabilities.
    pub(super) fn opened() -> Self {
        let mut peer = Peer::connected();
        peer.hand_in(&handshake());
        peer.poll();
        peer.events.clear();
        peer.output.clear();
        peer
    }

    pub(super) fn hand_in(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
        self.server.handle_bytes(Timestamp(1_000_000), &mut self.buf);
    }

    /// The broker acts on each event before it looks at the next.
    pub(super) fn poll(&mut self) {
        while let Some(event) = self.server.poll_event() {
            self.act(&event);
            self.events.push(event);
        }
        let mut segments = Vec::new();
        self.server.poll_transmit(&mut segments);
        assert_eq!(self.server.pending_output_bytes(), 0);
        segments.iter().for_each(|segment| self.output.extend_from_slice(segment));
    }

    fn act(&mut self, event: &Event) {
        let server = &mut self.server;
        match event {
            Event::Login { .. } | Event::LoginResponse { .. } => server.login_ok(),
            Event::Open { .. } => server.open_ok(),
            Event::UpdateSecret { .. } => server.update_secret_ok(),
            Event::ChannelOpened { channel } => {
                (1..=DELIVERIES).for_each(|seq| server.deliver(*channel, &delivery(seq)));
            }
            Event::Method { channel, method: Method::TxCommit(_) } => server.send(*channel, tx::CommitOk {}),
            Event::Closed if matches!(server.close_reason(), Some(CloseReason::Server { .. })) => server.release(),
            _ => {}
        }
    }
}

fn delivery(seq: u64) -> Delivery {
    let consumer = if seq.is_multiple_of(2) { 1 } else { 2 };
    Delivery {
        consumer_tag: ShortStr::from_static("tag"),
        origin: Origin { consumer, queue: QueueId(7), seq },
        no_ack: false,
        redelivered: false,
        delivery_count: 0,
        message: MessageRecord {
            exchange: ShortStr::from_static("x"),
            routing_key: ShortStr::from_static("k"),
            properties: Bytes::from_static(NO_PROPERTIES),
            body: Bytes::from_static(b"body"),
        },
    }
}

/// All that a client says before it works.
pub(crate) fn handshake() -> Vec<u8> {
    let capability = |name| (ShortStr::from_static(name), FieldValue::Bool(true));
    let names = ["authentication_failure_close", "connection.blocked", "consumer_cancel_notify"];
    let capabilities = FieldValue::Table(FieldTable(names.map(capability).to_vec()));
    let start_ok = c::StartOk {
        client_properties: FieldTable(vec![(ShortStr::from_static("capabilities"), capabilities)]),
        mechanism: ShortStr::from_static("PLAIN"),
        response: Bytes::from_static(b"\0guest\0guest"),
        locale: ShortStr::from_static("en_US"),
    };
    let tune_ok = c::TuneOk { channel_max: 20, frame_max: 131_072, heartbeat: 0 };
    let open = c::Open { virtual_host: ShortStr::from_static("/") };
    [b"AMQP\0\0\x09\x01".to_vec(), framed(0, &start_ok), framed(0, &tune_ok), framed(0, &open)].concat()
}

/// A method frame's bytes.
pub(crate) fn framed(channel: u16, method: &impl EncodeMethod) -> Vec<u8> {
    let mut buf = BytesMut::new();
    frame::encode_method(&mut buf, channel, method);
    buf.to_vec()
}
