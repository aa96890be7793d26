//! Frames that are wrong in themselves or come at the wrong time: 501, 502, 503, 504, 505, 540.

use amqp_codec::{
    Method, ReplyCode,
    methods::{access, basic, channel, connection, queue},
};
use amqp_connection::{Config, Event};

use crate::client::{Got, Peer, bytes_of, header_frame, raw_frame, short};

/// Channel 1 is open; after these bytes the connection is closed like that.
#[track_caller]
fn assert_fatal(bytes: &[u8], code: ReplyCode, text: &str, ids: (u16, u16)) {
    let mut peer = Peer::with_channel();
    assert_eq!(peer.send_bytes(bytes), [Event::ChannelClosed { channel: 1 }, Event::Closed], "{text}");
    peer.assert_connection_closed(code, text, ids);
}

/// As `assert_fatal`, but no close-ok is understood after it.
#[track_caller]
fn assert_deafening(bytes: &[u8], text: &str) {
    let mut peer = Peer::with_channel();
    assert_eq!(peer.send_bytes(bytes), [Event::ChannelClosed { channel: 1 }, Event::Closed], "{text}");
    let reply_text = short(&format!("FRAME_ERROR - {text}"));
    let close = connection::Close { reply_code: 501, reply_text, class_id: 0, method_id: 0 };
    assert_eq!(peer.got(), [Got::Method(0, close.into())]);
    peer.send(0, &connection::CloseOk {});
    assert!(!peer.server.is_closed());
    peer.server.handle_eof();
    assert_eq!(peer.poll(), []);
    assert!(peer.server.is_closed());
}

#[test]
fn frames_that_cannot_be_cut_are_fatal() {
    let too_large = [&[3u8, 0, 1, 0, 2, 0, 1][..], &[0; 100]].concat();
    assert_deafening(&too_large, "type 3, all octets = <<>>: {frame_too_large,131073,131064}");
    let bad_end = [&[1u8, 0, 1, 0, 0, 0, 5][..], b"hello", &[0]].concat();
    assert_deafening(&bad_end, "type 1, all octets = <<\"hello\">>: {invalid_frame_end_marker,0}");
    let bad_end_of_unknown = [&[7u8, 0, 1, 0, 0, 0, 2, 1, 2, 0xCF][..], &[1; 30]].concat();
    assert_deafening(&bad_end_of_unknown, "type 7, all octets = <<1,2>>: {invalid_frame_end_marker,207}");
    let unknown_and_large = [9u8, 0, 1, 0xFF, 0, 0, 1];
    assert_deafening(&unknown_and_large, "type 9, all octets = <<>>: {frame_too_large,4278190081,131064}");
}

#[test]
fn a_payload_as_large_as_a_frame_is_forgiven() {
    let mut peer = Peer::with_channel();
    peer.send(1, &basic::Publish::default());
    peer.send_bytes(&header_frame(1, 60, 131_072));
    assert!(matches!(peer.send_bytes(&raw_frame(3, 1, &[0; 131_072])).as_slice(), [Event::Publish { .. }]));
}

#[test]
fn unknown_kinds_of_frames_are_frame_errors() {
    assert_fatal(&raw_frame(4, 0, b""), ReplyCode::FrameError, "type 4, all octets = <<>>: unknown_frame", (0, 0));
    let text = "type 200, first 16 octets = <<0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0>>: unknown_frame";
    assert_fatal(&raw_frame(200, 1, &[0; 17]), ReplyCode::FrameError, text, (0, 0));
    // Payloads that no such frame can have.
    assert_fatal(&raw_frame(1, 1, &[0]), ReplyCode::FrameError, "type 1, all octets = <<0>>: unknown_frame", (0, 0));
    assert_fatal(&raw_frame(1, 0, &[0]), ReplyCode::FrameError, "type 1, all octets = <<0>>: unknown_frame", (0, 0));
    assert_fatal(
        &raw_frame(8, 0, b"x"),
        ReplyCode::FrameError,
        "type 8, all octets = <<\"x\">>: unknown_frame",
        (0, 0),
    );
    assert_fatal(
        &raw_frame(8, 1, b"x"),
        ReplyCode::FrameError,
        "type 8, all octets = <<\"x\">>: unknown_frame",
        (0, 0),
    );
    assert_fatal(
        &raw_frame(2, 0, b"x"),
        ReplyCode::FrameError,
        "type 2, all octets = <<\"x\">>: unknown_frame",
        (0, 0),
    );
}

#[test]
fn frames_on_the_wrong_channel_are_unexpected() {
    assert_fatal(&raw_frame(8, 1, b""), ReplyCode::UnexpectedFrame, "type 8, all octets = <<>>", (0, 0));
    assert_fatal(&raw_frame(3, 0, b"abc"), ReplyCode::UnexpectedFrame, "type 3, all octets = <<\"abc\">>", (0, 0));
    let text = "type 2, all octets = <<0,60,0,0,0,0,0,0,0,0,0,0,0,0>>";
    assert_fatal(&header_frame(0, 60, 0), ReplyCode::UnexpectedFrame, text, (0, 0));
}

#[test]
fn methods_nobody_knows_are_not_implemented() {
    let text = "unknown method 99 of class 60";
    assert_fatal(&raw_frame(1, 1, &[0, 60, 0, 99]), ReplyCode::NotImplemented, text, (60, 99));
    let text = "unknown method 10 of class 70";
    assert_fatal(&raw_frame(1, 1, &[0, 70, 0, 10]), ReplyCode::NotImplemented, text, (70, 10));
    assert_fatal(&raw_frame(1, 0, &[0, 70, 0, 10]), ReplyCode::NotImplemented, text, (70, 10));
}

#[test]
fn malformed_arguments_are_frame_errors() {
    let text = "cannot decode <<0,0,5,97>>";
    assert_fatal(&raw_frame(1, 1, &[0, 50, 0, 40, 0, 0, 5, 97]), ReplyCode::FrameError, text, (50, 40));
    let left_over = raw_frame(1, 0, &[0, 10, 0, 51, 1]);
    assert_fatal(&left_over, ReplyCode::FrameError, "cannot decode <<1>>", (10, 51));
    // The table's value has a type that does not exist.
    let queue_declare = [0, 50, 0, 10, 0, 0, 0, 0, 0, 0, 0, 3, 1, b'k', b'?'];
    let text = "cannot decode <<0,0,0,0,0,0,0,3,1,107,63>>";
    assert_fatal(&raw_frame(1, 1, &queue_declare), ReplyCode::FrameError, text, (50, 10));
}

#[test]
fn a_long_reply_text_is_cut() {
    let mut peer = Peer::with_channel();
    peer.send_bytes(&raw_frame(1, 1, &[[0, 50, 0, 10].as_slice(), &[200; 1000]].concat()));
    let [Got::Method(0, Method::ConnectionClose(close))] = &peer.got()[..] else { panic!("no close") };
    assert_eq!(close.reply_text.len(), 255);
    let text = close.reply_text.as_str().unwrap();
    assert!(text.starts_with("FRAME_ERROR - cannot decode <<200,200,") && text.ends_with("..."), "{text}");
}

#[test]
fn names_must_be_utf8_except_in_publishes() {
    let bytes = raw_frame(1, 1, &[0, 50, 0, 40, 0, 0, 1, 0xFF, 0]);
    assert_fatal(&bytes, ReplyCode::FrameError, "Malformed UTF-8 in shortstr", (50, 40));
    let mut peer = Peer::with_channel();
    assert_eq!(peer.send_bytes(&raw_frame(1, 1, &[0, 60, 0, 40, 0, 0, 0, 1, 0xFF, 0])), []);
    let events = peer.send_bytes(&header_frame(1, 60, 0));
    let [Event::Publish { publish, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(publish.routing_key.as_bytes(), [0xFF]);
}

#[test]
fn methods_of_the_server_are_invalid() {
    let text = "unimplemented method";
    assert_fatal(&bytes_of(1, &queue::DeclareOk::default()), ReplyCode::CommandInvalid, text, (50, 11));
    assert_fatal(&bytes_of(1, &basic::GetEmpty {}), ReplyCode::CommandInvalid, text, (60, 72));
    assert_fatal(&bytes_of(1, &basic::Deliver::default()), ReplyCode::CommandInvalid, text, (60, 60));
    assert_fatal(&bytes_of(1, &channel::FlowOk { active: true }), ReplyCode::CommandInvalid, text, (20, 21));
    assert_fatal(&bytes_of(1, &channel::CloseOk {}), ReplyCode::CommandInvalid, text, (20, 41));
    assert_fatal(&bytes_of(1, &connection::CloseOk {}), ReplyCode::CommandInvalid, text, (10, 51));
    assert_fatal(&bytes_of(1, &access::RequestOk { ticket: 1 }), ReplyCode::CommandInvalid, text, (30, 11));
}

#[test]
fn channel_zero_is_for_class_connection() {
    let text = "unexpected method in connection state running";
    assert_fatal(&bytes_of(0, &channel::Open {}), ReplyCode::ChannelError, text, (20, 10));
    assert_fatal(&bytes_of(0, &connection::CloseOk {}), ReplyCode::ChannelError, text, (10, 51));
    assert_fatal(&bytes_of(0, &crate::client::start_ok(&[])), ReplyCode::ChannelError, text, (10, 11));
}

#[test]
fn what_does_not_exist_here_is_said_clearly() {
    let cases = [
        (bytes_of(1, &channel::Flow { active: false }), "active=false", (20, 20)),
        (bytes_of(1, &basic::Recover { requeue: false }), "requeue=false", (60, 110)),
        (bytes_of(1, &basic::RecoverAsync { requeue: false }), "requeue=false", (60, 100)),
        (bytes_of(1, &basic::Qos { prefetch_size: 9, ..basic::Qos::default() }), "prefetch_size!=0 (9)", (60, 10)),
        (bytes_of(1, &basic::Publish { immediate: true, ..basic::Publish::default() }), "immediate=true", (60, 40)),
    ];
    for (bytes, text, ids) in cases {
        assert_fatal(&bytes, ReplyCode::NotImplemented, text, ids);
    }
}

#[test]
fn a_hard_error_ends_all_channels_and_what_follows_is_passed_over() {
    let mut peer = Peer::opened(Config::default());
    for number in [5, 3, 9] {
        peer.send(number, &channel::Open {});
    }
    peer.got();
    let mut bytes = bytes_of(7, &basic::Ack::default());
    bytes.extend(bytes_of(3, &channel::Close::default()));
    bytes.extend(raw_frame(77, 3, b"noise"));
    bytes.extend(raw_frame(1, 0, b"noise"));
    let ended = [3, 5, 9].map(|channel| Event::ChannelClosed { channel });
    assert_eq!(peer.send_bytes(&bytes), [&ended[..], &[Event::Closed]].concat());
    peer.assert_connection_closed(ReplyCode::ChannelError, "expected 'channel.open'", (60, 80));
}
