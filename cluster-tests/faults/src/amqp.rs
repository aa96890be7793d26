//! A client with one channel on a blocking socket: every frame is handed on as it comes, so that a history shows what was seen
//! and nothing that a library made of it.

mod link;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use amqp_codec::{
    EncodeMethod, Method,
    content::{Content, encode_message},
    methods::{basic, channel, confirm, connection, queue, tx},
    properties::{BasicProperties, PERSISTENT},
    protocol_header::AMQP_0_9_1,
};
use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use types::{FieldTable, FieldValue, ShortStr};

use self::link::Link;

/// The one channel.
const CHANNEL: u16 = 1;
/// How long TCP, login and opening may take together, each step for itself.
const OPEN_TIME_MAX: Duration = Duration::from_secs(4);
/// How long an answer to a synchronous method may take: declarations wait up to ten seconds for a majority.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(12);
/// Heartbeats that are asked for. A broker that is silent for twice as long is given up.
const HEARTBEAT_S: u16 = 4;

/// What came from the broker on the channel.
#[derive(Debug)]
pub enum Incoming {
    /// A method without content.
    Method(Method),
    /// A method with content.
    Content {
        /// `basic.deliver`, `basic.get-ok` or `basic.return`.
        method: Method,
        /// As they came.
        properties: Bytes,
        /// The body.
        body: Bytes,
    },
}

/// The broker closed the channel. The connection is of no use any more, either: it has no other channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reply code.
    pub code: u16,
    /// The reply text.
    pub text: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl std::error::Error for Refused {}

/// A connection with an open channel.
#[derive(Debug)]
pub struct Client {
    link: Link,
    /// What came while an answer was waited for.
    early: std::collections::VecDeque<Incoming>,
}

/// What came early is bounded by the prefetch and the window of unconfirmed publishes; more than this is the broker's fault.
const EARLY_MAX: usize = 20_000;

impl Client {
    /// Connects, logs in, opens the vhost and the channel.
    ///
    /// # Errors
    /// When the broker cannot be reached, refuses, or takes too long.
    pub fn open(address: SocketAddr, name: &str) -> Result<Self> {
        let link = Link::connect(address, OPEN_TIME_MAX)?;
        let mut client = Client { link, early: std::collections::VecDeque::new() };
        client.link.push_bytes(&AMQP_0_9_1);
        match client.answer(OPEN_TIME_MAX)? {
            Method::ConnectionStart(_) => client.link.push(0, &start_ok(name)),
            other => return Err(unexpected(&other)),
        }
        match client.answer(OPEN_TIME_MAX)? {
            Method::ConnectionTune(tune) => {
                let (channel_max, frame_max) = (tune.channel_max, tune.frame_max);
                client.link.agreed(frame_max, HEARTBEAT_S);
                client.link.push(0, &connection::TuneOk { channel_max, frame_max, heartbeat: HEARTBEAT_S });
            }
            other => return Err(unexpected(&other)),
        }
        client.link.push(0, &connection::Open { virtual_host: ShortStr::from_static("/") });
        match client.answer(OPEN_TIME_MAX)? {
            Method::ConnectionOpenOk(_) => {}
            other => return Err(unexpected(&other)),
        }
        client.link.push(CHANNEL, &channel::Open);
        match client.answer(OPEN_TIME_MAX)? {
            Method::ChannelOpenOk(_) => Ok(client),
            other => Err(unexpected(&other)),
        }
    }

    /// What comes next, until the deadline; what waits to be written is written first. Heartbeats are sent and expected meanwhile.
    ///
    /// # Errors
    /// When the connection is lost or closed, or the channel is ([`Refused`]).
    pub fn next(&mut self, until: Instant) -> Result<Option<Incoming>> {
        match self.early.pop_front() {
            Some(incoming) => Ok(Some(incoming)),
            None => self.link.next(until),
        }
    }

    /// Sends a method and waits for its answer; deliveries and confirms that come before it are kept for [`Client::next`].
    ///
    /// # Errors
    /// As [`Client::next`], and when there is no answer in time.
    pub fn call(&mut self, method: &impl EncodeMethod) -> Result<Method> {
        self.link.push(CHANNEL, method);
        self.answer(ANSWER_TIME_MAX).with_context(|| format!("after {}", method.info().name))
    }

    fn answer(&mut self, limit: Duration) -> Result<Method> {
        let deadline = Instant::now() + limit;
        loop {
            match self.link.next(deadline)?.context("no answer in time")? {
                Incoming::Method(
                    method @ (Method::BasicAck(_)
                    | Method::BasicNack(_)
                    | Method::BasicCancel(_)
                    | Method::ConnectionBlocked(_)
                    | Method::ConnectionUnblocked(_)),
                ) => self.early.push_back(Incoming::Method(method)),
                Incoming::Method(method) => return Ok(method),
                content @ Incoming::Content { .. } => self.early.push_back(content),
            }
            if self.early.len() > EARLY_MAX {
                bail!("{EARLY_MAX} deliveries or confirms came before an answer");
            }
        }
    }

    /// Lets the channel confirm publishes.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn confirm_select(&mut self) -> Result<()> {
        self.call(&confirm::Select { no_wait: false }).map(drop)
    }

    /// Declares a durable queue.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn declare(&mut self, queue: &str, arguments: FieldTable, passive: bool) -> Result<queue::DeclareOk> {
        let declare = queue::Declare {
            queue: ShortStr::copy_from(queue)?,
            passive,
            durable: true,
            exclusive: false,
            auto_delete: false,
            no_wait: false,
            arguments,
        };
        match self.call(&declare)? {
            Method::QueueDeclareOk(ok) => Ok(ok),
            other => Err(unexpected(&other)),
        }
    }

    /// Deletes a queue.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn delete(&mut self, queue: &str) -> Result<()> {
        let queue = ShortStr::copy_from(queue)?;
        self.call(&queue::Delete { queue, if_unused: false, if_empty: false, no_wait: false }).map(drop)
    }

    /// Empties a queue; how many messages it removed.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn purge(&mut self, queue: &str) -> Result<u32> {
        match self.call(&queue::Purge { queue: ShortStr::copy_from(queue)?, no_wait: false })? {
            Method::QueuePurgeOk(ok) => Ok(ok.message_count),
            other => Err(unexpected(&other)),
        }
    }

    /// Consumes with manual acknowledgements.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn consume(&mut self, queue: &str, prefetch: u16, arguments: FieldTable) -> Result<()> {
        self.call(&basic::Qos { prefetch_size: 0, prefetch_count: prefetch, global: false })?;
        let consume = basic::Consume {
            queue: ShortStr::copy_from(queue)?,
            consumer_tag: ShortStr::from_static("c"),
            no_local: false,
            no_ack: false,
            exclusive: false,
            no_wait: false,
            arguments,
        };
        self.call(&consume).map(drop)
    }

    /// Fetches one message; `None` when the queue is empty.
    ///
    /// # Errors
    /// As [`Client::next`].
    pub fn get(&mut self, queue: &str) -> Result<Option<Incoming>> {
        self.link.push(CHANNEL, &basic::Get { queue: ShortStr::copy_from(queue)?, no_ack: false });
        match self.link.next(Instant::now() + ANSWER_TIME_MAX)?.context("no answer in time")? {
            Incoming::Method(Method::BasicGetEmpty(_)) => Ok(None),
            content @ Incoming::Content { .. } => Ok(Some(content)),
            Incoming::Method(other) => Err(unexpected(&other)),
        }
    }

    /// Publishes a persistent message to a queue by the default exchange. It is written by the next [`Client::next`] or
    /// [`Client::flush`].
    ///
    /// # Errors
    /// When the queue's name is too long.
    pub fn publish(&mut self, queue: &str, mandatory: bool, priority: Option<u8>, body: &[u8]) -> Result<()> {
        let method = basic::Publish {
            exchange: ShortStr::from_static(""),
            routing_key: ShortStr::copy_from(queue)?,
            mandatory,
            immediate: false,
        };
        let properties =
            BasicProperties { delivery_mode: Some(PERSISTENT), priority, ..BasicProperties::default() }.to_bytes();
        let content = Content { properties: &properties, body: &[body] };
        let frame_max = self.link.frame_max();
        encode_message(self.link.output(), CHANNEL, frame_max, &method, &content);
        Ok(())
    }

    /// Sends a method that is not answered.
    pub fn push(&mut self, method: &impl EncodeMethod) {
        self.link.push(CHANNEL, method);
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn flush(&mut self) -> Result<()> {
        self.link.flush()
    }

    /// Makes the channel transactional: acknowledgements count from [`Client::fence`] on.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn tx_select(&mut self) -> Result<()> {
        self.call(&tx::Select).map(drop)
    }

    /// Commits: the answer comes when all groups have done what was gathered.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn fence(&mut self) -> Result<()> {
        match self.call(&tx::Commit)? {
            Method::TxCommitOk(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Closes in good order, as far as the broker plays along.
    ///
    /// # Errors
    /// When it does not.
    pub fn close(mut self) -> Result<()> {
        let (reply_code, reply_text) = (200, ShortStr::from_static("done"));
        self.link.push(0, &connection::Close { reply_code, reply_text, class_id: 0, method_id: 0 });
        let deadline = Instant::now() + OPEN_TIME_MAX;
        loop {
            match self.link.next(deadline)?.context("no answer in time")? {
                Incoming::Method(Method::ConnectionCloseOk(_)) => return Ok(()),
                Incoming::Method(_) | Incoming::Content { .. } => {}
            }
        }
    }
}

fn unexpected(method: &Method) -> anyhow::Error {
    anyhow!("the broker sent {} where something else was due", method.name())
}

fn start_ok(name: &str) -> connection::StartOk {
    let mut capabilities = FieldTable::default();
    for capability in ["publisher_confirms", "basic.nack", "consumer_cancel_notify", "connection.blocked"] {
        capabilities.push(ShortStr::from_static(capability), FieldValue::Bool(true));
    }
    let text = |text: &str| FieldValue::LongStr(Bytes::copy_from_slice(text.as_bytes()));
    let mut client_properties = FieldTable::default();
    client_properties.push(ShortStr::from_static("product"), text("quorate faults"));
    client_properties.push(ShortStr::from_static("connection_name"), text(name));
    client_properties.push(ShortStr::from_static("capabilities"), FieldValue::Table(capabilities));
    connection::StartOk {
        client_properties,
        mechanism: ShortStr::from_static("PLAIN"),
        response: Bytes::from_static(b"\0guest\0guest"),
        locale: ShortStr::from_static("en_US"),
    }
}
