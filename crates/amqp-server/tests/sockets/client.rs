//! A small client over a socket.

use std::{net::SocketAddr, time::Duration};

use amqp_codec::{
    BasicProperties, EncodeMethod, Method,
    content::ContentHeader,
    frame::{self, FrameKind, RawFrame},
    methods::{basic, channel, confirm, connection, queue},
};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};
use types::{FieldTable, ShortStr};

const PATIENCE: Duration = Duration::from_secs(30);
/// Smaller than the server's, so that bodies are cut.
const FRAME_MAX: u32 = 16 * 1024;

/// What a client hears: a method, and its body when it has one.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) method: Method,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Client {
    reader: Reader,
    writer: Writer,
}

/// The half that hears.
pub(crate) struct Reader {
    socket: OwnedReadHalf,
    buffer: BytesMut,
}

/// The half that speaks.
pub(crate) struct Writer {
    socket: OwnedWriteHalf,
    buffer: BytesMut,
}

/// A short string.
pub(crate) fn short(text: &str) -> ShortStr {
    ShortStr::copy_from(text).unwrap()
}

impl Client {
    /// A client that is connected to `/` as guest, with channel 1 open.
    pub(crate) async fn connect(address: SocketAddr) -> Client {
        Client::connect_behind(address, b"").await
    }

    /// The same behind a proxy that sends those bytes first.
    pub(crate) async fn connect_behind(address: SocketAddr, header: &[u8]) -> Client {
        let mut client = Client::start_behind(address, header).await;
        let connection::Tune { channel_max, .. } = client.expect().await;
        client.send(0, &connection::TuneOk { channel_max, frame_max: FRAME_MAX, heartbeat: 0 });
        client.send(0, &connection::Open { virtual_host: short("/") });
        client.flush().await;
        client.expect::<connection::OpenOk>().await;
        client.send(1, &channel::Open {});
        client.flush().await;
        client.expect::<channel::OpenOk>().await;
        client
    }

    /// A client that has sent guest's credentials.
    pub(crate) async fn start_behind(address: SocketAddr, header: &[u8]) -> Client {
        let (read, write) = TcpStream::connect(address).await.unwrap().into_split();
        let mut client = Client {
            reader: Reader { socket: read, buffer: BytesMut::new() },
            writer: Writer { socket: write, buffer: BytesMut::new() },
        };
        client.raw(header);
        client.raw(b"AMQP\0\0\x09\x01");
        client.flush().await;
        client.expect::<connection::Start>().await;
        client.send(
            0,
            &connection::StartOk {
                client_properties: FieldTable::default(),
                mechanism: short("PLAIN"),
                response: Bytes::from_static(b"\0guest\0guest"),
                locale: short("en_US"),
            },
        );
        client.flush().await;
        client
    }

    pub(crate) fn split(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.writer.buffer.extend_from_slice(bytes);
    }

    pub(crate) fn send(&mut self, channel: u16, method: &impl EncodeMethod) {
        frame::encode_method(&mut self.writer.buffer, channel, method);
    }

    pub(crate) fn publish(&mut self, queue: &str, body: &[u8]) {
        self.writer.publish(queue, body);
    }

    pub(crate) fn publish_to(&mut self, exchange: &str, key: &str, body: &[u8]) {
        self.writer.publish_to(exchange, key, body);
    }

    pub(crate) async fn flush(&mut self) {
        self.writer.flush().await;
    }

    pub(crate) async fn hear(&mut self) -> Heard {
        self.reader.hear().await
    }

    /// The next thing that the server says, which must be that method.
    pub(crate) async fn expect<M: Expected>(&mut self) -> M {
        self.flush().await;
        let heard = self.hear().await;
        let shown = format!("{:?}", heard.method);
        M::take(heard.method).unwrap_or_else(|| panic!("instead of {}: {shown}", std::any::type_name::<M>()))
    }

    pub(crate) async fn declare(&mut self, name: &str) -> queue::DeclareOk {
        self.send(1, &queue::Declare { queue: short(name), durable: true, ..Default::default() });
        self.expect().await
    }

    pub(crate) async fn select_confirms(&mut self) {
        self.send(1, &confirm::Select { no_wait: false });
        self.expect::<confirm::SelectOk>().await;
    }

    /// Whether the server closes its side, with nothing more to say.
    pub(crate) async fn is_closed_by_server(&mut self) -> bool {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.reader.socket.read_to_end(&mut rest)).await.unwrap().ok();
        rest.is_empty() && self.reader.buffer.is_empty()
    }
}

impl Writer {
    /// Publishes through the default exchange on channel 1.
    pub(crate) fn publish(&mut self, queue: &str, body: &[u8]) {
        self.publish_to("", queue, body);
    }

    pub(crate) fn publish_to(&mut self, exchange: &str, key: &str, body: &[u8]) {
        let publish = basic::Publish { exchange: short(exchange), routing_key: short(key), ..Default::default() };
        frame::encode_method(&mut self.buffer, 1, &publish);
        let size = u64::try_from(body.len()).unwrap();
        frame::encode_content_header(&mut self.buffer, 1, 60, size, &BasicProperties::default().to_bytes());
        for piece in body.chunks(usize::try_from(FRAME_MAX).unwrap() - 8) {
            self.buffer.extend_from_slice(&frame::body_frame_prefix(1, u32::try_from(piece.len()).unwrap()));
            self.buffer.extend_from_slice(piece);
            self.buffer.extend_from_slice(&[0xCE]);
        }
    }

    pub(crate) async fn flush(&mut self) {
        let bytes = self.buffer.split();
        timeout(PATIENCE, self.socket.write_all(&bytes)).await.expect("the server does not read").unwrap();
    }
}

impl Reader {
    /// The next thing that the server says.
    pub(crate) async fn hear(&mut self) -> Heard {
        let raw = self.frame().await;
        assert_eq!(raw.kind, FrameKind::Method);
        let method = Method::decode(raw.payload).unwrap();
        let mut body = Vec::new();
        if method.has_content() {
            let header = ContentHeader::decode(self.frame().await.payload).unwrap();
            let size = usize::try_from(header.body_size).unwrap();
            while body.len() < size {
                body.extend_from_slice(&self.frame().await.payload);
            }
        }
        Heard { method, body }
    }

    async fn frame(&mut self) -> RawFrame {
        loop {
            if let Some(raw) = frame::decode_frame(&mut self.buffer, FRAME_MAX).unwrap() {
                return raw;
            }
            let reading = self.socket.read_buf(&mut self.buffer);
            let count = timeout(PATIENCE, reading).await.expect("the server says nothing").unwrap();
            assert_ne!(count, 0, "the server has closed the socket");
        }
    }
}

/// A method that a test waits for.
pub(crate) trait Expected: Sized {
    fn take(method: Method) -> Option<Self>;
}

macro_rules! expected {
    ($($variant:ident => $path:ty),+ $(,)?) => {
        $(impl Expected for $path {
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
    ConnectionTune => connection::Tune,
    ConnectionOpenOk => connection::OpenOk,
    ConnectionClose => connection::Close,
    ConnectionCloseOk => connection::CloseOk,
    ChannelOpenOk => channel::OpenOk,
    ChannelCloseOk => channel::CloseOk,
    ConfirmSelectOk => confirm::SelectOk,
    QueueDeclareOk => queue::DeclareOk,
    QueueBindOk => queue::BindOk,
    BasicConsumeOk => basic::ConsumeOk,
}
