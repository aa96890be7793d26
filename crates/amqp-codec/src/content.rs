//! Messages on the wire: a method with content, the content header, and the body cut into frames (AMQP 0-9-1 §4.2.6).

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    DecodeError, EncodeMethod,
    frame::{self, FRAME_END, FRAME_HEADER_BYTES, FRAME_OVERHEAD_BYTES},
    reader::Reader,
    write,
};

/// What a content header frame holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHeader {
    /// The class of the method before it; 60 (basic) is the only one with content.
    pub class_id: u16,
    /// Size of the whole body. Unit: bytes.
    pub body_size: u64,
    /// Property flags and property list, as they came; see [`crate::properties`].
    pub properties: Bytes,
}

impl ContentHeader {
    /// Reads a content header frame's payload. The properties share its bytes and are not looked into; see
    /// [`crate::properties::validate`].
    ///
    /// # Errors
    /// When it is cut short, or the weight is not zero.
    pub fn decode(payload: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&payload);
        let class_id = reader.short()?;
        let weight = reader.short()?;
        let body_size = reader.longlong()?;
        let flags_at = reader.skip(2)?;
        if weight != 0 {
            return Err(DecodeError::Weight(weight));
        }
        Ok(ContentHeader { class_id, body_size, properties: payload.slice(flags_at..) })
    }
}

/// What follows a method with content.
#[derive(Debug)]
pub struct Content<'a, P> {
    /// Property flags and property list, as they stand in a content header.
    pub properties: &'a [u8],
    /// The body in any number of pieces; their borders mean nothing and need not be those of frames.
    pub body: &'a [P],
}

impl<P: AsRef<[u8]>> Content<'_, P> {
    /// Size of the whole body. Unit: bytes.
    pub fn body_size(&self) -> usize {
        self.body.iter().map(|piece| piece.as_ref().len()).sum()
    }
}

/// Appends a whole message: the frame of the method (a `basic::PublishRef`, `DeliverRef`, ...), the content header's and the
/// body's, cut so that no frame is larger than `frame_max`, which counts a frame's overhead; zero is no limit.
///
/// # Panics
/// When method or properties have 4 GiB or more.
pub fn encode_message<P: AsRef<[u8]>>(
    buf: &mut BytesMut,
    channel: u16,
    frame_max: u32,
    method: &impl EncodeMethod,
    content: &Content<'_, P>,
) {
    let body_size = content.body_size();
    let piece_max = body_piece_max(frame_max);
    let body_overhead = body_size.div_ceil(piece_max) * frame_overhead();
    buf.reserve(MESSAGE_HEAD_ESTIMATE + content.properties.len() + body_size + body_overhead);
    encode_message_head(buf, channel, method, content.properties, body_size);
    cut_body(channel, piece_max, body_size, content.body, |cut| match cut {
        Cut::Prefix(prefix) => buf.put_slice(&prefix),
        Cut::Piece(piece, range) => buf.put_slice(&piece.as_ref()[range]),
        Cut::End => buf.put_u8(FRAME_END),
    });
}

/// Room for the frames of a method and a content header with names of common length. More is found by growing.
pub(crate) const MESSAGE_HEAD_ESTIMATE: usize = 160;

/// Appends the frames before the body.
#[inline]
pub(crate) fn encode_message_head(
    buf: &mut BytesMut,
    channel: u16,
    method: &impl EncodeMethod,
    properties: &[u8],
    body_size: usize,
) {
    frame::encode_method(buf, channel, method);
    let body_size = u64::try_from(body_size).expect("usize has at most 64 bits");
    frame::encode_content_header(buf, channel, method.info().class_id, body_size, properties);
}

/// What is written next of a body: in this order, once per frame, with as many pieces as the frame takes.
pub(crate) enum Cut<'a, P> {
    /// A frame starts.
    Prefix([u8; FRAME_HEADER_BYTES]),
    /// This range of a piece.
    Piece(&'a P, Range<usize>),
    /// The frame ends.
    End,
}

/// Cuts a body into frames of at most `piece_max` bytes of body.
#[inline]
pub(crate) fn cut_body<'a, P: AsRef<[u8]>>(
    channel: u16,
    piece_max: usize,
    body_size: usize,
    body: &'a [P],
    mut emit: impl FnMut(Cut<'a, P>),
) {
    let mut body_left = body_size;
    let mut frame_left = 0;
    for piece in body {
        let piece_size = piece.as_ref().len();
        let mut at = 0;
        while at < piece_size {
            if frame_left == 0 {
                frame_left = body_left.min(piece_max);
                body_left -= frame_left;
                emit(Cut::Prefix(frame::body_frame_prefix(channel, write::length(frame_left))));
            }
            let len = frame_left.min(piece_size - at);
            emit(Cut::Piece(piece, at..at + len));
            at += len;
            frame_left -= len;
            if frame_left == 0 {
                emit(Cut::End);
            }
        }
    }
}

/// How much body one frame takes.
pub(crate) fn body_piece_max(frame_max: u32) -> usize {
    let frame_max = if frame_max == 0 { u32::MAX } else { frame_max };
    // Below nine nothing could be sent at all; nobody may agree on less than 4096.
    let piece_max = frame_max.saturating_sub(FRAME_OVERHEAD_BYTES).max(1);
    usize::try_from(piece_max).expect("usize has at least 32 bits")
}

pub(crate) fn frame_overhead() -> usize {
    FRAME_HEADER_BYTES + 1
}

#[cfg(test)]
mod tests;
