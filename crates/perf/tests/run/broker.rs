//! A broker of a few lines that can be told to misbehave: queues in memory, the default exchange, confirms, deliveries.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use amqp_codec::{
    EncodeMethod, Method,
    content::{Content, ContentHeader, encode_message},
    frame::{FrameKind, RawFrame, decode_frame, encode_method},
    methods::{basic, channel, confirm, connection, queue},
};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use types::{FieldTable, ShortStr};

const FRAME_MAX: u32 = 131_072;

/// What the broker does wrong. Numbers count publishes over all connections; zero is never.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Script {
    /// Confirms each so-manieth message without keeping it.
    pub(crate) lose_every: u64,
    /// Delivers each so-manieth message twice, without saying so.
    pub(crate) repeat_every: u64,
    /// Refuses each so-manieth message.
    pub(crate) nack_every: u64,
    /// Keeps this message, then closes the publisher's socket instead of confirming it.
    pub(crate) cut_at: u64,
    /// Stalls before it confirms this message.
    pub(crate) stall_at: u64,
    /// How long it stalls.
    pub(crate) stall: Duration,
    /// Closes the channel instead of taking a consumer.
    pub(crate) refuse_consumers: bool,
}

#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    script: Script,
    queues: Mutex<BTreeMap<ShortStr, VecDeque<Message>>>,
    published: Mutex<u64>,
    arrived: Notify,
}

#[derive(Clone, Debug)]
struct Message {
    body: Bytes,
    redelivered: bool,
}

impl Broker {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { script, ..State::default() });
        let shared = Arc::clone(&state);
        telemetry::spawn(telemetry::TaskKind::Background, "broker", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let session = Session::new(stream, Arc::clone(&shared));
                telemetry::spawn(telemetry::TaskKind::Connection, "connection", session.serve());
            }
        });
        Broker { address, state }
    }

    pub(crate) fn queues(&self) -> Vec<String> {
        self.state.queues.lock().keys().map(ShortStr::to_string).collect()
    }
}

/// One connection.
struct Session {
    stream: TcpStream,
    state: Arc<State>,
    output: BytesMut,
    /// The message that is coming in: its queue, the size of its body, the body so far.
    incoming: Option<(ShortStr, u64, BytesMut)>,
    publish_tag: u64,
    confirms: bool,
    /// Publishes from here on are not confirmed yet.
    unconfirmed: u64,
    consumed: Vec<(ShortStr, bool)>,
    delivery_tag: u64,
    unacked: BTreeMap<u64, (ShortStr, Message)>,
}

impl Session {
    fn new(stream: TcpStream, state: Arc<State>) -> Self {
        Session {
            stream,
            state,
            output: BytesMut::new(),
            incoming: None,
            publish_tag: 0,
            confirms: false,
            unconfirmed: 1,
            consumed: Vec::new(),
            delivery_tag: 0,
            unacked: BTreeMap::new(),
        }
    }

    async fn serve(mut self) {
        // How a connection ends is the generator's concern, not this broker's.
        self.talk().await.ok();
        let mut queues = self.state.queues.lock();
        for (_, (queue, message)) in std::mem::take(&mut self.unacked).into_iter().rev() {
            queues.entry(queue).or_default().push_front(Message { redelivered: true, ..message });
        }
        drop(queues);
        self.state.arrived.notify_waiters();
    }

    async fn talk(&mut self) -> io::Result<()> {
        let mut header = [0; 8];
        self.stream.read_exact(&mut header).await?;
        self.answer(0, &start());
        let mut input = BytesMut::new();
        let state = Arc::clone(&self.state);
        loop {
            self.stream.write_all(&self.output).await?;
            self.output.clear();
            let arrived = state.arrived.notified();
            self.deliver();
            if !self.output.is_empty() {
                continue;
            }
            tokio::select! {
                read = self.stream.read_buf(&mut input) => if read? == 0 { return Ok(()) },
                () = arrived => {}
            }
            while let Some(frame) = decode_frame(&mut input, FRAME_MAX).map_err(io::Error::other)? {
                self.take(frame).await?;
            }
            self.confirm();
        }
    }

    async fn take(&mut self, frame: RawFrame) -> io::Result<()> {
        match frame.kind {
            FrameKind::Method => {
                let method = Method::decode(frame.payload).map_err(io::Error::other)?;
                self.take_method(frame.channel, method)
            }
            FrameKind::Header => {
                let header = ContentHeader::decode(frame.payload).map_err(io::Error::other)?;
                self.incoming.as_mut().unwrap().1 = header.body_size;
                self.take_body(Bytes::new()).await
            }
            FrameKind::Body => self.take_body(frame.payload).await,
            FrameKind::Heartbeat => Ok(()),
        }
    }

    fn take_method(&mut self, channel: u16, method: Method) -> io::Result<()> {
        match method {
            Method::ConnectionStartOk(_) => {
                self.answer(0, &connection::Tune { channel_max: 2047, frame_max: FRAME_MAX, heartbeat: 60 });
            }
            Method::ConnectionTuneOk(_) => {}
            Method::ConnectionOpen(_) => self.answer(0, &connection::OpenOk),
            Method::ChannelOpen(_) => self.answer(channel, &channel::OpenOk),
            Method::ConfirmSelect(_) => {
                self.confirms = true;
                self.answer(channel, &confirm::SelectOk);
            }
            Method::BasicQos(_) => self.answer(channel, &basic::QosOk),
            Method::QueueDeclare(declare) => {
                let ready = self.state.queues.lock().entry(declare.queue.compact()).or_default().len();
                let message_count = u32::try_from(ready).unwrap();
                self.answer(channel, &queue::DeclareOk { queue: declare.queue, message_count, consumer_count: 0 });
            }
            Method::QueueDelete(delete) => {
                self.state.queues.lock().remove(&delete.queue);
                self.answer(channel, &queue::DeleteOk { message_count: 0 });
            }
            Method::BasicConsume(_) if self.state.script.refuse_consumers => {
                let reply_text = ShortStr::from_static("NOT_FOUND - no queue 'x' in vhost '/'");
                self.answer(channel, &channel::Close { reply_code: 404, reply_text, class_id: 60, method_id: 20 });
            }
            Method::BasicConsume(consume) => {
                self.answer(channel, &basic::ConsumeOk { consumer_tag: ShortStr::from_static("c") });
                self.consumed.push((consume.queue.compact(), consume.no_ack));
            }
            Method::BasicPublish(publish) => self.incoming = Some((publish.routing_key.compact(), 0, BytesMut::new())),
            Method::BasicAck(ack) => {
                assert!(ack.multiple, "the generator acknowledges in groups");
                self.unacked = self.unacked.split_off(&(ack.delivery_tag + 1));
            }
            Method::ConnectionClose(_) => self.answer(0, &connection::CloseOk),
            other => return Err(io::Error::other(other.name())),
        }
        Ok(())
    }

    async fn take_body(&mut self, piece: Bytes) -> io::Result<()> {
        let (_, size, body) = self.incoming.as_mut().unwrap();
        body.extend_from_slice(&piece);
        if u64::try_from(body.len()).unwrap() < *size {
            return Ok(());
        }
        let (queue, _, body) = self.incoming.take().unwrap();
        self.publish_tag += 1;
        let number = {
            let mut published = self.state.published.lock();
            *published += 1;
            *published
        };
        let script = self.state.script;
        let each = |every: u64| every > 0 && number.is_multiple_of(every);
        if each(script.nack_every) {
            self.confirm_below(self.publish_tag);
            self.answer(1, &basic::Nack { delivery_tag: self.publish_tag, multiple: false, requeue: false });
            self.unconfirmed = self.publish_tag + 1;
            return Ok(());
        }
        if !each(script.lose_every) {
            let message = Message { body: body.freeze(), redelivered: false };
            let mut queues = self.state.queues.lock();
            let messages = queues.entry(queue).or_default();
            messages.push_back(message.clone());
            if each(script.repeat_every) {
                messages.push_back(message);
            }
        }
        self.state.arrived.notify_waiters();
        if number == script.stall_at {
            tokio::time::sleep(script.stall).await;
        }
        if number == script.cut_at { Err(io::Error::other("cut")) } else { Ok(()) }
    }

    /// Confirms all that was published.
    fn confirm(&mut self) {
        self.confirm_below(self.publish_tag + 1);
    }

    fn confirm_below(&mut self, tag: u64) {
        if self.confirms && self.unconfirmed < tag {
            self.answer(1, &basic::Ack { delivery_tag: tag - 1, multiple: true });
            self.unconfirmed = tag;
        }
    }

    /// Delivers some of what is ready, so that several consumers get their share.
    fn deliver(&mut self) {
        let mut queues = self.state.queues.lock();
        for (queue, no_ack) in &self.consumed {
            let Some(messages) = queues.get_mut(queue) else { continue };
            for message in messages.drain(..messages.len().min(20)) {
                self.delivery_tag += 1;
                let deliver = basic::DeliverRef {
                    consumer_tag: b"c",
                    delivery_tag: self.delivery_tag,
                    redelivered: message.redelivered,
                    exchange: b"",
                    routing_key: queue.as_bytes(),
                };
                let content = Content { properties: &[0, 0], body: &[&message.body] };
                encode_message(&mut self.output, 1, FRAME_MAX, &deliver, &content);
                if !no_ack {
                    self.unacked.insert(self.delivery_tag, (queue.clone(), message));
                }
            }
        }
    }

    fn answer(&mut self, channel: u16, method: &impl EncodeMethod) {
        encode_method(&mut self.output, channel, method);
    }
}

fn start() -> connection::Start {
    connection::Start {
        version_major: 0,
        version_minor: 9,
        server_properties: FieldTable::default(),
        mechanisms: Bytes::from_static(b"PLAIN"),
        locales: Bytes::from_static(b"en_US"),
    }
}
