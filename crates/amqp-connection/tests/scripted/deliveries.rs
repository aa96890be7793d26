//! Deliveries, their tags, and what the client says about them.

use amqp_codec::{
    BasicProperties, Method, ReplyCode,
    methods::{basic, channel},
};
use amqp_connection::{Config, Delivery, Event, Settled, Verb};
use bytes::Bytes;
use types::{FieldTable, FieldValue, QueueId, SeqRange};

use crate::client::{Got, Peer, bytes_of, delivery, short, tune_ok};

fn ack(delivery_tag: u64, multiple: bool) -> basic::Ack {
    basic::Ack { delivery_tag, multiple }
}

fn nack(delivery_tag: u64, multiple: bool, requeue: bool) -> basic::Nack {
    basic::Nack { delivery_tag, multiple, requeue }
}

fn settled(consumer: u32, first: u64, last: u64) -> Settled {
    Settled { consumer, queue: QueueId(7), range: SeqRange { first, last } }
}

/// The one event is a settlement: its verb, and what is settled.
#[track_caller]
fn settlement(events: &[Event]) -> (Verb, Vec<Settled>) {
    match events {
        [Event::Settle { channel: 1, verb, deliveries, transactional: false }] => {
            (*verb, deliveries.as_slice().to_vec())
        }
        other => panic!("{other:?}"),
    }
}

/// A channel whose client holds that many deliveries of consumer 1.
fn holding(count: u64) -> Peer {
    let mut peer = Peer::with_channel();
    for seq in 1..=count {
        peer.server.deliver(1, &delivery(1, seq, b"body"));
    }
    assert_eq!(u64::try_from(peer.got().len()).unwrap(), count);
    peer
}

#[test]
fn a_delivery_carries_the_message() {
    for size in [0, 1, 4000, 5000, 20_000] {
        let body = vec![3; size];
        let mut peer = Peer::opened_with(Config::default(), &[], tune_ok(4096, 9, 0));
        peer.send(1, &channel::Open {});
        peer.got();
        let properties = BasicProperties { priority: Some(4), ..BasicProperties::default() }.to_bytes();
        let mut delivery = Delivery { redelivered: true, ..delivery(1, 1, &body) };
        delivery.message.properties = properties.clone();
        peer.server.deliver(1, &delivery);
        let method = basic::Deliver {
            consumer_tag: short("tag"),
            delivery_tag: 1,
            redelivered: true,
            exchange: short("x"),
            routing_key: short("k"),
        };
        let content = |method: Method| Got::Content {
            channel: 1,
            method,
            properties: properties.clone(),
            body: body.clone().into(),
        };
        assert_eq!(peer.got(), [content(method.into())]);
        peer.server.get_ok(1, &delivery, 77);
        let method = basic::GetOk {
            delivery_tag: 2,
            redelivered: true,
            exchange: short("x"),
            routing_key: short("k"),
            message_count: 77,
        };
        assert_eq!(peer.got(), [content(method.into())]);
    }
}

#[test]
fn large_bodies_are_not_copied_and_small_frames_are_gathered() {
    let mut peer = Peer::with_channel();
    let large = delivery(1, 1, &[9; 10_000]);
    let mut segments = Vec::new();
    peer.server.deliver(1, &delivery(1, 2, b"small"));
    peer.server.deliver(1, &delivery(1, 3, b"small"));
    peer.server.deliver(1, &large);
    peer.server.deliver(1, &delivery(1, 4, b"small"));
    assert!(peer.server.pending_output_bytes() > 10_000);
    peer.server.poll_transmit(&mut segments);
    assert_eq!(segments.len(), 3);
    assert_eq!(segments[1].as_ptr(), large.message.body.as_ptr());
    assert_eq!(peer.server.pending_output_bytes(), 0);
}

#[test]
fn failed_deliveries_are_counted_in_a_header() {
    let mut peer = Peer::with_channel();
    let mut redelivery = delivery(1, 1, b"");
    redelivery.delivery_count = 3;
    let headers = FieldTable(vec![(short("a"), FieldValue::Bool(true))]);
    let properties = BasicProperties { headers: Some(headers), ..BasicProperties::default() };
    redelivery.message.properties = properties.to_bytes();
    peer.server.deliver(1, &redelivery);
    let [Got::Content { properties, .. }] = &peer.got()[..] else { panic!("no delivery") };
    let headers = BasicProperties::decode(properties.clone()).unwrap().headers.unwrap();
    assert_eq!(headers.get("x-delivery-count"), Some(&FieldValue::I64(3)));
    assert_eq!(headers.get("a"), Some(&FieldValue::Bool(true)));
}

#[test]
fn each_verb_says_what_becomes_of_the_message() {
    let mut peer = holding(9);
    let mut settle = |bytes: Vec<u8>| settlement(&peer.send_bytes(&bytes));
    assert_eq!(settle(bytes_of(1, &ack(2, false))), (Verb::Ack, vec![settled(1, 2, 2)]));
    assert_eq!(settle(bytes_of(1, &ack(3, true))), (Verb::Ack, vec![settled(1, 1, 1), settled(1, 3, 3)]));
    assert_eq!(settle(bytes_of(1, &nack(4, false, false))), (Verb::Discard, vec![settled(1, 4, 4)]));
    let requeued = (Verb::Requeue { failed: false }, vec![settled(1, 5, 6)]);
    assert_eq!(settle(bytes_of(1, &nack(6, true, true))), requeued);
    let reject = |delivery_tag, requeue| bytes_of(1, &basic::Reject { delivery_tag, requeue });
    assert_eq!(settle(reject(8, false)), (Verb::Discard, vec![settled(1, 8, 8)]));
    assert_eq!(settle(reject(7, true)), (Verb::Requeue { failed: true }, vec![settled(1, 7, 7)]));
    assert_eq!(settle(bytes_of(1, &ack(0, true))), (Verb::Ack, vec![settled(1, 9, 9)]));
    assert_eq!(peer.server.channel_stats(1).unwrap().unacknowledged, 0);
    assert_eq!(peer.send(1, &ack(0, true)), []);
}

#[test]
fn settlements_in_a_row_become_one_event() {
    let mut peer = holding(10);
    let acks: Vec<u8> = (1..=6).flat_map(|tag| bytes_of(1, &ack(tag, false))).collect();
    let nacks: Vec<u8> = [7, 9].iter().flat_map(|tag| bytes_of(1, &nack(*tag, false, true))).collect();
    let events = peer.send_bytes(&[acks, nacks].concat());
    let [Event::Settle { verb: Verb::Ack, deliveries: acked, .. }, Event::Settle { deliveries: requeued, .. }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(acked.as_slice(), [settled(1, 1, 6)]);
    assert_eq!(requeued.as_slice(), [settled(1, 7, 7), settled(1, 9, 9)]);
    assert_eq!(requeued.delivery_count(), 2);
}

#[test]
fn consumers_and_queues_are_kept_apart() {
    let mut peer = Peer::with_channel();
    for seq in 1..=50 {
        peer.server.deliver(1, &delivery(1, seq, b""));
        peer.server.deliver(1, &delivery(2, seq, b""));
        let mut other = delivery(2, seq, b"");
        other.origin.queue = QueueId(8);
        peer.server.deliver(1, &other);
        peer.server.get_ok(1, &delivery(0, seq, b""), 0);
    }
    let (_, list) = settlement(&peer.send(1, &ack(200, true)));
    let other = Settled { queue: QueueId(8), ..settled(2, 1, 50) };
    assert_eq!(list, [settled(1, 1, 50), settled(2, 1, 50), other, settled(0, 1, 50)]);
}

#[test]
fn an_unknown_delivery_tag_closes_the_channel() {
    let unknown = |tag| format!("unknown delivery tag {tag}");
    let mut peer = holding(3);
    peer.send(1, &ack(2, false));
    assert_eq!(peer.send(1, &ack(2, false)), [Event::ChannelClosed { channel: 1 }]);
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, &unknown(2), (60, 80));
    let mut peer = holding(3);
    assert_eq!(peer.send(1, &nack(4, true, true)), [Event::ChannelClosed { channel: 1 }]);
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, &unknown(4), (60, 120));
    let mut peer = holding(3);
    assert_eq!(peer.send(1, &basic::Reject::default()), [Event::ChannelClosed { channel: 1 }]);
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, &unknown(0), (60, 90));
}

#[test]
fn settlements_before_an_unknown_tag_still_count() {
    let mut peer = holding(3);
    let events = peer.send_bytes(&[bytes_of(1, &ack(1, false)), bytes_of(1, &ack(1, false))].concat());
    assert!(matches!(&events[..], [Event::Settle { .. }, Event::ChannelClosed { channel: 1 }]), "{events:?}");
}

#[test]
fn deliveries_without_acknowledgement_have_a_tag_but_are_not_held() {
    let mut peer = Peer::with_channel();
    let no_ack = Delivery { no_ack: true, ..delivery(1, 1, b"") };
    peer.server.deliver(1, &no_ack);
    peer.server.deliver(1, &delivery(1, 2, b""));
    let tags: Vec<u64> = peer
        .got()
        .into_iter()
        .map(|got| match got {
            Got::Content { method: Method::BasicDeliver(deliver), .. } => deliver.delivery_tag,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(tags, [1, 2]);
    assert_eq!(peer.server.channel_stats(1).unwrap().unacknowledged, 1);
    assert_eq!(peer.send(1, &ack(1, false)), [Event::ChannelClosed { channel: 1 }]);
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, "unknown delivery tag 1", (60, 80));
}

#[test]
fn recover_gives_everything_back() {
    let mut peer = holding(4);
    peer.send(1, &ack(2, false));
    let events = peer.send(1, &basic::Recover { requeue: true });
    let [Event::Recover { channel: 1, deliveries, has_reply: true }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(deliveries.as_slice(), [settled(1, 1, 1), settled(1, 3, 4)]);
    peer.server.send(1, basic::RecoverOk {});
    assert_eq!(peer.got(), [Got::Method(1, basic::RecoverOk {}.into())]);
    let events = peer.send(1, &basic::RecoverAsync { requeue: true });
    let [Event::Recover { deliveries, has_reply: false, .. }] = &events[..] else { panic!("{events:?}") };
    assert!(deliveries.is_empty());
    assert_eq!(peer.send(1, &ack(1, false)), [Event::ChannelClosed { channel: 1 }]);
}

#[test]
fn a_cancelled_consumer_is_told_if_the_client_wants_to_know() {
    let mut peer = Peer::with_channel();
    peer.server.cancel_consumer(1, &short("c"));
    assert_eq!(peer.got(), [Got::Method(1, basic::Cancel { consumer_tag: short("c"), no_wait: true }.into())]);
    let mut peer = Peer::opened_with(Config::default(), &[], tune_ok(4096, 9, 0));
    peer.send(1, &channel::Open {});
    peer.got();
    peer.server.cancel_consumer(1, &short("c"));
    assert_eq!(peer.got(), []);
}

#[test]
fn a_client_that_holds_a_delivery_for_too_long_loses_its_consumer_or_its_channel() {
    let mut peer = holding(1);
    peer.server.consumer_timed_out(1, &short("c"), 1_800_000);
    assert_eq!(peer.poll(), []);
    assert_eq!(peer.got(), [Got::Method(1, basic::Cancel { consumer_tag: short("c"), no_wait: true }.into())]);
    // What it holds may still be settled.
    assert_eq!(settlement(&peer.send(1, &ack(1, false))), (Verb::Ack, vec![settled(1, 1, 1)]));

    let mut peer = Peer::opened_with(Config::default(), &["basic.nack"], tune_ok(4096, 9, 0));
    assert!(peer.server.client_has_capability("basic.nack"));
    assert!(!peer.server.client_has_capability("consumer_cancel_notify"));
    peer.send(1, &channel::Open {});
    peer.got();
    peer.server.consumer_timed_out(1, &short("c"), 1_800_000);
    assert_eq!(peer.poll(), [Event::ChannelClosed { channel: 1 }]);
    let text = "delivery acknowledgement on channel 1 timed out. Timeout value used: 1800000 ms. This timeout value can be \
                configured, see consumers doc guide to learn more";
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, text, (0, 0));
    // On a channel that is gone nothing happens.
    peer.server.consumer_timed_out(1, &short("c"), 1_800_000);
    peer.server.consumer_timed_out(2, &short("c"), 1_800_000);
    assert_eq!((peer.poll(), peer.got()), (vec![], vec![]));
}

#[test]
fn properties_that_cannot_be_read_are_delivered_as_they_are() {
    let mut peer = Peer::with_channel();
    let mut damaged = delivery(1, 1, b"");
    damaged.delivery_count = 1;
    damaged.message.properties = Bytes::from_static(b"\xff\xff?");
    peer.server.deliver(1, &damaged);
    let [Got::Content { properties, .. }] = &peer.got()[..] else { panic!("no delivery") };
    assert_eq!(properties, &damaged.message.properties);
}
