//! Frames in a receive buffer, looked at in place.
//!
//! The codec's decoder is made for a broker: it shares the bytes of what it read. The generator forgets a frame as soon as it
//! has counted it, so it reads the three methods that come by the hundred thousand where they lie, and gives all others to
//! the codec.

use amqp_codec::frame::{FRAME_END, FRAME_HEADER_BYTES, FrameError, FrameKind};

/// One whole frame in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: FrameKind,
    pub(crate) channel: u16,
    pub(crate) payload: &'a [u8],
}

/// A method, as far as it is frequent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frequent {
    /// `basic.ack`
    Ack { tag: u64, multiple: bool },
    /// `basic.nack`
    Nack { tag: u64, multiple: bool },
    /// `basic.deliver`
    Deliver { tag: u64, redelivered: bool },
}

/// Class and method ids (AMQP 0-9-1 §1.8.3) as they start a method's payload.
const BASIC_DELIVER: [u8; 4] = [0, 60, 0, 60];
const BASIC_ACK: [u8; 4] = [0, 60, 0, 80];
const BASIC_NACK: [u8; 4] = [0, 60, 0, 120];

/// The frame at the start of the buffer and its length with all overhead; `None` when it has not come completely.
#[inline]
pub(crate) fn frame(buffer: &[u8]) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some(&[kind, channel_high, channel_low, a, b, c, d]) = buffer.first_chunk::<FRAME_HEADER_BYTES>() else {
        return Ok(None);
    };
    let size = crate::units::index(u64::from(u32::from_be_bytes([a, b, c, d])));
    let Some((payload, [end, ..])) = buffer[FRAME_HEADER_BYTES..].split_at_checked(size) else {
        return Ok(None);
    };
    if *end != FRAME_END {
        return Err(FrameError::BadEnd);
    }
    let channel = u16::from_be_bytes([channel_high, channel_low]);
    Ok(Some((Frame { kind: FrameKind::try_from(kind)?, channel, payload }, FRAME_HEADER_BYTES + size + 1)))
}

/// The method, when it is one of the frequent ones; all others are for the codec.
#[inline]
pub(crate) fn frequent(payload: &[u8]) -> Option<Frequent> {
    let (ids, arguments) = payload.split_first_chunk::<4>()?;
    match *ids {
        BASIC_DELIVER => {
            let (tag_len, rest) = arguments.split_first()?;
            let (tag, flags) = tag_and_flags(rest.get(usize::from(*tag_len)..)?)?;
            Some(Frequent::Deliver { tag, redelivered: flags & 1 != 0 })
        }
        BASIC_ACK => tag_and_flags(arguments).map(|(tag, flags)| Frequent::Ack { tag, multiple: flags & 1 != 0 }),
        BASIC_NACK => tag_and_flags(arguments).map(|(tag, flags)| Frequent::Nack { tag, multiple: flags & 1 != 0 }),
        _ => None,
    }
}

/// The body size in a content header's payload: it follows class id and weight.
#[inline]
pub(crate) fn body_size(payload: &[u8]) -> Option<u64> {
    payload.get(4..)?.first_chunk().map(|size| u64::from_be_bytes(*size))
}

#[inline]
fn tag_and_flags(bytes: &[u8]) -> Option<(u64, u8)> {
    let (tag, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*tag), *rest.first()?))
}

#[cfg(test)]
mod tests {
    use amqp_codec::{frame as codec, methods::basic};
    use bytes::BytesMut;
    use types::ShortStr;

    use super::*;

    #[test]
    fn frequent_methods_are_read_as_the_codec_writes_them() {
        let mut buffer = BytesMut::new();
        codec::encode_method(&mut buffer, 1, &basic::Ack { delivery_tag: 7, multiple: true });
        codec::encode_method(&mut buffer, 2, &basic::Nack { delivery_tag: 8, multiple: false, requeue: true });
        let deliver = basic::Deliver {
            consumer_tag: ShortStr::from_static("some tag"),
            delivery_tag: 1 << 40,
            redelivered: true,
            exchange: ShortStr::EMPTY,
            routing_key: ShortStr::from_static("q"),
        };
        codec::encode_method(&mut buffer, 3, &deliver);
        codec::encode_method(&mut buffer, 4, &basic::QosOk);
        let mut rest = &buffer[..];
        let mut seen = Vec::new();
        while let Some((frame, len)) = frame(rest).unwrap() {
            seen.push((frame.channel, frequent(frame.payload)));
            rest = &rest[len..];
        }
        let expected = [
            (1, Some(Frequent::Ack { tag: 7, multiple: true })),
            (2, Some(Frequent::Nack { tag: 8, multiple: false })),
            (3, Some(Frequent::Deliver { tag: 1 << 40, redelivered: true })),
            (4, None),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_body_size_is_read_from_a_content_header() {
        let mut buffer = BytesMut::new();
        codec::encode_content_header(&mut buffer, 1, 60, 123_456, &[0, 0]);
        let (frame, _) = frame(&buffer).unwrap().unwrap();
        assert_eq!((frame.kind, body_size(frame.payload)), (FrameKind::Header, Some(123_456)));
    }

    #[test]
    fn a_frame_waits_until_its_last_byte_is_there() {
        let mut buffer = BytesMut::new();
        codec::encode_method(&mut buffer, 1, &basic::Ack { delivery_tag: 7, multiple: true });
        for len in 0..buffer.len() {
            assert_eq!(frame(&buffer[..len]), Ok(None));
        }
        assert!(frame(&buffer).unwrap().is_some());
    }

    #[test]
    fn damaged_frames_are_errors_and_short_methods_are_not_frequent() {
        assert_eq!(frame(&[1, 0, 0, 0, 0, 0, 0, 0]), Err(FrameError::BadEnd));
        assert_eq!(frame(&[9, 0, 0, 0, 0, 0, 0, FRAME_END]), Err(FrameError::UnknownKind(9)));
        for payload in [&[][..], &[0, 60, 0, 60], &[0, 60, 0, 60, 200, 1], &[0, 60, 0, 80, 0, 0]] {
            assert_eq!(frequent(payload), None);
        }
        assert_eq!(body_size(&[0, 60, 0, 0, 1]), None);
    }
}
