//! Heartbeats in both directions, under simulated time.

use amqp_codec::frame;
use amqp_connection::{CloseReason, Config, Event};
use bytes::BytesMut;
use types::Timestamp;

use crate::client::{Got, Peer, bytes_of, delivery, raw_frame, tune_ok};

/// A connection with heartbeats every 10 s.
fn beating() -> Peer {
    Peer::opened_with(Config::default(), &[], tune_ok(131_072, 2047, 10))
}

fn heartbeat() -> Vec<u8> {
    let mut buf = BytesMut::new();
    frame::encode_heartbeat(&mut buf);
    buf.to_vec()
}

#[test]
fn a_heartbeat_is_sent_after_half_an_interval_without_output() {
    let mut peer = beating();
    assert_eq!(peer.server.next_timeout(), Some(peer.now.plus_ms(5_000)));
    for _ in 0..3 {
        peer.pass_ms(4_999);
        peer.timeout();
        assert_eq!(peer.got(), []);
        peer.pass_ms(1);
        peer.send_bytes(&heartbeat());
        peer.timeout();
        assert_eq!(peer.got(), [Got::Heartbeat]);
    }
}

#[test]
fn output_puts_the_heartbeat_off() {
    let mut peer = beating();
    peer.send(1, &amqp_codec::methods::channel::Open {});
    for seq in 1..=5 {
        peer.pass_ms(4_000);
        peer.send_bytes(&heartbeat());
        peer.server.deliver(1, &delivery(1, seq, b"x"));
        assert!(peer.got().iter().all(|got| *got != Got::Heartbeat));
        assert_eq!(peer.timeout(), []);
    }
    assert_eq!(peer.server.next_timeout(), Some(peer.now.plus_ms(5_000)));
}

#[test]
fn heartbeats_do_not_pile_up_when_the_socket_is_full() {
    let mut peer = beating();
    peer.pass_ms(5_000);
    for _ in 0..10 {
        peer.server.handle_timeout(peer.now);
        assert!(peer.server.next_timeout() > Some(peer.now));
    }
    peer.pass_ms(5_000);
    peer.server.handle_timeout(peer.now);
    assert_eq!(peer.got(), [Got::Heartbeat]);
}

#[test]
fn a_peer_that_is_silent_for_two_intervals_is_dead() {
    let mut peer = beating();
    peer.send(1, &amqp_codec::methods::channel::Open {});
    peer.got();
    // Any byte is a sign of life, even of a frame in part.
    peer.pass_ms(19_000);
    assert_eq!(peer.send_bytes(&heartbeat()[..3]), []);
    peer.pass_ms(19_000);
    assert_eq!(peer.send_bytes(&heartbeat()[3..]), []);
    peer.pass_ms(19_999);
    assert_eq!(peer.timeout(), []);
    peer.pass_ms(1);
    assert_eq!(peer.timeout(), [Event::ChannelClosed { channel: 1 }, Event::Closed]);
    assert!(peer.server.is_closed());
    assert_eq!(peer.server.close_reason(), Some(&CloseReason::HeartbeatTimeout));
}

#[test]
fn without_heartbeats_nothing_is_due() {
    let peer = Peer::opened_with(Config::default(), &[], tune_ok(4096, 1, 0));
    assert_eq!(peer.server.next_timeout(), None);
}

#[test]
fn a_peer_that_is_not_read_from_is_not_taken_for_dead() {
    let mut peer = beating();
    peer.pass_ms(10_000);
    peer.server.set_reading(peer.now, false);
    peer.pass_ms(100_000);
    assert_eq!(peer.timeout(), []);
    assert_eq!(peer.got(), [Got::Heartbeat]);
    peer.server.set_reading(peer.now, true);
    peer.pass_ms(19_999);
    assert_eq!(peer.timeout(), []);
    peer.pass_ms(1);
    assert_eq!(peer.timeout(), [Event::Closed]);
}

#[test]
fn time_never_stands_still_for_the_shell() {
    // Each time-out leads to a later one, or to none.
    let mut peer = beating();
    let mut last = Timestamp(0);
    for _ in 0..100 {
        let Some(at) = peer.server.next_timeout() else { break };
        assert!(at > last);
        last = at;
        peer.now = at;
        peer.timeout();
    }
    assert!(peer.server.is_closed());
}

#[test]
fn heartbeats_do_not_disturb_what_is_underway() {
    let mut peer = beating();
    let bytes = bytes_of(1, &amqp_codec::methods::channel::Open {});
    let mut all = heartbeat();
    all.extend(&bytes);
    all.extend(heartbeat());
    all.extend(crate::client::publish_bytes(1, "k", &[1; 10_000]));
    assert_eq!(peer.send_bytes(&all).len(), 2);
    // A heartbeat may come between the frames of a message: it is on another channel.
    let publish = crate::client::publish_bytes(1, "k", b"");
    peer.send_bytes(&publish[..publish.len() - 22]);
    peer.send_bytes(&raw_frame(8, 0, b""));
    assert!(matches!(peer.send_bytes(&publish[publish.len() - 22..]).as_slice(), [Event::Publish { .. }]));
}
