//! What is on its way into one socket.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;

/// Most pieces that one call writes; what Linux takes is more, but a call's cost grows with the pieces.
const PIECES_MAX: usize = 64;

/// Pieces that are to be written, in order.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pieces: VecDeque<Bytes>,
}

/// How writing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// Nothing is left.
    All,
    /// The socket takes no more for now.
    Some,
}

impl Output {
    /// Whether nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds pieces at the end.
    pub(crate) fn push(&mut self, pieces: &mut Vec<Bytes>) {
        self.pieces.extend(pieces.drain(..).filter(|piece| !piece.is_empty()));
    }

    /// Writes as much as the socket takes; adds to `written` how much that was.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn write(&mut self, stream: &TcpStream, written: &mut usize) -> io::Result<Wrote> {
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES_MAX];
            let mut used = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                *slice = IoSlice::new(piece);
                used += 1;
            }
            match stream.try_write_vectored(&slices[..used]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    *written += count;
                    self.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Wrote::Some),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Wrote::All)
    }

    /// The connection is idle: gives the memory back.
    pub(crate) fn trim(&mut self) {
        if self.pieces.is_empty() {
            self.pieces = VecDeque::new();
        }
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            if count < piece.len() {
                piece.advance(count);
                return;
            }
            count -= piece.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_taken_from_the_front_across_pieces() {
        let mut output = Output::default();
        output.push(&mut vec![Bytes::from_static(b"abc"), Bytes::new(), Bytes::from_static(b"defg")]);
        output.advance(5);
        assert_eq!(output.pieces, [Bytes::from_static(b"fg")]);
        output.advance(2);
        assert!(output.is_empty());
    }
}
