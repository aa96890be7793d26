//! A socket that speaks as much AMQP as it takes to send what no client library would send.
//!
//! It shares no code with the broker's codec, so that a mistake there is not made here too.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

/// The protocol header of AMQP 0-9-1 (§4.2.2).
pub(crate) const HEADER: [u8; 8] = *b"AMQP\0\0\x09\x01";
/// Frame types (§4.2.3).
pub(crate) const METHOD: u8 = 1;
pub(crate) const CONTENT_HEADER: u8 = 2;
pub(crate) const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
const FRAME_END: u8 = 0xCE;
/// What this peer asks for in tune-ok.
pub(crate) const FRAME_MAX: u32 = 8192;

/// How long an answer may take. RabbitMQ waits a few seconds after some errors before it closes the socket.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What a peer says of itself when it logs in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login<'a> {
    pub(crate) password: &'a str,
    /// Whether it has the capability `authentication_failure_close`.
    pub(crate) told_of_refusal: bool,
}

impl Default for Login<'_> {
    fn default() -> Self {
        Login { password: "guest", told_of_refusal: true }
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    pub(crate) payload: Vec<u8>,
}

/// What `connection.close` or `channel.close` said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) channel: u16,
    pub(crate) code: u16,
    pub(crate) text: String,
    /// The method that is blamed: class and method id.
    pub(crate) method: (u16, u16),
}

/// A connection to one node.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: TcpStream,
}

impl Peer {
    /// Connects; nothing is said yet.
    pub(crate) fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Peer { stream })
    }

    /// Connects, logs in, opens the vhost and channel 1.
    pub(crate) fn open(address: &str) -> Result<Self> {
        let mut peer = Peer::connect(address)?;
        peer.log_in(Login::default())?;
        peer.tune_and_open(FRAME_MAX, "/")?;
        peer.expect((10, 41))?;
        peer.open_channel(1)?;
        Ok(peer)
    }

    /// As [`Peer::open`], with capabilities.
    pub(crate) fn open_with(address: &str, capabilities: &[&str]) -> Result<Self> {
        let mut peer = Peer::connect(address)?;
        peer.start_ok("PLAIN", b"\0guest\0guest", capabilities)?;
        peer.tune_and_open(FRAME_MAX, "/")?;
        peer.expect((10, 41))?;
        peer.open_channel(1)?;
        Ok(peer)
    }

    /// Header and start-ok.
    pub(crate) fn log_in(&mut self, login: Login<'_>) -> Result<()> {
        let response = format!("\0guest\0{}", login.password);
        let told: &[&str] = if login.told_of_refusal { &["authentication_failure_close"] } else { &[] };
        self.start_ok("PLAIN", response.as_bytes(), told)
    }

    /// Header and start-ok, with any mechanism.
    pub(crate) fn start_ok(&mut self, mechanism: &str, response: &[u8], capabilities: &[&str]) -> Result<()> {
        self.send(&HEADER)?;
        self.expect((10, 10))?;
        let all = capabilities.iter().flat_map(|name| [short(name), vec![b't', 1]].concat()).collect::<Vec<_>>();
        let properties = [short("capabilities"), vec![b'F'], long(&all)].concat();
        self.send_method(0, (10, 11), &[long(&properties), short(mechanism), long(response), short("en_US")].concat())
    }

    /// Takes tune; sends tune-ok and open.
    pub(crate) fn tune_and_open(&mut self, frame_max: u32, vhost: &str) -> Result<()> {
        self.expect((10, 30))?;
        let tune_ok = [&16_u16.to_be_bytes()[..], &frame_max.to_be_bytes(), &0_u16.to_be_bytes()].concat();
        self.send_method(0, (10, 31), &tune_ok)?;
        self.send_method(0, (10, 40), &[short(vhost), vec![0, 0]].concat())
    }

    /// Opens a channel.
    pub(crate) fn open_channel(&mut self, channel: u16) -> Result<()> {
        self.send_method(channel, (20, 10), &[0])?;
        self.expect((20, 11)).map(drop)
    }

    /// Writes bytes as they are. A node that has closed meanwhile is seen when its answer is read.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match self.stream.write_all(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Ok(()),
            result => result.context("cannot write"),
        }
    }

    /// Writes one frame.
    pub(crate) fn send_frame(&mut self, kind: u8, channel: u16, payload: &[u8]) -> Result<()> {
        let size = u32::try_from(payload.len())?;
        let head = [&[kind][..], &channel.to_be_bytes(), &size.to_be_bytes()].concat();
        self.send(&[&head, payload, &[FRAME_END]].concat())
    }

    /// Writes one method frame.
    pub(crate) fn send_method(&mut self, channel: u16, method: (u16, u16), arguments: &[u8]) -> Result<()> {
        let ids = [method.0.to_be_bytes(), method.1.to_be_bytes()].concat();
        self.send_frame(METHOD, channel, &[&ids, arguments].concat())
    }

    /// Writes basic.publish and a content header without properties that announces a body.
    pub(crate) fn send_publish(&mut self, channel: u16, exchange: &str, key: &str, body_size: u64) -> Result<()> {
        let publish = [vec![0, 0], short(exchange), short(key), vec![0]].concat();
        self.send_method(channel, (60, 40), &publish)?;
        self.send_frame(CONTENT_HEADER, channel, &content_header(60, body_size))
    }

    /// The next frame other than a heartbeat; `None` when the node has closed the socket.
    pub(crate) fn read_frame(&mut self) -> Result<Option<Frame>> {
        loop {
            let mut head = [0; 7];
            if !self.read_exact(&mut head)? {
                return Ok(None);
            }
            let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
            ensure!(size <= 1 << 20, "a frame of {size} bytes");
            let mut payload = vec![0; usize::try_from(size)? + 1];
            if !self.read_exact(&mut payload)? {
                return Ok(None);
            }
            ensure!(payload.pop() == Some(FRAME_END), "a frame without its end");
            if head[0] != HEARTBEAT {
                return Ok(Some(Frame { kind: head[0], channel: u16::from_be_bytes([head[1], head[2]]), payload }));
            }
        }
    }

    /// Takes one method and returns its arguments.
    pub(crate) fn expect(&mut self, method: (u16, u16)) -> Result<Vec<u8>> {
        let frame =
            self.read_frame()?.with_context(|| format!("the socket was closed instead of method {method:?}"))?;
        let (ids, arguments) = split_method(&frame)?;
        if ids == (10, 50) || ids == (20, 40) {
            bail!("instead of method {method:?}: {:?}", close(frame.channel, arguments)?);
        }
        ensure!(ids == method, "method {ids:?} instead of {method:?}");
        Ok(arguments.to_vec())
    }

    /// Takes connection.close (on channel 0) or channel.close, and answers it.
    pub(crate) fn expect_close(&mut self) -> Result<Close> {
        let frame = self.read_frame()?.context("the socket was closed without a word")?;
        let (ids, arguments) = split_method(&frame)?;
        let close = close(frame.channel, arguments)?;
        match ids {
            (10, 50) => self.send_method(0, (10, 51), &[])?,
            (20, 40) => self.send_method(frame.channel, (20, 41), &[])?,
            _ => bail!("method {ids:?} instead of a close"),
        }
        Ok(close)
    }

    /// Everything until the node closes the socket.
    pub(crate) fn read_to_end(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error).context("the socket was not closed"),
            _ => Ok(bytes),
        }
    }

    /// Whether the bytes came; not when the socket was closed before the first of them, or reset.
    fn read_exact(&mut self, bytes: &mut [u8]) -> Result<bool> {
        match self.stream.read_exact(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => Ok(false),
            result => result.map(|()| true).context("no answer"),
        }
    }
}

/// A short string (§4.2.5.3).
pub(crate) fn short(text: &str) -> Vec<u8> {
    let size = u8::try_from(text.len()).expect("names in these tests are short");
    [&[size], text.as_bytes()].concat()
}

/// A long string or table (§4.2.5.3, §4.2.5.5).
pub(crate) fn long(bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).expect("values in these tests are short");
    [&size.to_be_bytes(), bytes].concat()
}

/// A content header without properties (§4.2.6.1).
pub(crate) fn content_header(class: u16, body_size: u64) -> Vec<u8> {
    [&class.to_be_bytes()[..], &[0, 0], &body_size.to_be_bytes(), &[0, 0]].concat()
}

fn split_method(frame: &Frame) -> Result<((u16, u16), &[u8])> {
    let (ids, arguments) = frame.payload.split_first_chunk::<4>().context("a method without its ids")?;
    ensure!(frame.kind == METHOD, "frame type {} instead of a method", frame.kind);
    Ok(((u16::from_be_bytes([ids[0], ids[1]]), u16::from_be_bytes([ids[2], ids[3]])), arguments))
}

fn close(channel: u16, arguments: &[u8]) -> Result<Close> {
    let (code, rest) = arguments.split_first_chunk::<2>().context("a close without a code")?;
    let (size, rest) = rest.split_first().context("a close without a text")?;
    let (text, rest) = rest.split_at_checked(usize::from(*size)).context("a close whose text is cut short")?;
    let ids = rest.first_chunk::<4>().context("a close without the method's ids")?;
    Ok(Close {
        channel,
        code: u16::from_be_bytes(*code),
        text: String::from_utf8(text.to_vec())?,
        method: (u16::from_be_bytes([ids[0], ids[1]]), u16::from_be_bytes([ids[2], ids[3]])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_is_read_and_one_cut_short_is_refused() {
        let text = [&404_u16.to_be_bytes()[..], &short("NOT_FOUND"), &[0, 60, 0, 40]].concat();
        let expected = Close { channel: 1, code: 404, text: "NOT_FOUND".to_owned(), method: (60, 40) };
        assert_eq!(close(1, &text).unwrap(), expected);
        for cut in 0..text.len() {
            assert!(close(1, &text[..cut]).is_err());
        }
    }

    #[test]
    fn a_content_header_has_the_layout_of_the_specification() {
        assert_eq!(content_header(60, 258), [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0]);
    }
}
