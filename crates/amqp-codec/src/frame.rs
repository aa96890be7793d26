//! Frames (AMQP 0-9-1 §4.2.3): `kind u8 | channel u16 | payload size u32 | payload | 0xCE`.
//!
//! Messages, which take several frames, are written by [`crate::content`].

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{EncodeMethod, write};

/// The octet that ends every frame.
pub const FRAME_END: u8 = 0xCE;

/// Bytes of a frame before its payload: kind, channel, payload size.
pub const FRAME_HEADER_BYTES: usize = 7;

/// Bytes of a frame that are not payload. `frame_max` counts them.
pub const FRAME_OVERHEAD_BYTES: u32 = 8;

/// The smallest `frame_max` that the protocol allows, and the one that holds before connection.tune-ok. Unit: bytes.
pub const FRAME_MIN_SIZE: u32 = 4096;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// A method.
    Method = 1,
    /// A content header.
    Header = 2,
    /// A piece of a body.
    Body = 3,
    /// Nothing, but the peer is alive.
    Heartbeat = 8,
}

/// One frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// What the payload is.
    pub kind: FrameKind,
    /// The channel; zero is the connection itself.
    pub channel: u16,
    /// The payload, a slice of the receive buffer.
    pub payload: Bytes,
}

/// The bytes are not a frame that may come here. All are connection errors 501 `FRAME_ERROR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The payload is larger than was agreed.
    #[error("frame payload of {size} bytes is larger than {max}")]
    TooLarge {
        /// Payload size that the frame's header announces. Unit: bytes.
        size: u32,
        /// The largest payload that the agreed `frame_max` leaves room for. Unit: bytes.
        max: u32,
    },
    /// The octet after the payload is not [`FRAME_END`].
    #[error("frame does not end with the frame-end octet")]
    BadEnd,
    /// There is no such kind of frame.
    #[error("unknown frame type {0}")]
    UnknownKind(u8),
}

impl TryFrom<u8> for FrameKind {
    type Error = FrameError;

    fn try_from(kind: u8) -> Result<Self, FrameError> {
        match kind {
            1 => Ok(FrameKind::Method),
            2 => Ok(FrameKind::Header),
            3 => Ok(FrameKind::Body),
            8 => Ok(FrameKind::Heartbeat),
            other => Err(FrameError::UnknownKind(other)),
        }
    }
}

impl FrameKind {
    /// The octet on the wire.
    pub const fn octet(self) -> u8 {
        match self {
            FrameKind::Method => 1,
            FrameKind::Header => 2,
            FrameKind::Body => 3,
            FrameKind::Heartbeat => 8,
        }
    }
}

/// Takes one whole frame from the front of `buf`; `None` if it has not come completely.
///
/// `frame_max` counts the whole frame with its overhead; zero is no limit. Like RabbitMQ, this lets a payload be as large as
/// `frame_max` itself, because a number of clients forget the overhead.
///
/// # Errors
/// When the header or the end is wrong; `buf` is then as it was. A frame that is too large is refused as soon as its header is
/// there, so that `buf` need never hold more than one frame that is allowed.
#[inline]
pub fn decode_frame(buf: &mut BytesMut, frame_max: u32) -> Result<Option<RawFrame>, FrameError> {
    let Some(&[kind, channel_high, channel_low, size @ ..]) = buf.first_chunk::<FRAME_HEADER_BYTES>() else {
        return Ok(None);
    };
    let kind = FrameKind::try_from(kind)?;
    let channel = u16::from_be_bytes([channel_high, channel_low]);
    let size = u32::from_be_bytes(size);
    if frame_max != 0 && size > frame_max {
        return Err(FrameError::TooLarge { size, max: frame_max.saturating_sub(FRAME_OVERHEAD_BYTES) });
    }
    let size = usize::try_from(size).expect("usize has at least 32 bits");
    match buf[FRAME_HEADER_BYTES..].get(size) {
        None => return Ok(None),
        Some(&FRAME_END) => {}
        Some(_) => return Err(FrameError::BadEnd),
    }
    let frame_len = FRAME_HEADER_BYTES + size + 1;
    let payload = if size == 0 {
        // An empty payload must not keep the buffer alive.
        buf.advance(frame_len);
        Bytes::new()
    } else {
        // One split, then cheap steps on shared bytes: advancing a `BytesMut` costs several times as much.
        let mut frame = buf.split_to(frame_len).freeze();
        frame.advance(FRAME_HEADER_BYTES);
        frame.truncate(size);
        frame
    };
    Ok(Some(RawFrame { kind, channel, payload }))
}

/// Appends a method frame.
///
/// # Panics
/// When the method would have 4 GiB or more.
#[inline]
pub fn encode_method(buf: &mut BytesMut, channel: u16, method: &impl EncodeMethod) {
    let start = buf.len();
    let info = method.info();
    let [channel_high, channel_low] = channel.to_be_bytes();
    let [class_high, class_low] = info.class_id.to_be_bytes();
    let [method_high, method_low] = info.method_id.to_be_bytes();
    // Header and ids in one piece; the size is filled in when it is known.
    let kind = FrameKind::Method.octet();
    buf.put_slice(&[kind, channel_high, channel_low, 0, 0, 0, 0, class_high, class_low, method_high, method_low]);
    method.encode_arguments(buf);
    write::patch_length(buf, start + 3, start + FRAME_HEADER_BYTES);
    buf.put_u8(FRAME_END);
}

/// Appends a content header frame. `raw_properties` are property flags and property list.
///
/// # Panics
/// When the properties have 4 GiB or more.
#[inline]
pub fn encode_content_header(buf: &mut BytesMut, channel: u16, class_id: u16, body_size: u64, raw_properties: &[u8]) {
    let start = frame_prefix(FrameKind::Header, channel, write::length(12 + raw_properties.len()));
    buf.put_slice(&start);
    buf.put_u16(class_id);
    buf.put_u16(0);
    buf.put_u64(body_size);
    buf.put_slice(raw_properties);
    buf.put_u8(FRAME_END);
}

/// Appends a heartbeat frame.
pub fn encode_heartbeat(buf: &mut BytesMut) {
    buf.put_slice(&frame_prefix(FrameKind::Heartbeat, 0, 0));
    buf.put_u8(FRAME_END);
}

/// What stands before `size` bytes of body in a body frame; after them goes [`FRAME_END`].
#[inline]
pub fn body_frame_prefix(channel: u16, size: u32) -> [u8; FRAME_HEADER_BYTES] {
    frame_prefix(FrameKind::Body, channel, size)
}

#[inline]
fn frame_prefix(kind: FrameKind, channel: u16, size: u32) -> [u8; FRAME_HEADER_BYTES] {
    let [channel_high, channel_low] = channel.to_be_bytes();
    let [a, b, c, d] = size.to_be_bytes();
    [kind.octet(), channel_high, channel_low, a, b, c, d]
}

#[cfg(test)]
mod tests;
