//! Published messages: their assembly from frames, their limits, their errors.

use amqp_codec::{
    BasicProperties, ReplyCode,
    content::{self, Content},
    frame,
    methods::{basic, channel},
};
use amqp_connection::{Config, Event, Publish};
use bytes::{Bytes, BytesMut};

use crate::client::{Peer, bytes_of, header_frame, raw_frame, short};

const PUBLISH: (u16, u16) = (60, 40);

fn publish() -> basic::Publish {
    basic::Publish { exchange: short("ex"), routing_key: short("key"), mandatory: true, immediate: false }
}

#[track_caller]
fn the_publish(events: &[Event]) -> &Publish {
    match events {
        [Event::Publish { channel: 1, publish }] => publish,
        other => panic!("{other:?}"),
    }
}

/// A publish whose content has begun like that is answered like that, by closing the connection.
#[track_caller]
fn assert_fatal(frames: &[Vec<u8>], code: ReplyCode, text: &str) {
    let mut peer = Peer::with_channel();
    peer.send(1, &publish());
    assert_eq!(peer.send_bytes(&frames.concat()), [Event::ChannelClosed { channel: 1 }, Event::Closed], "{text}");
    peer.assert_connection_closed(code, text, PUBLISH);
}

#[test]
fn a_message_is_assembled_from_its_frames() {
    let properties =
        BasicProperties { content_type: Some(short("text/plain")), ..BasicProperties::default() }.to_bytes();
    for size in [0, 1, 4088, 4089, 100_000] {
        let body = vec![5u8; size];
        let mut bytes = BytesMut::new();
        let content = Content { properties: &properties, body: &[&body] };
        content::encode_message(&mut bytes, 1, 4096, &publish(), &content);
        let mut peer = Peer::with_channel();
        let events = peer.send_bytes(&bytes);
        let expected = Publish {
            exchange: short("ex"),
            routing_key: short("key"),
            mandatory: true,
            properties: properties.clone(),
            body: Bytes::from(body).into(),
            confirm_seq: None,
            transactional: false,
        };
        assert_eq!(*the_publish(&events), expected);
        assert_eq!(peer.server.unfinished_bytes(), 0);
    }
}

#[test]
fn empty_body_frames_are_allowed_and_count_nothing() {
    let mut peer = Peer::with_channel();
    peer.send(1, &publish());
    peer.send_bytes(&header_frame(1, 60, 3));
    for _ in 0..1000 {
        assert_eq!(peer.send_bytes(&raw_frame(3, 1, b"")), []);
    }
    assert_eq!(peer.server.unfinished_bytes(), 0);
    assert_eq!(the_publish(&peer.send_bytes(&raw_frame(3, 1, b"abc"))).body.to_bytes(), "abc");
}

#[test]
fn messages_of_several_channels_may_be_interleaved() {
    let mut peer = Peer::with_channel();
    peer.send(2, &channel::Open {});
    for number in [1, 2] {
        peer.send(number, &publish());
    }
    for number in [1, 2] {
        peer.send_bytes(&header_frame(number, 60, 4));
    }
    peer.send_bytes(&raw_frame(3, 1, b"on"));
    assert!(matches!(peer.send_bytes(&raw_frame(3, 2, b"twos")).as_slice(), [Event::Publish { channel: 2, .. }]));
    assert_eq!(the_publish(&peer.send_bytes(&raw_frame(3, 1, b"es"))).body.to_bytes(), "ones");
}

#[test]
fn a_content_header_is_due_after_the_method() {
    let text = "expected content header for class 60, got non content header frame instead";
    assert_fatal(&[raw_frame(3, 1, b"body")], ReplyCode::UnexpectedFrame, text);
    assert_fatal(&[bytes_of(1, &publish())], ReplyCode::UnexpectedFrame, text);
    assert_fatal(&[bytes_of(1, &channel::Close::default())], ReplyCode::UnexpectedFrame, text);
    // A weight is not known of.
    let weighty = raw_frame(2, 1, &[0, 60, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_fatal(&[weighty], ReplyCode::UnexpectedFrame, text);
    let text = "expected content header for class 60, got one for class 50 instead";
    assert_fatal(&[header_frame(1, 50, 0)], ReplyCode::UnexpectedFrame, text);
}

#[test]
fn the_body_is_due_after_the_content_header() {
    let text = "expected content body, got non content body frame instead";
    assert_fatal(&[header_frame(1, 60, 1), header_frame(1, 60, 1)], ReplyCode::UnexpectedFrame, text);
    assert_fatal(&[header_frame(1, 60, 1), bytes_of(1, &publish())], ReplyCode::UnexpectedFrame, text);
}

#[test]
fn more_body_than_announced_is_a_frame_error() {
    let text = "content body frame exceeds remaining content size";
    assert_fatal(&[header_frame(1, 60, 1), raw_frame(3, 1, b"ab")], ReplyCode::FrameError, text);
    let frames = [header_frame(1, 60, 4), raw_frame(3, 1, b"abc"), raw_frame(3, 1, b"de")];
    assert_fatal(&frames, ReplyCode::FrameError, text);
    // A body frame after the last is not content of anything.
    let mut peer = Peer::with_channel();
    peer.send(1, &publish());
    let events = peer.send_bytes(&[header_frame(1, 60, 0), raw_frame(3, 1, b"x")].concat());
    assert!(matches!(&events[..], [Event::Publish { .. }, Event::ChannelClosed { channel: 1 }, Event::Closed]));
    let text = "expected method frame, got non method frame instead";
    peer.assert_connection_closed(ReplyCode::UnexpectedFrame, text, (0, 0));
}

#[test]
fn malformed_properties_are_a_syntax_error() {
    let header = |raw: &[u8]| {
        let mut buf = BytesMut::new();
        frame::encode_content_header(&mut buf, 1, 60, 0, raw);
        buf.to_vec()
    };
    let text = "malformed content properties: the bytes end too early";
    assert_fatal(&[header(&[0x80, 0])], ReplyCode::SyntaxError, text);
    assert_fatal(&[header(&[0])], ReplyCode::SyntaxError, text);
    assert_fatal(&[header(&[0x20, 0, 0, 0, 0, 9])], ReplyCode::SyntaxError, text);
    assert_fatal(&[header(&[0, 0, 1])], ReplyCode::SyntaxError, "malformed content properties: 1 bytes too many");
}

#[test]
fn a_message_that_is_too_large_closes_the_channel_and_its_body_is_dropped() {
    let mut peer = Peer::opened(Config { message_bytes_max: 1000, ..Config::default() });
    peer.send(1, &channel::Open {});
    peer.got();
    peer.send(1, &publish());
    peer.send_bytes(&header_frame(1, 60, 1000));
    assert_eq!(the_publish(&peer.send_bytes(&raw_frame(3, 1, &[0; 1000]))).body.len(), 1000);
    peer.send(1, &publish());
    let frames = [header_frame(1, 60, 1001), raw_frame(3, 1, &[0; 600]), raw_frame(3, 1, &[0; 401])];
    assert_eq!(peer.send_bytes(&frames.concat()), [Event::ChannelClosed { channel: 1 }]);
    assert_eq!(peer.server.unfinished_bytes(), 0);
    let text = "message size 1001 is larger than configured max size 1000";
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, text, PUBLISH);
    peer.send(1, &channel::CloseOk {});
    assert_eq!(peer.send(1, &channel::Open {}), [Event::ChannelOpened { channel: 1 }]);
}

#[test]
fn an_absurd_size_is_just_a_number() {
    for size in [1 << 63, u64::MAX] {
        let mut peer = Peer::with_channel();
        peer.send(1, &publish());
        assert_eq!(peer.send_bytes(&header_frame(1, 60, size)), [Event::ChannelClosed { channel: 1 }]);
        let text = format!("message size {size} is larger than configured max size 16777216");
        peer.assert_channel_closed(ReplyCode::PreconditionFailed, &text, PUBLISH);
    }
}

#[test]
fn unfinished_messages_of_all_channels_together_are_limited() {
    let config = Config { message_bytes_max: 1000, unfinished_bytes_max: 2500, ..Config::default() };
    let mut peer = Peer::opened(config);
    for number in 1..=3 {
        peer.send(number, &channel::Open {});
        peer.send(number, &publish());
        peer.send_bytes(&header_frame(number, 60, 1000));
    }
    peer.got();
    for number in 1..=2 {
        assert_eq!(peer.send_bytes(&raw_frame(3, number, &[0; 900])), []);
    }
    assert_eq!(peer.server.unfinished_bytes(), 1800);
    assert_eq!(peer.send_bytes(&raw_frame(3, 3, &[0; 900])).last(), Some(&Event::Closed));
    assert_eq!(peer.server.unfinished_bytes(), 0);
    let text = "unfinished messages on all channels together are larger than 2500 bytes";
    peer.assert_connection_closed(ReplyCode::ResourceError, text, PUBLISH);
}
