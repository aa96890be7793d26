//! A client that speaks to a session through frames, without sockets.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use amqp_codec::{
    BasicProperties, EncodeMethod, ReplyCode,
    content::ContentHeader,
    frame::{self, FrameKind},
    methods::{Method, basic, channel, confirm, connection, queue, tx},
};
use amqp_connection::Connection;
use broker::{Broker, ConnectionSession};
use bytes::{Bytes, BytesMut};
use types::{FieldTable, FieldValue, ShortStr, Timestamp};

/// How long an answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What a client hears: a method, and its content when it has one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) channel: u16,
    pub(crate) method: Method,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Bytes,
}

/// A client and the server side of its connection.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) session: ConnectionSession,
    input: BytesMut,
    output: BytesMut,
    heard: VecDeque<Heard>,
}

/// A short string.
pub(crate) fn short(text: &str) -> ShortStr {
    ShortStr::copy_from(text).unwrap()
}

impl Client {
    /// A client that is connected to `/` as guest, with channel 1 open.
    pub(crate) async fn connect(broker: &Arc<Broker>) -> Client {
        let mut client = Client::log_in(broker, "guest", "guest", LOOPBACK).await;
        client.open_vhost("/").await;
        client.open_channel(1).await;
        client
    }

    /// A client that has sent its credentials, and has answered `connection.tune` if that came.
    pub(crate) async fn log_in(broker: &Arc<Broker>, user: &str, password: &str, from: IpAddr) -> Client {
        let mut client = Client::start(broker, "PLAIN", &format!("\0{user}\0{password}"), from).await;
        client.tune().await;
        client
    }

    /// A client that has named a mechanism, with its first response. All mechanisms are offered.
    pub(crate) async fn start(broker: &Arc<Broker>, mechanism: &str, response: &str, from: IpAddr) -> Client {
        let mechanisms = auth::Mechanism::ALL.map(auth::Mechanism::as_str).join(" ");
        let config = Arc::new(amqp_connection::Config { mechanisms, ..amqp_connection::Config::default() });
        let mut client = Client {
            connection: Connection::new(config, Timestamp(0)),
            session: ConnectionSession::new(broker, from),
            input: BytesMut::new(),
            output: BytesMut::new(),
            heard: VecDeque::new(),
        };
        client.input.extend_from_slice(b"AMQP\0\0\x09\x01");
        client.work();
        client.expect::<connection::Start>().await;
        let mut capabilities = FieldTable::default();
        for name in ["consumer_cancel_notify", "authentication_failure_close", "connection.blocked", "basic.nack"] {
            capabilities.push(short(name), FieldValue::Bool(true));
        }
        let mut client_properties = FieldTable::default();
        client_properties.push(short("capabilities"), FieldValue::Table(capabilities));
        client.send(
            0,
            connection::StartOk {
                client_properties,
                mechanism: short(mechanism),
                response: Bytes::copy_from_slice(response.as_bytes()),
                locale: short("en_US"),
            },
        );
        client
    }

    /// Answers `connection.tune` if that comes.
    pub(crate) async fn tune(&mut self) {
        let answer = self.hear().await;
        if let Method::ConnectionTune(connection::Tune { channel_max, frame_max, .. }) = answer.method {
            self.send(0, connection::TuneOk { channel_max, frame_max, heartbeat: 0 });
        } else {
            self.heard.push_front(answer);
        }
    }

    pub(crate) async fn open_vhost(&mut self, vhost: &str) {
        self.send(0, connection::Open { virtual_host: short(vhost) });
        self.expect::<connection::OpenOk>().await;
    }

    pub(crate) async fn open_channel(&mut self, channel: u16) {
        self.send(channel, channel::Open {});
        self.expect::<channel::OpenOk>().await;
    }

    /// Sends a method.
    pub(crate) fn send(&mut self, channel: u16, method: impl EncodeMethod) {
        frame::encode_method(&mut self.input, channel, &method);
        self.work();
    }

    /// Appends a method without having it acted on: it is sent together with the next.
    pub(crate) fn batch(&mut self, channel: u16, method: impl EncodeMethod) {
        frame::encode_method(&mut self.input, channel, &method);
    }

    /// Publishes a message on channel 1.
    pub(crate) fn publish(&mut self, exchange: &str, routing_key: &str, body: &str) {
        self.publish_with(exchange, routing_key, false, &BasicProperties::default(), body);
        self.work();
    }

    /// Appends a publish without having it acted on.
    pub(crate) fn batch_publish(&mut self, exchange: &str, routing_key: &str, body: &str) {
        self.publish_with(exchange, routing_key, false, &BasicProperties::default(), body);
    }

    /// Publishes a message on channel 1 that is to come back when no queue takes it.
    pub(crate) fn publish_mandatory(&mut self, exchange: &str, routing_key: &str, body: &str) {
        self.publish_with(exchange, routing_key, true, &BasicProperties::default(), body);
        self.work();
    }

    /// Appends a publish on channel 1 without having it acted on.
    pub(crate) fn publish_with(
        &mut self,
        exchange: &str,
        routing_key: &str,
        mandatory: bool,
        properties: &BasicProperties,
        body: &str,
    ) {
        let publish =
            basic::Publish { exchange: short(exchange), routing_key: short(routing_key), mandatory, immediate: false };
        frame::encode_method(&mut self.input, 1, &publish);
        let size = u64::try_from(body.len()).unwrap();
        frame::encode_content_header(&mut self.input, 1, 60, size, &properties.to_bytes());
        if !body.is_empty() {
            self.input.extend_from_slice(&frame::body_frame_prefix(1, u32::try_from(body.len()).unwrap()));
            self.input.extend_from_slice(body.as_bytes());
            self.input.extend_from_slice(&[0xCE]);
        }
    }

    /// Has the server act on what was sent, and hears what it says at once.
    pub(crate) fn work(&mut self) {
        self.connection.handle_bytes(Timestamp(1), &mut self.input);
        self.act();
        self.session.flush(&mut self.connection);
        self.listen();
    }

    /// The same, but the server takes the connection for idle before it submits what it has gathered.
    pub(crate) fn work_trimmed(&mut self) {
        self.connection.handle_bytes(Timestamp(1), &mut self.input);
        self.act();
        self.session.trim();
        self.session.flush(&mut self.connection);
        self.listen();
    }

    /// Has the server act on its mail.
    pub(crate) fn take_mail(&mut self) {
        self.session.on_mail(&mut self.connection);
        self.act();
        self.session.flush(&mut self.connection);
        self.listen();
    }

    /// The next thing that the server says.
    pub(crate) async fn hear(&mut self) -> Heard {
        let mailbox = self.session.mailbox();
        loop {
            self.take_mail();
            if let Some(heard) = self.heard.pop_front() {
                return heard;
            }
            tokio::time::timeout(PATIENCE, mailbox.arrived()).await.expect("the server says nothing");
        }
    }

    /// Waits until the server has mail, and acts on it.
    pub(crate) async fn mail(&mut self) {
        let mailbox = self.session.mailbox();
        tokio::time::timeout(PATIENCE, mailbox.arrived()).await.expect("no mail comes");
        self.take_mail();
    }

    /// What the server has said, when nothing more is on its way.
    pub(crate) async fn heard_so_far(&mut self) -> Vec<Heard> {
        // Proposals run as tasks of this thread's runtime and need nothing but their turns.
        for _ in 0..20 {
            tokio::task::yield_now().await;
            self.take_mail();
        }
        self.heard.drain(..).collect()
    }

    /// The next thing that the server says, which must be that method.
    pub(crate) async fn expect<M: ExpectedMethod>(&mut self) -> M {
        let heard = self.hear().await;
        let shown = format!("{:?}", heard.method);
        M::take(heard.method).unwrap_or_else(|| panic!("instead of {}: {shown}", std::any::type_name::<M>()))
    }

    /// Expects that the channel is closed, with code and text.
    pub(crate) async fn expect_channel_error(&mut self, code: ReplyCode, text: &str) {
        let close = self.expect::<channel::Close>().await;
        assert_eq!(close.reply_text, code.reply_text(text));
        assert_eq!(close.reply_code, code.code());
    }

    /// Expects that the connection is closed, with code and text.
    pub(crate) async fn expect_connection_error(&mut self, code: ReplyCode, text: &str) {
        let close = self.expect::<connection::Close>().await;
        assert_eq!(close.reply_text, code.reply_text(text));
        assert_eq!(close.reply_code, code.code());
    }

    /// Expects a delivery.
    pub(crate) async fn expect_delivery(&mut self) -> (basic::Deliver, String) {
        let heard = self.hear().await;
        let Method::BasicDeliver(deliver) = heard.method else { panic!("instead of a delivery: {:?}", heard.method) };
        (deliver, String::from_utf8(heard.body.to_vec()).unwrap())
    }

    /// Declares a durable queue.
    pub(crate) async fn declare(&mut self, name: &str) -> queue::DeclareOk {
        self.send(1, queue::Declare { queue: short(name), durable: true, ..queue::Declare::default() });
        self.expect::<queue::DeclareOk>().await
    }

    /// Begins a consumer on channel 1.
    pub(crate) async fn consume(&mut self, queue: &str, tag: &str) {
        self.send(1, consume(queue, tag));
        self.expect::<basic::ConsumeOk>().await;
    }

    /// Sets the prefetch of channel 1.
    pub(crate) async fn qos(&mut self, prefetch_count: u16, global: bool) {
        self.send(1, basic::Qos { prefetch_size: 0, prefetch_count, global });
        self.expect::<basic::QosOk>().await;
    }

    /// Puts channel 1 into confirm mode.
    pub(crate) async fn select_confirms(&mut self) {
        self.send(1, confirm::Select { no_wait: false });
        self.expect::<confirm::SelectOk>().await;
    }

    pub(crate) fn ack(&mut self, delivery_tag: u64, multiple: bool) {
        self.send(1, basic::Ack { delivery_tag, multiple });
    }

    /// The client's socket is gone.
    pub(crate) fn hang_up(&mut self) {
        self.connection.handle_eof();
        self.act();
        self.session.flush(&mut self.connection);
    }

    fn act(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            self.session.on_event(&mut self.connection, event);
        }
    }

    fn listen(&mut self) {
        let mut pieces = Vec::new();
        self.connection.poll_transmit(&mut pieces);
        for piece in pieces {
            self.output.extend_from_slice(&piece);
        }
        while let Some(raw) = frame::decode_frame(&mut self.output, 0).unwrap() {
            match raw.kind {
                FrameKind::Method => {
                    let method = Method::decode(raw.payload).unwrap();
                    let (properties, body) = (BasicProperties::default(), Bytes::new());
                    self.heard.push_back(Heard { channel: raw.channel, method, properties, body });
                }
                FrameKind::Header => {
                    let header = ContentHeader::decode(raw.payload).unwrap();
                    self.heard.back_mut().unwrap().properties = BasicProperties::decode(header.properties).unwrap();
                }
                FrameKind::Body => {
                    let heard = self.heard.back_mut().unwrap();
                    heard.body = [&heard.body[..], &raw.payload].concat().into();
                }
                FrameKind::Heartbeat => {}
            }
        }
    }
}

/// `basic.consume` of that queue under that tag.
pub(crate) fn consume(queue: &str, tag: &str) -> basic::Consume {
    basic::Consume { queue: short(queue), consumer_tag: short(tag), ..basic::Consume::default() }
}

/// A method that a test waits for.
pub(crate) trait ExpectedMethod: Sized {
    fn take(method: Method) -> Option<Self>;
}

macro_rules! expected {
    ($($variant:ident => $path:ty),+ $(,)?) => {
        $(impl ExpectedMethod for $path {
            fn take(method: Method) -> Option<Self> {
                match method {
                    Method::$variant(inner) => Some(inner),
                    _ => None,
                }
            }
        })+
    };
}

expected! {
    ConnectionStart => connection::Start,
    ConnectionSecure => connection::Secure,
    ConnectionOpenOk => connection::OpenOk,
    ConnectionClose => connection::Close,
    ConnectionCloseOk => connection::CloseOk,
    ConnectionUpdateSecretOk => connection::UpdateSecretOk,
    ConnectionBlocked => connection::Blocked,
    ConnectionUnblocked => connection::Unblocked,
    ChannelOpenOk => channel::OpenOk,
    ChannelClose => channel::Close,
    ChannelCloseOk => channel::CloseOk,
    ConfirmSelectOk => confirm::SelectOk,
    QueueDeclareOk => queue::DeclareOk,
    QueueBindOk => queue::BindOk,
    QueueUnbindOk => queue::UnbindOk,
    QueuePurgeOk => queue::PurgeOk,
    QueueDeleteOk => queue::DeleteOk,
    ExchangeDeclareOk => amqp_codec::methods::exchange::DeclareOk,
    ExchangeDeleteOk => amqp_codec::methods::exchange::DeleteOk,
    ExchangeBindOk => amqp_codec::methods::exchange::BindOk,
    BasicQosOk => basic::QosOk,
    BasicConsumeOk => basic::ConsumeOk,
    BasicCancelOk => basic::CancelOk,
    BasicCancel => basic::Cancel,
    BasicAck => basic::Ack,
    BasicNack => basic::Nack,
    BasicReturn => basic::Return,
    BasicGetOk => basic::GetOk,
    BasicGetEmpty => basic::GetEmpty,
    BasicRecoverOk => basic::RecoverOk,
    TxSelectOk => tx::SelectOk,
    TxCommitOk => tx::CommitOk,
    TxRollbackOk => tx::RollbackOk,
}
