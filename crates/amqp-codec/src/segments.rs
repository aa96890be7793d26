//! Output in segments for one vectored write: small frames run together in buffers, large bodies stay where they are.

use bytes::{Bytes, BytesMut};

use crate::{
    EncodeMethod,
    content::{self, Content, Cut, MESSAGE_HEAD_ESTIMATE, body_piece_max, cut_body, frame_overhead},
    frame::FRAME_END,
};

/// From this size on a piece of a body becomes a segment of its own: below, copying it costs less than another entry of the
/// vector and another reference. Unit: bytes.
pub const SHARED_PIECE_BYTES_MIN: usize = 4096;

/// How much the buffer for small frames grows at once. Unit: bytes.
const BUFFER_BYTES: usize = 16 * 1024;

/// Whole frames on their way to a socket.
#[derive(Debug, Default)]
pub struct Segments {
    full: Vec<Bytes>,
    full_bytes: usize,
    open: BytesMut,
}

impl Segments {
    /// Without output and without memory.
    pub fn new() -> Self {
        Segments::default()
    }

    /// How many bytes wait to be sent.
    pub fn len(&self) -> usize {
        self.full_bytes + self.open.len()
    }

    /// Whether nothing waits to be sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The buffer behind all that was written so far, for small frames ([`crate::frame::encode_method`] and others append to
    /// it). Only whole frames may be appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.open
    }

    /// Appends a whole message, as [`content::encode_message`] does; pieces of the body that are at least
    /// [`SHARED_PIECE_BYTES_MIN`] are not copied.
    ///
    /// # Panics
    /// When method or properties have 4 GiB or more.
    pub fn push_message(
        &mut self,
        channel: u16,
        frame_max: u32,
        method: &impl EncodeMethod,
        content: &Content<'_, Bytes>,
    ) {
        let body_size = content.body_size();
        if body_size < SHARED_PIECE_BYTES_MIN {
            self.make_room(MESSAGE_HEAD_ESTIMATE + content.properties.len() + body_size + 2 * frame_overhead());
            content::encode_message(&mut self.open, channel, frame_max, method, content);
            return;
        }
        self.make_room(MESSAGE_HEAD_ESTIMATE + content.properties.len());
        content::encode_message_head(&mut self.open, channel, method, content.properties, body_size);
        let piece_max = body_piece_max(frame_max);
        cut_body(channel, piece_max, body_size, content.body, |cut| match cut {
            Cut::Prefix(prefix) => self.open.extend_from_slice(&prefix),
            Cut::Piece(piece, range) if range.len() >= SHARED_PIECE_BYTES_MIN => {
                self.close_buffer();
                self.full_bytes += range.len();
                self.full.push(piece.slice(range));
            }
            Cut::Piece(piece, range) => self.open.extend_from_slice(&piece[range]),
            Cut::End => self.open.extend_from_slice(&[FRAME_END]),
        });
    }

    /// Hands over all that waits, in order; nothing waits afterwards. The segments together are whole frames.
    pub fn drain_into(&mut self, out: &mut impl Extend<Bytes>) {
        self.close_buffer();
        self.full_bytes = 0;
        out.extend(self.full.drain(..));
    }

    /// As [`Segments::drain_into`], into a vector of its own.
    pub fn take(&mut self) -> Vec<Bytes> {
        self.close_buffer();
        self.full_bytes = 0;
        std::mem::take(&mut self.full)
    }

    /// Gives back the memory that is kept for output to come. For connections that fall silent.
    pub fn release_memory(&mut self) {
        if self.open.is_empty() {
            self.open = BytesMut::new();
        }
        self.full.shrink_to_fit();
    }

    fn close_buffer(&mut self) {
        if !self.open.is_empty() {
            self.full_bytes += self.open.len();
            self.full.push(self.open.split().freeze());
        }
    }

    /// Grows the buffer in large steps, so that a burst of small messages does not allocate for each.
    fn make_room(&mut self, bytes: usize) {
        if self.open.capacity() - self.open.len() < bytes {
            self.open.reserve(bytes.max(BUFFER_BYTES));
        }
    }
}

#[cfg(test)]
mod tests;
