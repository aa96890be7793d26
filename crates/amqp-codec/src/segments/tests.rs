//! What is copied and what is not; that the bytes are the same as in one buffer is in `tests/properties.rs`.

use super::*;
use crate::{frame, methods::basic, properties::NO_PROPERTIES};

const METHOD: basic::DeliverRef<'static> =
    basic::DeliverRef { consumer_tag: b"tag", delivery_tag: 1, redelivered: false, exchange: b"", routing_key: b"q" };

fn push(segments: &mut Segments, body: &[Bytes]) {
    segments.push_message(1, 131_072, &METHOD, &Content { properties: NO_PROPERTIES, body });
}

#[test]
fn small_messages_run_together_in_one_segment() {
    let mut segments = Segments::new();
    for _ in 0..50 {
        push(&mut segments, &[Bytes::from_static(b"small")]);
    }
    frame::encode_heartbeat(segments.buffer());
    let len = segments.len();
    let taken = segments.take();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].len(), len);
    assert!(segments.is_empty());
}

#[test]
fn a_large_body_is_not_copied() {
    let body = Bytes::from(vec![7; 300_000]);
    let mut segments = Segments::new();
    push(&mut segments, std::slice::from_ref(&body));
    let len = segments.len();
    let taken = segments.take();
    assert_eq!(len, taken.iter().map(Bytes::len).sum::<usize>());
    let shared: Vec<_> = taken.iter().filter(|segment| body.as_ptr_range().contains(&segment.as_ptr())).collect();
    assert_eq!(shared.len(), 3, "one for each body frame");
    assert_eq!(shared.iter().map(|segment| segment.len()).sum::<usize>(), body.len());
    assert_eq!(taken.len(), 7, "head, three bodies, and what stands between and behind them");
}

#[test]
fn small_pieces_of_a_large_body_are_copied() {
    let body: Vec<_> = (0..100).map(|_| Bytes::from(vec![1; 100])).collect();
    let mut segments = Segments::new();
    push(&mut segments, &body);
    assert_eq!(segments.take().len(), 1);
}

#[test]
fn order_is_kept_between_small_and_large() {
    let large = Bytes::from(vec![9; SHARED_PIECE_BYTES_MIN]);
    let mut segments = Segments::new();
    let mut want = BytesMut::new();
    for body in [&b"first"[..], &large, b"last"] {
        let body = Bytes::copy_from_slice(body);
        push(&mut segments, std::slice::from_ref(&body));
        let content = Content { properties: NO_PROPERTIES, body: &[body] };
        content::encode_message(&mut want, 1, 131_072, &METHOD, &content);
    }
    let mut out = Vec::new();
    segments.drain_into(&mut out);
    assert_eq!(out.concat(), want);
    assert!(segments.is_empty() && segments.take().is_empty());
}

#[test]
fn released_memory_is_gone_and_output_is_not() {
    let mut segments = Segments::new();
    push(&mut segments, &[Bytes::from_static(b"x")]);
    let len = segments.len();
    segments.release_memory();
    assert_eq!(segments.len(), len, "what waits is kept");
    segments.take();
    segments.release_memory();
    assert_eq!(segments.buffer().capacity(), 0);
}
