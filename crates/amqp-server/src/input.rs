//! The receive buffer of one connection: small for the many that say little, large for the few that send much.

use std::io;

use bytes::BytesMut;
use tokio::net::TcpStream;

/// The first read of a connection that was idle. Unit: bytes.
const READ_MIN: usize = 4 * 1024;
/// The largest read: several frames of the usual `frame_max`. Unit: bytes.
const READ_MAX: usize = 256 * 1024;
/// How much is read before it is acted on. What has come together is submitted together. Unit: bytes.
const BATCH_BYTES: usize = 512 * 1024;

/// A receive buffer.
#[derive(Debug)]
pub(crate) struct Input {
    /// What was read and not taken.
    pub(crate) buffer: BytesMut,
    read_bytes: usize,
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// So many bytes came; zero: none is there.
    Bytes(usize),
    /// The client has closed its side, perhaps after some bytes.
    End,
}

impl Input {
    /// An empty buffer, without memory.
    pub(crate) fn new() -> Self {
        Input { buffer: BytesMut::new(), read_bytes: READ_MIN }
    }

    /// Reads what is there, up to a batch.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn read(&mut self, stream: &TcpStream) -> io::Result<Read> {
        let mut total = 0;
        while total < BATCH_BYTES {
            // The buffer's memory is used again when nobody holds slices of it any more.
            self.buffer.reserve(self.read_bytes);
            let room = self.buffer.capacity() - self.buffer.len();
            match stream.try_read_buf(&mut self.buffer) {
                Ok(0) => return Ok(Read::End),
                Ok(count) => {
                    total += count;
                    self.adapt(count);
                    if count < room {
                        // The socket was emptied; asking again would cost a call in vain.
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Read::Bytes(total))
    }

    /// The connection is idle: gives the memory back.
    pub(crate) fn trim(&mut self) {
        self.read_bytes = READ_MIN;
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    fn adapt(&mut self, count: usize) {
        if count >= self.read_bytes {
            self.read_bytes = (self.read_bytes * 2).min(READ_MAX);
        } else if count < self.read_bytes / 8 {
            self.read_bytes = (self.read_bytes / 2).max(READ_MIN);
        }
    }
}
