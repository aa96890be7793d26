//! A connection from the first byte until it carries load, and its end: the part where speed does not matter.

use std::{future::poll_fn, time::Duration};

use amqp_codec::{
    EncodeMethod, Method,
    frame::FrameKind,
    methods::{basic, channel, connection},
    protocol_header::AMQP_0_9_1,
};
use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use tokio::{net::TcpStream, time::timeout};
use types::{FieldTable, FieldValue, ShortStr};

use crate::{link::Link, scan::Frame, uri::Uri};

/// The channel that every connection of the generator uses.
pub(crate) const CHANNEL: u16 = 1;

/// How long TCP, login and opening may take together.
pub(crate) const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// How long an answer may take: a declare waits for Raft groups to be made.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// How long the end of a connection may take.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);

/// The largest frame that we take. Unit: bytes.
const FRAME_MAX: u32 = 131_072;

/// How to connect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectOptions {
    /// Heartbeat interval in seconds; 0 has none.
    pub(crate) heartbeat_s: u16,
    /// How long it may take.
    pub(crate) time_max: Duration,
}

/// An open connection, with no channel at first.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) link: Link,
    /// The agreed size of frames. Unit: bytes.
    pub(crate) frame_max: u32,
    /// The agreed heartbeat interval; zero is none.
    pub(crate) heartbeat_s: u16,
}

impl Client {
    /// Connects, logs in and opens the vhost. `name` is what the broker shows of the connection.
    ///
    /// # Errors
    /// When the broker cannot be reached, refuses, or takes too long. The message names the broker.
    pub(crate) async fn connect(uri: &Uri, name: &str, options: ConnectOptions) -> Result<Self> {
        match timeout(options.time_max, Self::open(uri, name, options.heartbeat_s)).await {
            Ok(opened) => opened.with_context(|| format!("cannot connect to {uri}")),
            Err(_) => bail!("cannot connect to {uri}: no answer within {} s", options.time_max.as_secs_f32()),
        }
    }

    async fn open(uri: &Uri, name: &str, heartbeat_s: u16) -> Result<Self> {
        let stream = TcpStream::connect((uri.host.as_str(), uri.port)).await?;
        stream.set_nodelay(true)?;
        let mut client = Client { link: Link::new(stream), frame_max: FRAME_MAX, heartbeat_s };
        client.link.push_bytes(&AMQP_0_9_1);
        match client.receive().await? {
            Method::ConnectionStart(_) => client.link.push_method(0, &start_ok(uri, name)),
            other => return Err(unexpected(&other)),
        }
        match client.receive().await? {
            Method::ConnectionTune(tune) => client.take_tune(&tune),
            other => return Err(unexpected(&other)),
        }
        let virtual_host = ShortStr::copy_from(&uri.vhost)?;
        match client.call(0, &connection::Open { virtual_host }).await? {
            Method::ConnectionOpenOk(_) => Ok(client),
            other => Err(unexpected(&other)),
        }
    }

    fn take_tune(&mut self, tune: &connection::Tune) {
        let frame_max = if tune.frame_max == 0 { FRAME_MAX } else { tune.frame_max.min(FRAME_MAX) };
        self.frame_max = frame_max;
        let heartbeat = self.heartbeat_s;
        self.link.push_method(0, &connection::TuneOk { channel_max: tune.channel_max, frame_max, heartbeat });
    }

    /// Opens the one channel.
    ///
    /// # Errors
    /// When the broker refuses or the connection is lost.
    pub(crate) async fn open_channel(&mut self) -> Result<()> {
        match self.call(CHANNEL, &channel::Open).await? {
            Method::ChannelOpenOk(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Sends a method and waits for the next method that comes.
    ///
    /// # Errors
    /// When the broker closes channel or connection instead, or does not answer.
    pub(crate) async fn call(&mut self, channel: u16, method: &impl EncodeMethod) -> Result<Method> {
        self.link.push_method(channel, method);
        self.answer().await.with_context(|| format!("{} has failed", method.info().name))
    }

    /// Waits for the next method that comes.
    ///
    /// # Errors
    /// When the broker closes channel or connection instead, or does not answer.
    pub(crate) async fn answer(&mut self) -> Result<Method> {
        match timeout(ANSWER_TIME_MAX, self.receive()).await {
            Ok(received) => received,
            Err(_) => bail!("no answer within {} s", ANSWER_TIME_MAX.as_secs()),
        }
    }

    /// Writes what waits, then reads the next method; heartbeats and the like are passed over.
    async fn receive(&mut self) -> Result<Method> {
        poll_fn(|cx| self.link.poll_flush(cx)).await?;
        loop {
            while let Some(frame) = self.link.input.next_frame()? {
                if frame.kind == FrameKind::Method {
                    match notice(&frame)? {
                        Method::ConnectionBlocked(_) | Method::ConnectionUnblocked(_) => {}
                        method => return Ok(method),
                    }
                }
            }
            poll_fn(|cx| self.link.poll_fill(cx)).await?;
        }
    }

    /// Closes the connection in good order, as far as that goes quickly.
    pub(crate) async fn close(mut self) {
        let method =
            connection::Close { reply_code: 200, reply_text: ShortStr::from_static("done"), class_id: 0, method_id: 0 };
        self.link.push_method(0, &method);
        let closing = async {
            // Whatever comes before the answer was under way already; an error is an end, too.
            while let Ok(method) = self.receive().await {
                if matches!(method, Method::ConnectionCloseOk(_)) {
                    break;
                }
            }
        };
        timeout(CLOSE_TIME_MAX, closing).await.ok();
    }
}

/// Reads a method that is not frequent.
///
/// # Errors
/// When it says that channel, connection or consumer are over, and when it cannot be read.
pub(crate) fn notice(frame: &Frame<'_>) -> Result<Method> {
    let method = Method::decode(Bytes::copy_from_slice(frame.payload))?;
    match &method {
        Method::ConnectionClose(close) => Err(closed("connection", close.reply_code, &close.reply_text)),
        Method::ChannelClose(close) => Err(closed("channel", close.reply_code, &close.reply_text)),
        Method::BasicCancel(basic::Cancel { consumer_tag, .. }) => {
            Err(anyhow!("the broker cancelled consumer '{consumer_tag}'"))
        }
        _ => Ok(method),
    }
}

/// The error for an answer that makes no sense here.
pub(crate) fn unexpected(method: &Method) -> anyhow::Error {
    anyhow!("the broker sent {} where something else was due", method.name())
}

fn closed(what: &str, code: u16, text: &ShortStr) -> anyhow::Error {
    anyhow!("the broker closed the {what}: {code} {text}")
}

fn start_ok(uri: &Uri, name: &str) -> connection::StartOk {
    let mut capabilities = FieldTable::default();
    for capability in [
        "publisher_confirms",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "authentication_failure_close",
    ] {
        capabilities.push(ShortStr::from_static(capability), FieldValue::Bool(true));
    }
    let text = |text: &str| FieldValue::LongStr(Bytes::copy_from_slice(text.as_bytes()));
    let mut client_properties = FieldTable::default();
    client_properties.push(ShortStr::from_static("product"), text("quorate perf"));
    client_properties.push(ShortStr::from_static("version"), text(env!("CARGO_PKG_VERSION")));
    client_properties.push(ShortStr::from_static("connection_name"), text(name));
    client_properties.push(ShortStr::from_static("capabilities"), FieldValue::Table(capabilities));
    connection::StartOk {
        client_properties,
        mechanism: ShortStr::from_static("PLAIN"),
        response: Bytes::from(format!("\0{}\0{}", uri.user, uri.password)),
        locale: ShortStr::from_static("en_US"),
    }
}
