//! The end of a connection, from either side and in every state.

use amqp_codec::{
    ReplyCode,
    methods::{Method, basic, channel, connection, queue},
};
use amqp_connection::{CloseReason, Config, Connection, Event};

use crate::client::{
    Got, Peer, bytes_of, client_properties, close, delivery, header_frame, publish_bytes, raw_frame, short, start_ok,
    tune_ok,
};

fn close_ok() -> Got {
    Got::Method(0, connection::CloseOk {}.into())
}

fn by_client() -> CloseReason {
    CloseReason::Client { code: 200, text: short("bye") }
}

#[test]
fn the_clients_close_is_answered_when_the_broker_has_released_everything() {
    let mut peer = Peer::with_channel();
    peer.send(5, &channel::Open {});
    peer.got();
    let closed = [1, 5].map(|channel| Event::ChannelClosed { channel });
    assert_eq!(peer.send(0, &close()), [&closed[..], &[Event::Closed]].concat());
    assert_eq!(peer.got(), []);
    assert!(!peer.server.is_closed());
    assert_eq!(peer.server.close_reason(), Some(&by_client()));
    // Nothing counts any more, on either side.
    assert_eq!(peer.send_bytes(&[publish_bytes(1, "k", b"x"), raw_frame(9, 9, b"noise")].concat()), []);
    peer.server.deliver(1, &delivery(1, 1, b"x"));
    peer.server.hard_error(ReplyCode::InternalError, "oops", 0, 0);
    assert_eq!(peer.got(), []);
    peer.server.release();
    assert_eq!(peer.got(), [close_ok()]);
    assert!(peer.server.is_closed());
    assert_eq!(peer.poll(), []);
    assert_eq!(peer.server.next_timeout(), None);
}

#[test]
fn an_error_is_told_when_the_broker_has_released_everything() {
    let mut peer = Peer::with_channel();
    peer.got();
    peer.withholds = true;
    peer.server.hard_error(ReplyCode::InternalError, "oops", 0, 0);
    assert_eq!(peer.poll(), [Event::ChannelClosed { channel: 1 }, Event::Closed]);
    assert_eq!(peer.got(), []);
    // A close of the client's own that crosses it is answered.
    assert_eq!(peer.send(0, &close()), []);
    assert_eq!(peer.got(), [close_ok()]);
    peer.server.release();
    let told = peer.got();
    let is_told =
        |code| matches!(&told[..], [Got::Method(0, Method::ConnectionClose(close))] if close.reply_code == code);
    assert!(is_told(541), "{told:?}");
    assert!(!peer.server.is_closed());
    peer.send(0, &connection::CloseOk {});
    assert!(peer.server.is_closed());
}

#[test]
fn the_clients_close_is_answered_late_if_the_broker_says_nothing() {
    let mut peer = Peer::opened(Config::default());
    assert_eq!(peer.send(0, &close()), [Event::Closed]);
    assert_eq!(peer.timeout(), []);
    peer.pass_ms(9_999);
    assert_eq!(peer.timeout(), []);
    assert!(!peer.server.is_closed());
    peer.pass_ms(1);
    assert_eq!(peer.timeout(), []);
    assert_eq!(peer.got(), [close_ok()]);
    assert!(peer.server.is_closed());
}

#[test]
fn a_client_may_close_during_the_handshake() {
    let mut peer = Peer::started(Config::default());
    assert_eq!(peer.send(0, &close()), [Event::Closed]);
    peer.server.release();
    assert_eq!(peer.got(), [close_ok()]);
    let mut peer = Peer::started(Config::default());
    peer.send(0, &start_ok(&[]));
    peer.got();
    assert_eq!(peer.send(0, &close()), [Event::Closed]);
    peer.server.release();
    assert_eq!(peer.got(), [close_ok()]);
    assert!(peer.server.is_closed());
}

#[test]
fn our_close_waits_for_close_ok_and_no_longer_than_the_timeout() {
    let mut peer = Peer::with_channel();
    peer.server.close(ReplyCode::ConnectionForced, "broker forced connection closure with reason 'shutdown'");
    assert_eq!(peer.poll(), [Event::ChannelClosed { channel: 1 }, Event::Closed]);
    let text = "broker forced connection closure with reason 'shutdown'";
    peer.assert_connection_closed(ReplyCode::ConnectionForced, text, (0, 0));

    let mut peer = Peer::with_channel();
    peer.pass_ms(60_000);
    peer.server.close(ReplyCode::ConnectionForced, "stop");
    peer.poll();
    peer.got();
    // The broker's call carries no time: the wait starts with the next moment that is known.
    assert_eq!(peer.timeout(), []);
    assert!(!peer.server.is_closed());
    assert_eq!(peer.server.next_timeout(), Some(peer.now.plus_ms(10_000)));
    assert_eq!(peer.send_bytes(&publish_bytes(1, "k", b"x")), []);
    peer.pass_ms(10_000);
    assert_eq!(peer.timeout(), []);
    assert!(peer.server.is_closed());
    assert_eq!(peer.got(), []);
}

#[test]
fn both_sides_may_close_at_once() {
    let mut peer = Peer::with_channel();
    peer.server.close(ReplyCode::ConnectionForced, "stop");
    assert_eq!(peer.poll(), [Event::ChannelClosed { channel: 1 }, Event::Closed]);
    assert_eq!(peer.got().len(), 1);
    assert_eq!(peer.send(0, &close()), []);
    assert_eq!(peer.got(), [close_ok()]);
    assert!(!peer.server.is_closed());
    peer.server.release();
    assert_eq!(peer.send(0, &connection::CloseOk {}), []);
    assert!(peer.server.is_closed());
    let text = short("CONNECTION_FORCED - stop");
    assert_eq!(peer.server.close_reason(), Some(&CloseReason::Server { code: ReplyCode::ConnectionForced, text }));
    assert_eq!(peer.got(), []);
}

#[test]
fn only_close_and_close_ok_count_after_our_close() {
    let mut peer = Peer::with_channel();
    peer.server.close(ReplyCode::ConnectionForced, "stop");
    peer.poll();
    peer.got();
    let noise = [
        bytes_of(0, &connection::Open::default()),
        bytes_of(1, &channel::Close::default()),
        bytes_of(3, &connection::CloseOk {}),
        raw_frame(1, 0, &[0, 10, 0, 50]),
        raw_frame(1, 0, &[0]),
        raw_frame(9, 7, b"?"),
        raw_frame(8, 0, b""),
        raw_frame(3, 0, b"?"),
    ];
    assert_eq!(peer.send_bytes(&noise.concat()), []);
    assert_eq!(peer.got(), []);
    assert!(!peer.server.is_closed());
    // Frames that cannot be cut: close-ok would not be understood.
    assert_eq!(peer.send_bytes(&[1, 0, 0, 0, 0, 0, 1, 0, 0]), []);
    assert!(peer.server.is_closed());
}

#[test]
fn a_close_on_the_brokers_wish_is_silent_before_login() {
    let mut peer = Peer::started(Config::default());
    peer.server.close(ReplyCode::ConnectionForced, "stop");
    assert_eq!(peer.poll(), [Event::Closed]);
    assert_eq!(peer.got(), []);
    assert!(peer.server.is_closed());
}

#[test]
fn the_end_of_the_bytes_ends_the_connection_in_every_state() {
    fn lost(mut peer: Peer, sessions: &[u16]) {
        peer.server.handle_eof();
        assert!(!peer.server.wants_input());
        let mut expected: Vec<_> = sessions.iter().map(|&channel| Event::ChannelClosed { channel }).collect();
        expected.push(Event::Closed);
        assert_eq!(peer.poll(), expected);
        assert!(peer.server.is_closed());
        assert_eq!(peer.server.close_reason(), Some(&CloseReason::Lost));
        assert_eq!(peer.poll(), []);
        assert_eq!(peer.got(), []);
    }
    lost(Peer::connected(Config::default()), &[]);
    lost(Peer::started(Config::default()), &[]);
    lost(Peer::opened(Config::default()), &[]);
    lost(Peer::with_channel(), &[1]);
    let mut logging_in = Peer::started(Config::default());
    logging_in.obliging = false;
    logging_in.send(0, &start_ok(&[]));
    lost(logging_in, &[]);
    let mut in_content = Peer::with_channel();
    in_content.send(1, &basic::Publish::default());
    in_content.send_bytes(&header_frame(1, 60, 10));
    lost(in_content, &[1]);
    let mut half_a_header = Peer::connected(Config::default());
    half_a_header.send_bytes(b"AMQ");
    lost(half_a_header, &[]);
}

#[test]
fn the_end_of_the_bytes_after_a_close_is_no_surprise() {
    let mut peer = Peer::with_channel();
    peer.send(0, &close());
    peer.server.handle_eof();
    assert_eq!(peer.poll(), []);
    assert!(peer.server.is_closed());
    assert_eq!(peer.server.close_reason(), Some(&by_client()));
    peer.server.release();
    assert_eq!(peer.got(), []);

    let mut peer = Peer::with_channel();
    peer.server.close(ReplyCode::ConnectionForced, "stop");
    assert_eq!(peer.poll().len(), 2);
    peer.server.handle_eof();
    assert_eq!(peer.poll(), []);
    assert!(peer.server.is_closed());
}

#[test]
fn frames_before_the_end_of_the_bytes_take_effect() {
    let mut peer = Peer::with_channel();
    let mut buf = bytes::BytesMut::from(&publish_bytes(1, "k", b"x").repeat(3)[..]);
    peer.server.handle_bytes(peer.now, &mut buf);
    peer.server.handle_eof();
    let events = peer.poll();
    assert_eq!(events.len(), 5, "{events:?}");
    assert!(matches!(&events[2..], [Event::Publish { .. }, Event::ChannelClosed { channel: 1 }, Event::Closed]));
}

#[test]
fn after_a_hard_error_of_the_broker_the_rest_of_the_batch_is_passed_over() {
    let mut peer = Peer::with_channel();
    let mut buf = bytes::BytesMut::from(&publish_bytes(1, "k", b"x").repeat(3)[..]);
    peer.server.handle_bytes(peer.now, &mut buf);
    assert!(matches!(peer.server.poll_event(), Some(Event::Publish { .. })));
    peer.server.hard_error(ReplyCode::NotAllowed, "no", 60, 40);
    assert_eq!(peer.poll(), [Event::ChannelClosed { channel: 1 }, Event::Closed]);
    peer.assert_connection_closed(ReplyCode::NotAllowed, "no", (60, 40));
}

#[test]
fn nothing_is_taken_in_or_given_out_once_closed() {
    let mut peer = Peer::with_channel();
    peer.server.close(ReplyCode::ConnectionForced, "stop");
    peer.poll();
    peer.send(0, &connection::CloseOk {});
    peer.got();
    assert_eq!(peer.send_bytes(&publish_bytes(1, "k", b"x")), []);
    assert_eq!(peer.server.pending_input_bytes(), 0);
    peer.server.send(1, queue::PurgeOk::default());
    peer.server.close(ReplyCode::ConnectionForced, "stop");
    peer.server.blocked(short("low on memory"));
    peer.server.unblocked();
    peer.pass_ms(1_000_000);
    assert_eq!(peer.timeout(), []);
    assert_eq!(peer.got(), []);
}

#[test]
fn publishers_are_told_that_they_are_blocked() {
    let blocked = || Got::Method(0, connection::Blocked { reason: short("low on disk") }.into());
    let unblocked = || Got::Method(0, connection::Unblocked {}.into());
    let mut peer = Peer::with_channel();
    peer.server.blocked(short("low on disk"));
    assert_eq!(peer.got(), []);
    peer.send_bytes(&publish_bytes(1, "k", b"x"));
    peer.server.blocked(short("low on disk"));
    assert_eq!(peer.got(), [blocked()]);
    peer.server.unblocked();
    peer.server.unblocked();
    assert_eq!(peer.got(), [unblocked()]);
    // It has published before.
    peer.server.blocked(short("low on disk"));
    assert_eq!(peer.got(), [blocked()]);

    let mut peer = Peer::opened_with(Config::default(), &[], tune_ok(4096, 9, 0));
    peer.send_bytes(&[bytes_of(1, &channel::Open {}), publish_bytes(1, "k", b"x")].concat());
    peer.got();
    peer.server.blocked(short("low on disk"));
    peer.server.unblocked();
    assert_eq!(peer.got(), []);
}

#[test]
fn secrets_and_bodies_are_not_printed() {
    let login = Event::Login {
        mechanism: short("PLAIN"),
        response: bytes::Bytes::from_static(b"hunter2"),
        client_properties: client_properties(&[]),
    };
    assert!(!format!("{login:?}").contains("hunter2"));
    let mut peer = Peer::with_channel();
    let events = peer.send_bytes(&publish_bytes(1, "k", b"hunter2"));
    assert!(!format!("{events:?}").contains("hunter2"));
    let server: &Connection = &peer.server;
    assert!(format!("{server:?}").contains("Running"));
}
