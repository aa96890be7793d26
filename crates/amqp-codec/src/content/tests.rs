//! Content headers and bodies; whole messages against another codec are in `tests/properties.rs`.

use super::*;
use crate::{
    frame::{FrameKind, RawFrame, decode_frame},
    methods::basic,
    properties::NO_PROPERTIES,
};

const METHOD: basic::PublishRef<'static> =
    basic::PublishRef { exchange: b"", routing_key: b"q", mandatory: false, immediate: false };

fn bodies(frame_max: u32, body: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut buf = BytesMut::new();
    encode_message(&mut buf, 1, frame_max, &METHOD, &Content { properties: NO_PROPERTIES, body });
    let mut frames = Vec::new();
    while let Some(RawFrame { kind, channel, payload }) = decode_frame(&mut buf, 0).unwrap() {
        assert_eq!(channel, 1);
        frames.push((kind, payload));
    }
    assert_eq!((frames[0].0, frames[1].0), (FrameKind::Method, FrameKind::Header));
    let header = ContentHeader::decode(frames[1].1.clone()).unwrap();
    let size: usize = body.iter().map(|piece| piece.len()).sum();
    assert_eq!((header.class_id, header.body_size), (60, u64::try_from(size).unwrap()));
    assert!(frames[2..].iter().all(|(kind, _)| *kind == FrameKind::Body));
    frames[2..].iter().map(|(_, payload)| payload.to_vec()).collect()
}

#[test]
fn an_empty_body_has_no_frame() {
    assert!(bodies(4096, &[]).is_empty());
    assert!(bodies(4096, &[b"", b""]).is_empty());
}

#[test]
fn a_body_is_cut_at_frame_max_with_its_overhead() {
    assert_eq!(bodies(12, &[b"01234567"]), [b"0123", b"4567"]);
    assert_eq!(bodies(12, &[b"012345678"]), [&b"0123"[..], b"4567", b"8"]);
    assert_eq!(bodies(0, &[b"0123456789"]), [b"0123456789"]);
}

#[test]
fn pieces_do_not_show_in_the_frames() {
    assert_eq!(bodies(12, &[b"01", b"", b"2345678", b"9"]), [&b"0123"[..], b"4567", b"89"]);
}

#[test]
fn a_content_header_needs_room_for_flags_and_weight_zero() {
    let good = [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5][..], &[0x10, 0, 2]].concat();
    let header = ContentHeader::decode(Bytes::from(good.clone())).unwrap();
    assert_eq!((header.class_id, header.body_size, &header.properties[..]), (60, 5, &[0x10, 0, 2][..]));
    assert_eq!(ContentHeader::decode(Bytes::copy_from_slice(&good[..13])), Err(DecodeError::CutShort));
    let mut heavy = good;
    heavy[3] = 1;
    assert_eq!(ContentHeader::decode(Bytes::from(heavy)), Err(DecodeError::Weight(1)));
}
