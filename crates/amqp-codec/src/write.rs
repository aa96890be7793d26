//! Writes the elementary types of AMQP 0-9-1 §4.2.5.

use bytes::{BufMut, BytesMut};

pub(crate) use crate::table::write as table;

#[inline]
pub(crate) fn octet(buf: &mut BytesMut, value: u8) {
    buf.put_u8(value);
}

#[inline]
pub(crate) fn short(buf: &mut BytesMut, value: u16) {
    buf.put_u16(value);
}

#[inline]
pub(crate) fn long(buf: &mut BytesMut, value: u32) {
    buf.put_u32(value);
}

#[inline]
pub(crate) fn longlong(buf: &mut BytesMut, value: u64) {
    buf.put_u64(value);
}

/// Writes a length and the text.
///
/// # Panics
/// When the text has more than 255 bytes.
#[inline]
pub(crate) fn short_str(buf: &mut BytesMut, text: &[u8]) {
    buf.put_u8(u8::try_from(text.len()).expect("a short string holds at most 255 bytes"));
    buf.put_slice(text);
}

/// Writes a length and the bytes.
///
/// # Panics
/// When there are 4 GiB of them or more.
#[inline]
pub(crate) fn long_str(buf: &mut BytesMut, bytes: &[u8]) {
    buf.put_u32(length(bytes.len()));
    buf.put_slice(bytes);
}

/// Writes what `content` writes behind its length.
pub(crate) fn with_length(buf: &mut BytesMut, content: impl FnOnce(&mut BytesMut)) {
    let start = buf.len();
    buf.put_u32(0);
    content(buf);
    patch_length(buf, start, start + 4);
}

/// Puts the number of bytes from `content` to the end into the four bytes at `place`.
#[inline]
pub(crate) fn patch_length(buf: &mut BytesMut, place: usize, content: usize) {
    let len = length(buf.len() - content);
    buf[place..place + 4].copy_from_slice(&len.to_be_bytes());
}

/// A length as it stands on the wire.
#[inline]
pub(crate) fn length(len: usize) -> u32 {
    u32::try_from(len).expect("what one frame holds stays below 4 GiB")
}
