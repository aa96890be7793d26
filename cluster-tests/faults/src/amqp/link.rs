//! A blocking socket that takes frames and gives frames, with heartbeats in both directions.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use amqp_codec::{
    EncodeMethod, Method,
    content::ContentHeader,
    frame::{self, FrameKind, RawFrame},
    methods::channel,
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::{Bytes, BytesMut};

use super::{Incoming, Refused};

/// How long a write may wait for the broker to read.
const WRITE_TIME_MAX: Duration = Duration::from_secs(8);
/// Room of a read. Unit: bytes.
const READ_BYTES: usize = 64 * 1024;
/// Bodies in these tests are small; more than this is the broker's fault.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A method whose content is not complete.
#[derive(Debug)]
struct Partial {
    method: Method,
    header: Option<ContentHeader>,
    body: BytesMut,
}

#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    input: BytesMut,
    output: BytesMut,
    frame_max: u32,
    partial: Option<Partial>,
    heartbeat: Option<Duration>,
    read_at: Instant,
    written_at: Instant,
    /// The read timeout that the socket has.
    timeout: Duration,
}

impl Link {
    pub(super) fn connect(address: SocketAddr, limit: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_TIME_MAX))?;
        let now = Instant::now();
        Ok(Link {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            frame_max: 0,
            partial: None,
            heartbeat: None,
            read_at: now,
            written_at: now,
            timeout: Duration::ZERO,
        })
    }

    pub(super) fn agreed(&mut self, frame_max: u32, heartbeat_s: u16) {
        self.frame_max = frame_max;
        self.heartbeat = Some(Duration::from_secs(u64::from(heartbeat_s)));
    }

    pub(super) fn frame_max(&self) -> u32 {
        self.frame_max
    }

    pub(super) fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    pub(super) fn push(&mut self, channel: u16, method: &impl EncodeMethod) {
        frame::encode_method(&mut self.output, channel, method);
    }

    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        if !self.output.is_empty() {
            self.stream.write_all(&self.output).context("cannot write")?;
            self.output.clear();
            self.written_at = Instant::now();
        }
        Ok(())
    }

    /// The next method, with its content; `None` at the deadline.
    pub(super) fn next(&mut self, until: Instant) -> Result<Option<Incoming>> {
        loop {
            while let Some(frame) = frame::decode_frame(&mut self.input, self.frame_max)? {
                if let Some(incoming) = self.take(frame)? {
                    return Ok(Some(incoming));
                }
            }
            self.beat()?;
            self.flush()?;
            let now = Instant::now();
            if now >= until {
                return Ok(None);
            }
            self.fill(until - now)?;
        }
    }

    fn beat(&mut self) -> Result<()> {
        let Some(heartbeat) = self.heartbeat else { return Ok(()) };
        if self.written_at.elapsed() > heartbeat / 2 {
            frame::encode_heartbeat(&mut self.output);
        }
        ensure!(self.read_at.elapsed() < 2 * heartbeat, "no heartbeat");
        Ok(())
    }

    fn fill(&mut self, wait: Duration) -> Result<()> {
        // Not longer than half a heartbeat, so that ours are sent. A timeout of zero would mean none.
        let most = self.heartbeat.map_or(wait, |heartbeat| wait.min(heartbeat / 2));
        let timeout = most.max(Duration::from_millis(1));
        if timeout != self.timeout {
            self.stream.set_read_timeout(Some(timeout))?;
            self.timeout = timeout;
        }
        let start = self.input.len();
        self.input.resize(start + READ_BYTES, 0);
        let read = self.stream.read(&mut self.input[start..]);
        self.input.truncate(start + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => bail!("the broker closed the socket"),
            Ok(_) => self.read_at = Instant::now(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot read"),
        }
        Ok(())
    }

    fn take(&mut self, frame: RawFrame) -> Result<Option<Incoming>> {
        match frame.kind {
            FrameKind::Heartbeat => Ok(None),
            FrameKind::Method => {
                let method = Method::decode(frame.payload)?;
                match &method {
                    Method::ConnectionClose(close) => {
                        bail!("the broker closed the connection: {} {}", close.reply_code, close.reply_text)
                    }
                    Method::ChannelClose(close) => {
                        let refused = Refused { code: close.reply_code, text: close.reply_text.to_string() };
                        self.push(frame.channel, &channel::CloseOk);
                        self.flush()?;
                        Err(anyhow!(refused))
                    }
                    _ if method.has_content() => {
                        self.partial = Some(Partial { method, header: None, body: BytesMut::new() });
                        Ok(None)
                    }
                    _ => Ok(Some(Incoming::Method(method))),
                }
            }
            FrameKind::Header | FrameKind::Body => self.content(frame.kind, frame.payload),
        }
    }

    fn content(&mut self, kind: FrameKind, payload: Bytes) -> Result<Option<Incoming>> {
        let mut partial = self.partial.take().context("content without its method")?;
        if kind == FrameKind::Header {
            partial.header = Some(ContentHeader::decode(payload)?);
        } else {
            partial.body.extend_from_slice(&payload);
        }
        let header = partial.header.as_ref().context("a body without its header")?;
        ensure!(header.body_size <= BODY_BYTES_MAX, "a body of {} bytes", header.body_size);
        if u64::try_from(partial.body.len())? < header.body_size {
            self.partial = Some(partial);
            return Ok(None);
        }
        let (properties, body) = (header.properties.clone(), partial.body.freeze());
        Ok(Some(Incoming::Content { method: partial.method, properties, body }))
    }
}
