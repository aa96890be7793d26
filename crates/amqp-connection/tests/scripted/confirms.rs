//! Publisher confirms on the wire.

use amqp_codec::{
    Method, ReplyCode,
    methods::{basic, channel, confirm, queue},
    properties::NO_PROPERTIES,
};
use amqp_connection::{ChannelStats, Event, Publish};
use bytes::Bytes;
use types::SeqRange;

use crate::client::{Got, Peer, bytes_of, close_channel, publish_bytes, short};

fn range(first: u64, last: u64) -> SeqRange {
    SeqRange { first, last }
}

fn ack(delivery_tag: u64, multiple: bool) -> Got {
    Got::Method(1, basic::Ack { delivery_tag, multiple }.into())
}

fn nack(delivery_tag: u64, multiple: bool) -> Got {
    Got::Method(1, basic::Nack { delivery_tag, multiple, requeue: false }.into())
}

/// Channel 1 in confirm mode, with so many publishes unconfirmed.
fn published(count: usize) -> Peer {
    let mut peer = Peer::with_channel();
    let bytes = [bytes_of(1, &confirm::Select { no_wait: true }), publish_bytes(1, "k", b"x").repeat(count)].concat();
    let events = peer.send_bytes(&bytes);
    assert_eq!(confirm_seqs(&events), (1..=u64::try_from(count).unwrap()).map(Some).collect::<Vec<_>>());
    peer
}

fn confirm_seqs(events: &[Event]) -> Vec<Option<u64>> {
    let seq = |event: &Event| match event {
        Event::Publish { publish, .. } => publish.confirm_seq,
        other => panic!("{other:?}"),
    };
    events.iter().map(seq).collect()
}

#[test]
fn publishes_are_numbered_from_one_once_confirms_are_selected() {
    let mut peer = Peer::with_channel();
    assert_eq!(confirm_seqs(&peer.send_bytes(&publish_bytes(1, "k", b"x"))), [None]);
    peer.send(1, &confirm::Select { no_wait: false });
    assert_eq!(peer.got(), [Got::Method(1, confirm::SelectOk {}.into())]);
    assert_eq!(confirm_seqs(&peer.send_bytes(&publish_bytes(1, "k", b"x").repeat(2))), [Some(1), Some(2)]);
    // Selecting again changes nothing.
    peer.send(1, &confirm::Select { no_wait: true });
    assert_eq!(confirm_seqs(&peer.send_bytes(&publish_bytes(1, "k", b"x"))), [Some(3)]);
    let stats = ChannelStats { unconfirmed: 3, confirm: true, ..ChannelStats::default() };
    assert_eq!(peer.server.channel_stats(1), Some(stats));
}

#[test]
fn confirms_are_gathered_until_the_next_transmit() {
    let mut peer = published(10);
    peer.server.confirm(1, range(1, 3), true);
    peer.server.confirm(1, range(5, 6), true);
    peer.server.confirm(1, range(4, 4), true);
    assert_eq!(peer.got(), [ack(6, true)]);
    peer.server.confirm(1, range(8, 8), false);
    peer.server.confirm(1, range(10, 10), true);
    assert_eq!(peer.got(), [nack(8, false), ack(10, false)]);
    peer.server.confirm(1, range(7, 7), false);
    peer.server.confirm(1, range(9, 9), true);
    assert_eq!(peer.got(), [nack(7, false), ack(9, false)]);
    assert_eq!(peer.server.channel_stats(1).unwrap().unconfirmed, 0);
}

#[test]
fn channels_have_confirms_of_their_own() {
    let mut peer = published(2);
    let bytes = [
        bytes_of(2, &channel::Open {}),
        bytes_of(2, &confirm::Select { no_wait: true }),
        publish_bytes(2, "k", b"x"),
        bytes_of(3, &channel::Open {}),
    ];
    peer.send_bytes(&bytes.concat());
    peer.got();
    peer.server.confirm(2, range(1, 1), true);
    peer.server.confirm(1, range(1, 2), true);
    // Channel 3 is not in confirm mode, channel 4 is not open.
    peer.server.confirm(3, range(1, 1), true);
    peer.server.confirm(4, range(1, 1), true);
    let on_two = Got::Method(2, basic::Ack { delivery_tag: 1, multiple: false }.into());
    assert_eq!(peer.got(), [on_two, ack(2, true)]);
}

#[test]
fn a_return_comes_before_the_confirm_of_its_message() {
    let mut peer = published(2);
    let publish = Publish {
        exchange: short("ex"),
        routing_key: short("nowhere"),
        mandatory: true,
        properties: Bytes::from_static(NO_PROPERTIES),
        body: Bytes::from(vec![1; 6000]).into(),
        confirm_seq: Some(2),
        transactional: false,
    };
    peer.server.confirm(1, range(1, 1), true);
    peer.server.return_message(1, ReplyCode::NoRoute, &publish);
    peer.server.confirm(1, range(2, 2), true);
    let method = basic::Return {
        reply_code: 312,
        reply_text: short("NO_ROUTE"),
        exchange: short("ex"),
        routing_key: short("nowhere"),
    };
    let returned = Got::Content {
        channel: 1,
        method: method.into(),
        properties: Bytes::from_static(NO_PROPERTIES),
        body: Bytes::from(vec![1; 6000]),
    };
    assert_eq!(peer.got(), [returned, ack(2, true)]);
    peer.server.return_message(9, ReplyCode::NoRoute, &publish);
    assert_eq!(peer.got(), []);
}

#[test]
fn confirms_come_before_the_end_of_their_channel() {
    let mut peer = published(3);
    peer.server.confirm(1, range(1, 2), true);
    peer.server.soft_error(1, ReplyCode::NotFound, "gone", 0, 0);
    peer.server.confirm(1, range(3, 3), true);
    let got = peer.got();
    assert!(matches!(&got[..], [first, Got::Method(1, Method::ChannelClose(_))] if *first == ack(2, true)), "{got:?}");

    let mut peer = published(3);
    peer.server.confirm(1, range(1, 2), true);
    peer.send(1, &close_channel());
    assert_eq!(peer.got(), [ack(2, true), Got::Method(1, channel::CloseOk {}.into())]);
    // The next session on that channel starts without confirms.
    peer.send(1, &channel::Open {});
    peer.server.confirm(1, range(1, 1), true);
    assert_eq!(peer.got(), [Got::Method(1, channel::OpenOk {}.into())]);

    let mut peer = published(1);
    peer.server.confirm(1, range(1, 1), true);
    peer.server.hard_error(ReplyCode::InternalError, "oops", 0, 0);
    peer.poll();
    let got = peer.got();
    assert!(matches!(&got[..], [_, Got::Method(0, Method::ConnectionClose(_))]) && got[0] == ack(1, false), "{got:?}");
}

#[test]
fn other_answers_do_not_wait_for_confirms() {
    let mut peer = published(1);
    peer.server.confirm(1, range(1, 1), true);
    peer.server.send(1, queue::PurgeOk { message_count: 0 });
    assert_eq!(peer.got(), [Got::Method(1, queue::PurgeOk { message_count: 0 }.into()), ack(1, false)]);
}
