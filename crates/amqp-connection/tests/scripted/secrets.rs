//! `connection.update-secret`: what comes behind it waits for the broker's answer.

use amqp_codec::{
    Method, ReplyCode,
    methods::{channel, connection},
};
use amqp_connection::Event;
use bytes::Bytes;

use crate::client::{Got, Peer, bytes_of, publish_bytes, short};

fn update() -> connection::UpdateSecret {
    connection::UpdateSecret { new_secret: Bytes::from_static(b"hunter2"), reason: short("expired") }
}

fn asked() -> Event {
    Event::UpdateSecret { new_secret: Bytes::from_static(b"hunter2"), reason: short("expired") }
}

/// The broker has not answered yet; something came behind the secret.
fn updating() -> Peer {
    let mut peer = Peer::with_channel();
    peer.obliging = false;
    let bytes = [bytes_of(0, &update()), bytes_of(2, &channel::Open {}), publish_bytes(1, "k", b"x")].concat();
    assert_eq!(peer.send_bytes(&bytes), [asked()]);
    assert!(!peer.server.wants_input());
    assert_eq!(peer.got(), []);
    peer
}

#[test]
fn what_follows_a_new_secret_waits_until_it_is_accepted() {
    let mut peer = updating();
    peer.server.update_secret_ok();
    assert!(peer.server.wants_input());
    let events = peer.poll();
    assert!(matches!(&events[..], [Event::ChannelOpened { channel: 2 }, Event::Publish { .. }]), "{events:?}");
    let expected = [Got::Method(0, connection::UpdateSecretOk {}.into()), Got::Method(2, channel::OpenOk {}.into())];
    assert_eq!(peer.got(), expected);
    // Nobody has asked.
    peer.server.update_secret_ok();
    peer.server.update_secret_refused();
    assert_eq!(peer.got(), []);
    assert_eq!(peer.send(0, &update()), [asked()]);
}

#[test]
fn a_refused_secret_ends_the_connection_and_what_follows_is_passed_over() {
    let mut peer = updating();
    peer.server.update_secret_refused();
    assert_eq!(peer.poll(), [Event::ChannelClosed { channel: 1 }, Event::Closed]);
    let text = "New secret was refused by one of the backends";
    peer.assert_connection_closed(ReplyCode::NotAllowed, text, (10, 70));
}

#[test]
fn answers_and_notices_go_out_while_a_secret_is_checked() {
    let mut peer = Peer::with_channel();
    peer.send_bytes(&publish_bytes(1, "k", b"x"));
    peer.obliging = false;
    peer.send(0, &update());
    peer.server.send(1, amqp_codec::methods::basic::GetEmpty {});
    peer.server.blocked(short("low on memory"));
    peer.server.unblocked();
    let got = peer.got();
    let [
        Got::Method(1, _),
        Got::Method(0, Method::ConnectionBlocked(_)),
        Got::Method(0, Method::ConnectionUnblocked(_)),
    ] = &got[..]
    else {
        panic!("{got:?}")
    };
}

#[test]
fn frames_before_the_end_of_the_bytes_take_effect_behind_a_secret_too() {
    let mut peer = updating();
    peer.server.handle_eof();
    assert_eq!(peer.poll(), []);
    peer.server.update_secret_ok();
    let events = peer.poll();
    assert!(matches!(&events[..2], [Event::ChannelOpened { channel: 2 }, Event::Publish { .. }]), "{events:?}");
    assert_eq!(events.last(), Some(&Event::Closed));
}

#[test]
fn a_new_secret_is_for_a_running_connection_and_is_not_printed() {
    let mut peer = Peer::started(amqp_connection::Config::default());
    assert_eq!(peer.send(0, &update()), [Event::Closed]);
    assert!(!format!("{:?}", asked()).contains("hunter2"));
}
