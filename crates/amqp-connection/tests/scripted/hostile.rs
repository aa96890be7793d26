//! Clients that mean harm: they get a code and a text, and cost neither time nor memory beyond what they sent.

use amqp_codec::{
    BasicProperties, ReplyCode,
    content::{Content, encode_message},
    methods::{basic, queue},
};
use amqp_connection::{Config, Event};
use bytes::{Bytes, BytesMut};

use crate::client::{Peer, bytes_of, header_frame, publish_bytes, raw_frame, short};

const CLOSED: [Event; 2] = [Event::ChannelClosed { channel: 1 }, Event::Closed];

/// `value` within so many tables (`F`) or arrays (`A`), as an encoded table.
fn nested(tag: u8, depth: usize) -> Vec<u8> {
    let name: &[u8] = if tag == b'F' { b"\x01t" } else { b"" };
    let mut value = vec![b'V'];
    for _ in 0..depth {
        let content = [name, &value].concat();
        value = [&[tag][..], &u32::try_from(content.len()).unwrap().to_be_bytes(), &content].concat();
    }
    with_length(&[b"\x01t", &value[..]].concat())
}

fn with_length(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}

/// A publish whose headers are those bytes.
fn publish_with_headers(table: &[u8]) -> Vec<u8> {
    let properties = [&[0x20, 0][..], table].concat();
    let mut buf = BytesMut::new();
    let content: Content<'_, &[u8]> = Content { properties: &properties, body: &[b"x"] };
    encode_message(&mut buf, 1, 0, &basic::Publish::default(), &content);
    buf.to_vec()
}

/// A `queue.declare` whose arguments are those bytes.
fn declare_with_arguments(table: &[u8]) -> Vec<u8> {
    let declare = bytes_of(1, &queue::Declare { queue: short("q"), ..queue::Declare::default() });
    // Without the frame's header, the empty table and the end.
    raw_frame(1, 1, &[&declare[7..declare.len() - 5], table].concat())
}

#[test]
fn tables_that_are_nested_too_deep_are_refused() {
    for tag in *b"FA" {
        let mut peer = Peer::with_channel();
        let events = peer.send_bytes(&publish_with_headers(&nested(tag, 64)));
        assert!(matches!(&events[..], [Event::Publish { .. }]), "{events:?}");
        assert!(matches!(&peer.send_bytes(&declare_with_arguments(&nested(tag, 64)))[..], [Event::Method { .. }]));
        for depth in [65, 10_000] {
            let mut peer = Peer::with_channel();
            assert_eq!(peer.send_bytes(&publish_with_headers(&nested(tag, depth))), CLOSED);
            let text = "malformed content properties: a field table is nested deeper than 64 levels";
            peer.assert_connection_closed(ReplyCode::SyntaxError, text, (60, 40));
            let mut peer = Peer::with_channel();
            assert_eq!(peer.send_bytes(&declare_with_arguments(&nested(tag, depth))), CLOSED);
            assert!(format!("{:?}", peer.server.close_reason()).contains("FRAME_ERROR - cannot decode <<"));
        }
    }
}

#[test]
fn lengths_beyond_the_frame_are_refused() {
    let lies: [&[u8]; 4] = [
        b"\xFF\xFF\xFF\xFF\x01nV",
        b"\0\0\0\x07\x01nS\xFF\xFF\xFF\xFF",
        b"\0\0\0\x07\x01nA\x7F\xFF\xFF\xFF",
        b"\0\0\0\x07\x01nF\xFF\xFF\xFF\xFF",
    ];
    for lie in lies {
        let mut peer = Peer::with_channel();
        assert_eq!(peer.send_bytes(&publish_with_headers(lie)), CLOSED);
        let text = "malformed content properties: the bytes end too early";
        peer.assert_connection_closed(ReplyCode::SyntaxError, text, (60, 40));
        let mut peer = Peer::with_channel();
        assert_eq!(peer.send_bytes(&declare_with_arguments(lie)), CLOSED);
    }
}

#[test]
fn repeated_names_in_a_table_are_taken_as_they_are() {
    let table = with_length(&b"\x01nt\x01".repeat(10_000));
    let mut peer = Peer::with_channel();
    let events = peer.send_bytes(&publish_with_headers(&table));
    let [Event::Publish { publish, .. }] = &events[..] else { panic!("{events:?}") };
    let headers = BasicProperties::decode(publish.properties.clone()).unwrap().headers.unwrap();
    assert_eq!(headers.0.len(), 10_000);
}

#[test]
fn absurd_body_sizes_close_the_channel_and_reserve_nothing() {
    for size in [1 << 63, u64::MAX, u64::MAX - 8] {
        let mut peer = Peer::with_channel();
        peer.send(1, &basic::Publish::default());
        assert_eq!(peer.send_bytes(&header_frame(1, 60, size)), CLOSED[..1]);
        let text = format!("message size {size} is larger than configured max size 16777216");
        peer.assert_channel_closed(ReplyCode::PreconditionFailed, &text, (60, 40));
        assert_eq!(peer.server.unfinished_bytes(), 0);
    }
    // Also where the configuration sets no limit worth the name.
    let config = Config { message_bytes_max: u64::MAX, unfinished_bytes_max: 1000, ..Config::default() };
    let mut peer = Peer::opened(config);
    peer.send(1, &amqp_codec::methods::channel::Open {});
    peer.send(1, &basic::Publish::default());
    assert_eq!(peer.send_bytes(&header_frame(1, 60, u64::MAX)), []);
    assert_eq!(peer.send_bytes(&raw_frame(3, 1, &[1; 4000])), []);
    assert_eq!(peer.server.unfinished_bytes(), 4000);
}

#[test]
fn frames_without_payload_are_refused_where_something_is_due() {
    for (kind, text) in
        [(1, "type 1, all octets = <<>>: unknown_frame"), (2, "expected method frame, got non method frame instead")]
    {
        let mut peer = Peer::with_channel();
        assert_eq!(peer.send_bytes(&raw_frame(kind, 1, b"")), CLOSED);
        let code = if kind == 1 { ReplyCode::FrameError } else { ReplyCode::UnexpectedFrame };
        peer.assert_connection_closed(code, text, (0, 0));
    }
    let mut peer = Peer::with_channel();
    peer.send(1, &basic::Publish::default());
    assert_eq!(peer.send_bytes(&raw_frame(2, 1, b"")), CLOSED);
    peer.assert_connection_closed(ReplyCode::FrameError, "type 2, all octets = <<>>: unknown_frame", (60, 40));
    // Empty pieces of a body cost nothing, however many there are.
    let mut peer = Peer::with_channel();
    peer.send(1, &basic::Publish::default());
    peer.send_bytes(&header_frame(1, 60, 3));
    assert_eq!(peer.send_bytes(&raw_frame(3, 1, b"").repeat(100_000)), []);
    assert_eq!(peer.server.unfinished_bytes(), 0);
    let events = peer.send_bytes(&raw_frame(3, 1, b"abc"));
    let [Event::Publish { publish, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(publish.body.pieces(), [Bytes::from_static(b"abc")]);
}

#[test]
fn a_frame_of_4_gib_is_refused_by_its_header() {
    let mut peer = Peer::with_channel();
    let events = peer.send_bytes(b"\x03\0\x01\xFF\xFF\xFF\xFF");
    assert_eq!(events, CLOSED);
    assert_eq!(peer.server.pending_input_bytes(), 0);
    // Nothing that follows is kept.
    peer.send_bytes(&publish_bytes(1, "k", &[1; 10_000]));
    assert_eq!(peer.server.pending_input_bytes(), 0);
}
