//! A client: it speaks AMQP to a session of its node, byte for byte, without a socket.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use amqp_codec::{
    BasicProperties, EncodeMethod,
    content::ContentHeader,
    frame::{self, FrameKind},
    methods::{Method, basic, channel, confirm, connection, queue, tx},
};
use amqp_connection::Connection;
use broker::{Broker, ConnectionSession};
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;
use types::{FieldTable, FieldValue, ShortStr, Timestamp};

/// How long an answer may take. Longer than any single fault.
const PATIENCE: Duration = Duration::from_secs(30);
/// The class of `basic`, in content headers.
const BASIC: u16 = 60;
const FRAME_END: u8 = 0xCE;

/// What a client hears: a method, and its content when it has one.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) method: Method,
    pub(crate) body: Bytes,
}

/// Why a client cannot go on.
#[derive(Debug)]
pub(crate) enum Gone {
    /// The server has closed the channel or the connection.
    Closed(u16, String),
    /// There was no answer.
    Silence,
}

/// A client with one channel, and the server side of its connection.
pub(crate) struct Client {
    connection: Connection,
    session: ConnectionSession,
    input: BytesMut,
    output: BytesMut,
    heard: VecDeque<Heard>,
}

/// A short string.
pub(crate) fn short(text: &str) -> ShortStr {
    ShortStr::truncated(text)
}

impl Client {
    /// Logs in as guest and opens channel 1.
    pub(crate) async fn connect(broker: &Arc<Broker>) -> Result<Client, Gone> {
        let config = amqp_connection::Config { heartbeat_s: 0, ..amqp_connection::Config::default() };
        let mut client = Client {
            connection: Connection::new(Arc::new(config), now()),
            session: ConnectionSession::new(broker, IpAddr::V4(Ipv4Addr::LOCALHOST)),
            input: BytesMut::from(&b"AMQP\0\0\x09\x01"[..]),
            output: BytesMut::new(),
            heard: VecDeque::new(),
        };
        client.work();
        client.wait_for(|method| matches!(method, Method::ConnectionStart(_))).await?;
        let mut capabilities = FieldTable::default();
        for name in ["consumer_cancel_notify", "basic.nack"] {
            capabilities.push(ShortStr::from_static(name), FieldValue::Bool(true));
        }
        let mut client_properties = FieldTable::default();
        client_properties.push(ShortStr::from_static("capabilities"), FieldValue::Table(capabilities));
        let start_ok = connection::StartOk {
            client_properties,
            mechanism: ShortStr::from_static("PLAIN"),
            response: Bytes::from_static(b"\0guest\0guest"),
            locale: ShortStr::from_static("en_US"),
        };
        client.send(0, start_ok);
        let tune = client.wait_for(|method| matches!(method, Method::ConnectionTune(_))).await?;
        if let Method::ConnectionTune(connection::Tune { channel_max, frame_max, .. }) = tune.method {
            client.send(0, connection::TuneOk { channel_max, frame_max, heartbeat: 0 });
        }
        client.send(0, connection::Open { virtual_host: ShortStr::from_static("/") });
        client.wait_for(|method| matches!(method, Method::ConnectionOpenOk(_))).await?;
        client.call(channel::Open {}, |method| matches!(method, Method::ChannelOpenOk(_))).await?;
        Ok(client)
    }

    /// Sends a method.
    pub(crate) fn send(&mut self, channel: u16, method: impl EncodeMethod) {
        frame::encode_method(&mut self.input, channel, &method);
        self.work();
    }

    /// Sends a method on channel 1 and waits for that answer; what comes meanwhile is kept for [`Client::hear`].
    pub(crate) async fn call(
        &mut self,
        method: impl EncodeMethod,
        is_answer: impl Fn(&Method) -> bool,
    ) -> Result<Heard, Gone> {
        self.send(1, method);
        self.wait_for(is_answer).await
    }

    /// Publishes on channel 1 through the default exchange; returned when there is no such queue.
    pub(crate) fn publish(&mut self, queue: &str, body: &str) {
        let publish =
            basic::Publish { exchange: short(""), routing_key: short(queue), mandatory: true, immediate: false };
        frame::encode_method(&mut self.input, 1, &publish);
        let (size, length) = (u64::try_from(body.len()).unwrap_or(0), u32::try_from(body.len()).unwrap_or(0));
        frame::encode_content_header(&mut self.input, 1, BASIC, size, &BasicProperties::default().to_bytes());
        self.input.extend_from_slice(&frame::body_frame_prefix(1, length));
        self.input.extend_from_slice(body.as_bytes());
        self.input.extend_from_slice(&[FRAME_END]);
        self.work();
    }

    /// Declares a durable queue.
    pub(crate) async fn declare(&mut self, name: &str, arguments: FieldTable) -> Result<queue::DeclareOk, Gone> {
        let declare = queue::Declare { queue: short(name), durable: true, arguments, ..queue::Declare::default() };
        let heard = self.call(declare, |method| matches!(method, Method::QueueDeclareOk(_))).await?;
        match heard.method {
            Method::QueueDeclareOk(ok) => Ok(ok),
            _ => Err(Gone::Silence),
        }
    }

    /// Puts channel 1 into confirm mode.
    pub(crate) async fn select_confirms(&mut self) -> Result<(), Gone> {
        let select = confirm::Select { no_wait: false };
        self.call(select, |method| matches!(method, Method::ConfirmSelectOk(_))).await.map(drop)
    }

    /// Puts channel 1 into transactions.
    pub(crate) async fn select_transactions(&mut self) -> Result<(), Gone> {
        self.call(tx::Select {}, |method| matches!(method, Method::TxSelectOk(_))).await.map(drop)
    }

    /// The next thing that the server says; `None` when it says nothing for so long.
    pub(crate) async fn hear(&mut self, limit: Duration) -> Result<Option<Heard>, Gone> {
        if let Some(heard) = self.heard.pop_front() {
            return checked(heard).map(Some);
        }
        let deadline = Instant::now() + limit;
        loop {
            self.take_mail();
            if let Some(heard) = self.heard.pop_front() {
                return checked(heard).map(Some);
            }
            if !self.mail_before(deadline).await {
                return Ok(None);
            }
        }
    }

    async fn wait_for(&mut self, is_answer: impl Fn(&Method) -> bool) -> Result<Heard, Gone> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = 0;
        loop {
            self.take_mail();
            while seen < self.heard.len() {
                let method = &self.heard[seen].method;
                if is_answer(method) || matches!(method, Method::ChannelClose(_) | Method::ConnectionClose(_)) {
                    let heard = self.heard.remove(seen).ok_or(Gone::Silence)?;
                    return checked(heard);
                }
                seen += 1;
            }
            if !self.mail_before(deadline).await {
                return Err(Gone::Silence);
            }
        }
    }

    /// Waits for mail; `false`: none came in time.
    async fn mail_before(&mut self, deadline: Instant) -> bool {
        let mailbox = self.session.mailbox();
        tokio::time::timeout_at(deadline, mailbox.arrived()).await.is_ok()
    }

    fn take_mail(&mut self) {
        self.session.on_mail(&mut self.connection);
        self.work();
    }

    fn work(&mut self) {
        self.connection.handle_bytes(now(), &mut self.input);
        while let Some(event) = self.connection.poll_event() {
            self.session.on_event(&mut self.connection, event);
        }
        self.session.flush(&mut self.connection);
        self.listen();
        // What was written gives room for more.
        self.session.flush(&mut self.connection);
    }

    fn listen(&mut self) {
        let mut pieces = Vec::new();
        self.connection.poll_transmit(&mut pieces);
        pieces.iter().for_each(|piece| self.output.extend_from_slice(piece));
        while let Some(raw) = frame::decode_frame(&mut self.output, 0).expect("the server sends frames") {
            match raw.kind {
                FrameKind::Method => {
                    let method = Method::decode(raw.payload).expect("the server sends methods");
                    self.heard.push_back(Heard { method, body: Bytes::new() });
                }
                FrameKind::Header => {
                    ContentHeader::decode(raw.payload).expect("the server sends content headers");
                }
                FrameKind::Body => {
                    let heard = self.heard.back_mut().expect("a body has a method before it");
                    heard.body = [&heard.body[..], &raw.payload].concat().into();
                }
                FrameKind::Heartbeat => {}
            }
        }
    }
}

/// The end of a channel or connection is an error.
fn checked(heard: Heard) -> Result<Heard, Gone> {
    match heard.method {
        Method::ChannelClose(close) => Err(Gone::Closed(close.reply_code, close.reply_text.to_string())),
        Method::ConnectionClose(close) => Err(Gone::Closed(close.reply_code, close.reply_text.to_string())),
        method => Ok(Heard { method, body: heard.body }),
    }
}

/// The time that connections are told. Zero is when the node started.
fn now() -> Timestamp {
    Timestamp(u64::try_from(turmoil::elapsed().as_millis()).unwrap_or(u64::MAX))
}
