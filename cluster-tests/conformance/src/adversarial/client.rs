//! A client on a raw socket that can do the usual things, many at a time, before it misbehaves.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};

use crate::wire::{BODY, CONTENT_HEADER, Close, Frame, Login, METHOD, Peer, content_header, long, short};

/// RabbitMQ's defaults, which the broker offers.
pub(super) const FRAME_MAX: u32 = 131_072;
pub(super) const CHANNEL_MAX: u16 = 2047;
/// The largest payload of a frame.
pub(super) const PAYLOAD_MAX: usize = 131_072 - 8;
/// Bits of `queue.declare`.
pub(super) const DURABLE: u8 = 0b00010;
pub(super) const EXCLUSIVE: u8 = 0b00100;
const PASSIVE: u8 = 0b00001;
/// Requests that are sent before the first answer is read.
const WINDOW: u32 = 500;

/// A client with channel 1 open, and without heartbeats.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) peer: Peer,
}

impl Client {
    /// Logs in, takes the broker's limits, opens the vhost and channel 1.
    pub(super) fn open(address: &str) -> Result<Self> {
        let mut peer = Peer::connect(address)?;
        peer.log_in(Login::default())?;
        peer.expect((10, 30))?;
        let tune_ok = [&CHANNEL_MAX.to_be_bytes()[..], &FRAME_MAX.to_be_bytes(), &[0, 0]].concat();
        peer.send_method(0, (10, 31), &tune_ok)?;
        peer.send_method(0, (10, 40), &[short("/"), vec![0, 0]].concat())?;
        peer.expect((10, 41))?;
        peer.open_channel(1)?;
        Ok(Client { peer })
    }

    /// Declares a durable queue.
    pub(super) fn declare(&mut self, queue: &str) -> Result<()> {
        self.peer.send_method(1, (50, 10), &declare(queue, DURABLE, &[]))?;
        self.peer.expect((50, 11)).map(drop)
    }

    /// How many messages are ready.
    pub(super) fn depth(&mut self, queue: &str) -> Result<u32> {
        self.peer.send_method(1, (50, 10), &declare(queue, PASSIVE, &[]))?;
        let answer = self.peer.expect((50, 11))?;
        let counts = answer.get(1 + queue.len()..).and_then(<[u8]>::first_chunk::<4>).context("a short declare-ok")?;
        Ok(u32::from_be_bytes(*counts))
    }

    pub(super) fn delete_queue(&mut self, queue: &str) -> Result<()> {
        self.peer.send_method(1, (50, 40), &[vec![0, 0], short(queue), vec![0]].concat())?;
        self.peer.expect((50, 41)).map(drop)
    }

    /// Declares a durable exchange.
    pub(super) fn declare_exchange(&mut self, exchange: &str, kind: &str) -> Result<()> {
        let arguments = [vec![0, 0], short(exchange), short(kind), vec![DURABLE], long(&[])].concat();
        self.peer.send_method(1, (40, 10), &arguments)?;
        self.peer.expect((40, 11)).map(drop)
    }

    pub(super) fn delete_exchange(&mut self, exchange: &str) -> Result<()> {
        self.peer.send_method(1, (40, 20), &[vec![0, 0], short(exchange), vec![0]].concat())?;
        self.peer.expect((40, 21)).map(drop)
    }

    /// Sends a method very often, and reads the answers in between.
    pub(super) fn repeat(
        &mut self,
        count: u32,
        (method, answer): ((u16, u16), (u16, u16)),
        arguments: impl Fn(u32) -> Vec<u8>,
    ) -> Result<()> {
        for begin in (0..count).step_by(WINDOW.try_into()?) {
            let end = count.min(begin + WINDOW);
            for number in begin..end {
                self.peer.send_method(1, method, &arguments(number))?;
            }
            for number in begin..end {
                self.peer.expect(answer).with_context(|| format!("after {number} of {count}"))?;
            }
        }
        Ok(())
    }

    /// Binds a queue.
    pub(super) fn bind_all(&mut self, queue: &str, exchange: &str, keys: &[String]) -> Result<()> {
        let key = |number| &keys[usize::try_from(number).expect("usize has at least 32 bits")];
        let count = keys.len().try_into()?;
        self.repeat(count, ((50, 20), (50, 21)), |number| bind(queue, exchange, key(number)))
    }

    pub(super) fn select_confirms(&mut self) -> Result<()> {
        self.peer.send_method(1, (85, 10), &[0])?;
        self.peer.expect((85, 11)).map(drop)
    }

    /// Writes a whole message, in as many frames as it takes.
    pub(super) fn publish(&mut self, exchange: &str, key: &str, body: &[u8]) -> Result<()> {
        self.peer.send_publish(1, exchange, key, body.len().try_into()?)?;
        body.chunks(PAYLOAD_MAX).try_for_each(|part| self.peer.send_frame(BODY, 1, part))
    }

    /// Writes `basic.publish` with a header table as its only property, and an empty body.
    pub(super) fn publish_with_headers(&mut self, key: &str, table: &[u8]) -> Result<()> {
        self.peer.send_method(1, (60, 40), &[vec![0, 0], short(""), short(key), vec![0]].concat())?;
        let mut header = content_header(60, 0);
        header.truncate(12);
        // Property flags (§4.2.6.1): headers alone.
        self.peer.send_frame(CONTENT_HEADER, 1, &[&header, &0x2000_u16.to_be_bytes()[..], table].concat())
    }

    /// Reads until those publishes are confirmed.
    pub(super) fn confirmed(&mut self, tags: std::ops::RangeInclusive<u64>) -> Result<()> {
        let mut missing = tags.collect::<BTreeSet<_>>();
        while !missing.is_empty() {
            let arguments = self.peer.expect((60, 80)).with_context(|| format!("{} unconfirmed", missing.len()))?;
            let (tag, rest) = arguments.split_first_chunk::<8>().context("an ack without a tag")?;
            let tag = u64::from_be_bytes(*tag);
            if rest == [1] {
                missing = missing.split_off(&(tag + 1));
            } else {
                missing.remove(&tag);
            }
        }
        Ok(())
    }

    /// Begins to consume without acknowledgements.
    pub(super) fn consume(&mut self, queue: &str) -> Result<()> {
        let no_ack = 0b0010;
        let arguments = [vec![0, 0], short(queue), short("tag"), vec![no_ack], long(&[])].concat();
        self.peer.send_method(1, (60, 20), &arguments)?;
        self.peer.expect((60, 21)).map(drop)
    }

    /// The next delivery: the content header's properties, and the body.
    pub(super) fn delivery(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        self.peer.expect((60, 60))?;
        self.content()
    }

    /// Fetches a message that is there.
    pub(super) fn get(&mut self, queue: &str) -> Result<(Vec<u8>, Vec<u8>)> {
        self.peer.send_method(1, (60, 70), &[vec![0, 0], short(queue), vec![1]].concat())?;
        self.got()
    }

    /// The answer to a get of a message that is there.
    pub(super) fn got(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        self.peer.expect((60, 71))?;
        self.content()
    }

    /// The connection is closed with that code, and then the socket.
    pub(super) fn cut_off(mut self, code: u16) -> Result<String> {
        let close = self.peer.expect_close()?;
        refused(&close, 0, code)?;
        let rest = self.peer.read_to_end()?;
        ensure!(rest.is_empty(), "{} bytes after close", rest.len());
        Ok(close.text)
    }

    /// The channel is closed with that code, and the connection goes on.
    pub(super) fn channel_closed(&mut self, code: u16) -> Result<String> {
        let close = self.peer.expect_close()?;
        refused(&close, 1, code)?;
        self.peer.open_channel(1)?;
        Ok(close.text)
    }

    fn content(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        let header = self.frame(CONTENT_HEADER)?.payload;
        let size = header.get(4..).and_then(<[u8]>::first_chunk::<8>).context("a short content header")?;
        let size = usize::try_from(u64::from_be_bytes(*size))?;
        let mut body = Vec::new();
        while body.len() < size {
            body.extend(self.frame(BODY)?.payload);
        }
        ensure!(body.len() == size, "a body of {} bytes instead of {size}", body.len());
        Ok((header.get(12..).unwrap_or_default().to_vec(), body))
    }

    fn frame(&mut self, kind: u8) -> Result<Frame> {
        let frame = self.peer.read_frame()?.context("the socket was closed within a message")?;
        if frame.kind != kind {
            let name = if frame.kind == METHOD { "a method" } else { "another frame" };
            bail!("{name} within a message");
        }
        Ok(frame)
    }
}

/// Arguments of `queue.declare`; those of the queue as an encoded table's entries.
pub(super) fn declare(queue: &str, bits: u8, entries: &[u8]) -> Vec<u8> {
    [vec![0, 0], short(queue), vec![bits], long(entries)].concat()
}

/// Arguments of `queue.bind`.
pub(super) fn bind(queue: &str, exchange: &str, key: &str) -> Vec<u8> {
    [vec![0, 0], short(queue), short(exchange), short(key), vec![0], long(&[])].concat()
}

/// The close is of that channel and has that code.
pub(super) fn refused(close: &Close, channel: u16, code: u16) -> Result<()> {
    ensure!(close.channel == channel && close.code == code, "{close:?} instead of {code} on channel {channel}");
    Ok(())
}
