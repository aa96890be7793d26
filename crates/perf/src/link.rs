//! One socket with its buffers, polled by hand: one read and one write per turn, frames looked at where they lie.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use amqp_codec::{EncodeMethod, frame};
use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::scan::{self, Frame};

/// Size of a receive buffer at first: a connection that only gets confirms needs no more.
const INPUT_BYTES_MIN: usize = 16 * 1024;

/// Up to this size a receive buffer grows when a read fills it; it grows further only for a frame that is larger.
const INPUT_BYTES_WANTED: usize = 256 * 1024;

/// A socket and what was read from it and is to be written to it.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    /// What came from the broker.
    pub(crate) input: Input,
    /// Small frames for the broker; bursts of publishes are written from where they are.
    output: BytesMut,
    reads: u64,
}

/// A receive buffer.
#[derive(Debug)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Link {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Link {
            stream,
            input: Input { bytes: vec![0; INPUT_BYTES_MIN], start: 0, end: 0 },
            output: BytesMut::new(),
            reads: 0,
        }
    }

    /// Appends a method to the output.
    pub(crate) fn push_method(&mut self, channel: u16, method: &impl EncodeMethod) {
        frame::encode_method(&mut self.output, channel, method);
    }

    /// Appends a heartbeat to the output.
    pub(crate) fn push_heartbeat(&mut self) {
        frame::encode_heartbeat(&mut self.output);
    }

    /// Appends bytes as they are to the output.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Reads once into the input.
    ///
    /// # Errors
    /// When the connection is gone; its end is an error, too.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut room = ReadBuf::new(self.input.room());
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        if read == 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the socket")));
        }
        self.input.end += read;
        self.reads += 1;
        Poll::Ready(Ok(()))
    }

    /// Writes once from the given bytes; returns how many were taken.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    /// Writes the output until it is empty.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output))?;
            self.output.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes as much of the output as the socket takes now; the rest stays for the next time, and the task is woken for it.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(crate) fn flush_some(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.poll_flush(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    /// How often something was read: grows while the broker is heard.
    pub(crate) fn reads(&self) -> u64 {
        self.reads
    }

    /// Whether output waits.
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }
}

impl Input {
    /// The next whole frame; `None` when more has to be read.
    ///
    /// # Errors
    /// When the bytes are no frame.
    #[inline]
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame<'_>>, frame::FrameError> {
        match scan::frame(&self.bytes[self.start..self.end])? {
            Some((frame, len)) => {
                self.start += len;
                Ok(Some(frame))
            }
            None => Ok(None),
        }
    }

    /// Where the next read goes: never empty.
    fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            let was_full = self.end == self.bytes.len();
            self.start = 0;
            self.end = 0;
            if was_full {
                self.grow_up_to(INPUT_BYTES_WANTED);
            }
        } else if self.end == self.bytes.len() {
            let rest = self.end - self.start;
            if self.start == 0 {
                // One frame is larger than the buffer.
                self.grow_up_to(usize::MAX);
            } else {
                self.bytes.copy_within(self.start..self.end, 0);
                self.start = 0;
                self.end = rest;
                self.grow_up_to(INPUT_BYTES_WANTED);
            }
        }
        &mut self.bytes[self.end..]
    }

    fn grow_up_to(&mut self, max: usize) {
        let len = self.bytes.len();
        if len < max {
            self.bytes.resize(len.saturating_mul(2).min(max), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use amqp_codec::{frame::encode_method, methods::basic};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn pair() -> (Link, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Link::new(stream), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn frames_come_out_whole_however_they_are_cut() {
        let (mut link, mut peer) = pair().await;
        let mut bytes = BytesMut::new();
        for tag in 0..5_000 {
            encode_method(&mut bytes, 1, &basic::Ack { delivery_tag: tag, multiple: false });
        }
        let expected = bytes.clone();
        let sender = async move {
            for piece in bytes.chunks(1_009) {
                peer.write_all(piece).await.unwrap();
            }
        };
        let receiver = async {
            let mut received = 0;
            while received < 5_000 {
                poll_fn(|cx| link.poll_fill(cx)).await.unwrap();
                while let Some(frame) = link.input.next_frame().unwrap() {
                    assert_eq!(
                        scan::frequent(frame.payload),
                        Some(scan::Frequent::Ack { tag: received, multiple: false })
                    );
                    received += 1;
                }
            }
        };
        tokio::join!(sender, receiver);
        assert_eq!(expected.len(), 5_000 * 21);
    }

    #[tokio::test]
    async fn a_frame_larger_than_the_buffer_is_read() {
        let (mut link, mut peer) = pair().await;
        let body = vec![7; 3 * INPUT_BYTES_WANTED];
        let size = u32::try_from(body.len()).unwrap();
        let sender = async {
            peer.write_all(&frame::body_frame_prefix(1, size)).await.unwrap();
            peer.write_all(&body).await.unwrap();
            peer.write_all(&[frame::FRAME_END]).await.unwrap();
        };
        let receiver = async {
            loop {
                poll_fn(|cx| link.poll_fill(cx)).await.unwrap();
                if let Some(frame) = link.input.next_frame().unwrap() {
                    break frame.payload.len();
                }
            }
        };
        let ((), len) = tokio::join!(sender, receiver);
        assert_eq!(len, body.len());
    }

    #[tokio::test]
    async fn output_is_written_and_the_end_of_the_connection_is_an_error() {
        let (mut link, mut peer) = pair().await;
        link.push_heartbeat();
        assert!(link.has_output());
        poll_fn(|cx| link.poll_flush(cx)).await.unwrap();
        assert!(!link.has_output());
        let mut frame = [0; 8];
        peer.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame, [8, 0, 0, 0, 0, 0, 0, frame::FRAME_END]);
        drop(peer);
        let error = poll_fn(|cx| link.poll_fill(cx)).await.unwrap_err();
        assert_eq!(error.to_string(), "the broker closed the socket");
    }
}
