//! Frames against bytes written by hand.

use super::*;
use crate::methods::{Method, basic};

const HEARTBEAT: &[u8] = &[8, 0, 0, 0, 0, 0, 0, 0xCE];

fn frame(kind: u8, channel: u16, payload: &[u8]) -> BytesMut {
    let mut buf = BytesMut::new();
    buf.put_u8(kind);
    buf.put_u16(channel);
    buf.put_u32(u32::try_from(payload.len()).unwrap());
    buf.put_slice(payload);
    buf.put_u8(0xCE);
    buf
}

#[test]
fn one_frame_is_taken_and_the_rest_stays() {
    let mut buf = frame(3, 7, b"body");
    buf.extend_from_slice(HEARTBEAT);
    let first = decode_frame(&mut buf, 4096).unwrap().unwrap();
    assert_eq!(first, RawFrame { kind: FrameKind::Body, channel: 7, payload: Bytes::from_static(b"body") });
    assert_eq!(&buf[..], HEARTBEAT);
    let second = decode_frame(&mut buf, 4096).unwrap().unwrap();
    assert_eq!(second, RawFrame { kind: FrameKind::Heartbeat, channel: 0, payload: Bytes::new() });
    assert!(buf.is_empty());
}

#[test]
fn a_frame_that_has_not_come_completely_is_left_alone() {
    let whole = frame(1, 1, &[0, 20, 0, 41]);
    for len in 0..whole.len() {
        let mut buf = BytesMut::from(&whole[..len]);
        assert_eq!(decode_frame(&mut buf, 4096), Ok(None));
        assert_eq!(buf, whole[..len]);
    }
}

#[test]
fn a_payload_is_a_slice_of_the_receive_buffer() {
    let mut buf = frame(3, 1, b"0123456789");
    let start = buf.as_ptr().addr();
    let got = decode_frame(&mut buf, 0).unwrap().unwrap();
    assert_eq!(got.payload.as_ptr().addr(), start + FRAME_HEADER_BYTES);
}

#[test]
fn a_payload_may_forget_the_overhead_but_not_more() {
    let mut buf = frame(3, 1, &[0; 4096]);
    assert_eq!(decode_frame(&mut buf, 4096).unwrap().unwrap().payload.len(), 4096);
    let mut buf = frame(3, 1, &[0; 4097]);
    assert_eq!(decode_frame(&mut buf, 4096), Err(FrameError::TooLarge { size: 4097, max: 4088 }));
    assert!(decode_frame(&mut buf, 0).unwrap().is_some(), "zero is no limit");
}

#[test]
fn a_frame_that_is_too_large_is_refused_as_soon_as_its_header_is_there() {
    let mut buf = BytesMut::from(&[3, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF][..]);
    assert_eq!(decode_frame(&mut buf, 131_072), Err(FrameError::TooLarge { size: u32::MAX, max: 131_064 }));
}

#[test]
fn wrong_ends_and_kinds_are_refused() {
    let mut buf = frame(1, 1, b"x");
    buf[8] = 0xCD;
    assert_eq!(decode_frame(&mut buf, 4096), Err(FrameError::BadEnd));
    assert_eq!(decode_frame(&mut frame(4, 1, b"x"), 4096), Err(FrameError::UnknownKind(4)));
    assert_eq!(decode_frame(&mut frame(b'A', 1, b"x"), 4096), Err(FrameError::UnknownKind(b'A')));
}

#[test]
fn a_method_frame_has_ids_arguments_and_an_end() {
    let mut buf = BytesMut::new();
    let publish = basic::Publish {
        exchange: types::ShortStr::from_static("x"),
        routing_key: types::ShortStr::from_static("key"),
        mandatory: true,
        immediate: false,
    };
    encode_method(&mut buf, 0x0102, &publish);
    let want = [&[1, 1, 2, 0, 0, 0, 13, 0, 60, 0, 40, 0, 0, 1][..], b"x\x03key", &[1, 0xCE]].concat();
    assert_eq!(&buf[..], want);
    let mut boxed = BytesMut::new();
    encode_method(&mut boxed, 0x0102, &Method::from(publish));
    assert_eq!(boxed, buf);
}

#[test]
fn a_content_header_frame_has_class_weight_size_and_properties() {
    let mut buf = BytesMut::new();
    encode_content_header(&mut buf, 1, 60, 0x0102, &[0x10, 0, 2]);
    assert_eq!(&buf[..], [2, 0, 1, 0, 0, 0, 15, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0x10, 0, 2, 0xCE]);
}

#[test]
fn a_heartbeat_is_eight_bytes_on_channel_zero() {
    let mut buf = BytesMut::new();
    encode_heartbeat(&mut buf);
    assert_eq!(&buf[..], HEARTBEAT);
}

#[test]
fn every_kind_is_read_from_its_octet() {
    for kind in [FrameKind::Method, FrameKind::Header, FrameKind::Body, FrameKind::Heartbeat] {
        assert_eq!(FrameKind::try_from(kind.octet()), Ok(kind));
    }
}
