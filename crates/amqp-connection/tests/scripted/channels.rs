//! Channels: opening, closing, errors that close one channel, and the methods that the connection answers itself.

use amqp_codec::{
    Method, ReplyCode,
    methods::{access, basic, channel, confirm, exchange, queue},
};
use amqp_connection::{ChannelStats, Config, Event};

use crate::client::{
    Got, Peer, bytes_of, close_channel, delivery, header_frame, publish_bytes, raw_frame, short, tune_ok,
};

const OPENED: Event = Event::ChannelOpened { channel: 1 };
const CLOSED: Event = Event::ChannelClosed { channel: 1 };

#[test]
fn a_channel_is_closed_and_opened_again() {
    let mut peer = Peer::with_channel();
    for _ in 0..3 {
        assert_eq!(peer.send(1, &close_channel()), [CLOSED]);
        assert_eq!(peer.got(), [Got::Method(1, channel::CloseOk {}.into())]);
        assert_eq!(peer.server.channel_stats(1), None);
        assert_eq!(peer.send(1, &channel::Open {}), [OPENED]);
        assert_eq!(peer.got(), [Got::Method(1, channel::OpenOk {}.into())]);
        assert_eq!(peer.server.channel_stats(1), Some(ChannelStats::default()));
    }
}

#[test]
fn a_client_that_does_not_wait_may_close_and_open_in_one_go() {
    let mut peer = Peer::with_channel();
    let bytes =
        [bytes_of(1, &close_channel()), bytes_of(1, &channel::Open {}), bytes_of(2, &channel::Open {})].concat();
    assert_eq!(peer.send_bytes(&bytes), [CLOSED, OPENED, Event::ChannelOpened { channel: 2 }]);
}

#[test]
fn a_channel_opened_twice_is_a_connection_error() {
    let mut peer = Peer::with_channel();
    assert_eq!(peer.send(1, &channel::Open {}), [CLOSED, Event::Closed]);
    peer.assert_connection_closed(ReplyCode::ChannelError, "second 'channel.open' seen", (20, 10));
}

#[test]
fn a_method_on_a_channel_that_is_not_open_is_a_connection_error() {
    let mut peer = Peer::opened(Config::default());
    assert_eq!(peer.send(1, &queue::Declare::default()), [Event::Closed]);
    peer.assert_connection_closed(ReplyCode::ChannelError, "expected 'channel.open'", (50, 10));
    let mut peer = Peer::opened(Config::default());
    assert_eq!(peer.send_bytes(&publish_bytes(1, "k", b"body")), [Event::Closed]);
    peer.assert_connection_closed(ReplyCode::ChannelError, "expected 'channel.open'", (60, 40));
    let mut peer = Peer::opened(Config::default());
    assert_eq!(peer.send_bytes(&raw_frame(3, 1, b"body")), [Event::Closed]);
    let text = "expected method frame, got non method frame instead";
    peer.assert_connection_closed(ReplyCode::UnexpectedFrame, text, (0, 0));
}

#[test]
fn more_channels_than_agreed_are_a_connection_error() {
    let mut peer = Peer::opened_with(Config::default(), &[], tune_ok(4096, 2, 0));
    // Their numbers do not matter, as with RabbitMQ.
    peer.send(1, &channel::Open {});
    peer.send(4000, &channel::Open {});
    peer.got();
    let over = [1, 4000].map(|channel| Event::ChannelClosed { channel });
    assert_eq!(peer.send(2, &channel::Open {}), [&over[..], &[Event::Closed]].concat());
    let text = "number of channels opened (2) has reached the negotiated channel_max (2)";
    peer.assert_connection_closed(ReplyCode::NotAllowed, text, (0, 0));
}

#[test]
fn after_a_soft_error_all_is_passed_over_until_close_ok() {
    let mut peer = Peer::with_channel();
    assert_eq!(peer.send(1, &basic::Ack { delivery_tag: 9, multiple: false }), [CLOSED]);
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, "unknown delivery tag 9", (60, 80));
    let noise = [
        bytes_of(1, &queue::Declare::default()),
        publish_bytes(1, "k", b"body"),
        bytes_of(1, &channel::Open {}),
        raw_frame(2, 1, b"x"),
        raw_frame(1, 1, &[0, 50, 0, 10, 1]),
        raw_frame(1, 1, &[9, 9, 9, 9]),
    ];
    assert_eq!(peer.send_bytes(&noise.concat()), []);
    // What the broker still has to say reaches nobody.
    peer.server.send(1, queue::DeclareOk::default());
    peer.server.deliver(1, &delivery(1, 1, b""));
    peer.server.soft_error(1, ReplyCode::NotFound, "no queue", 0, 0);
    assert_eq!(peer.got(), []);
    assert_eq!(peer.send(1, &channel::CloseOk {}), []);
    assert_eq!(peer.send(1, &channel::Open {}), [OPENED]);
    assert_eq!(peer.got(), [Got::Method(1, channel::OpenOk {}.into())]);
    // Delivery tags start again.
    peer.server.deliver(1, &delivery(1, 1, b""));
    let [Got::Content { method: Method::BasicDeliver(deliver), .. }] = &peer.got()[..] else { panic!("no delivery") };
    assert_eq!(deliver.delivery_tag, 1);
}

#[test]
fn both_sides_may_close_a_channel_at_once() {
    let mut peer = Peer::with_channel();
    peer.server.soft_error(1, ReplyCode::NotFound, "no exchange 'x' in vhost '/'", 60, 40);
    assert_eq!(peer.poll(), [CLOSED]);
    peer.assert_channel_closed(ReplyCode::NotFound, "no exchange 'x' in vhost '/'", (60, 40));
    assert_eq!(peer.send(1, &close_channel()), []);
    assert_eq!(peer.got(), [Got::Method(1, channel::CloseOk {}.into())]);
    assert_eq!(peer.send(1, &channel::CloseOk {}), []);
    assert_eq!(peer.send(1, &channel::Open {}), [OPENED]);
}

#[test]
fn a_channel_that_is_being_closed_still_counts() {
    let mut peer = Peer::opened_with(Config::default(), &[], tune_ok(4096, 1, 0));
    peer.send(1, &channel::Open {});
    peer.server.soft_error(1, ReplyCode::NotFound, "gone", 0, 0);
    assert_eq!(peer.poll(), [CLOSED]);
    peer.got();
    assert_eq!(peer.send(2, &channel::Open {}), [Event::Closed]);
}

#[test]
fn a_soft_error_with_a_hard_code_closes_the_connection() {
    let mut peer = Peer::with_channel();
    peer.server.soft_error(1, ReplyCode::NotAllowed, "attempt to reuse consumer tag 'x'", 60, 20);
    assert_eq!(peer.poll(), [CLOSED, Event::Closed]);
    peer.assert_connection_closed(ReplyCode::NotAllowed, "attempt to reuse consumer tag 'x'", (60, 20));
}

#[test]
fn an_error_for_a_publish_comes_before_the_close_ok_behind_it() {
    let mut peer = Peer::with_channel();
    let bytes = [publish_bytes(1, "k", b"1"), publish_bytes(1, "k", b"2"), bytes_of(1, &close_channel())].concat();
    peer.obliging = false;
    let mut buf = bytes::BytesMut::from(&bytes[..]);
    peer.server.handle_bytes(peer.now, &mut buf);
    assert!(matches!(peer.server.poll_event(), Some(Event::Publish { .. })));
    peer.server.soft_error(1, ReplyCode::NotFound, "no exchange", 60, 40);
    // The second publish is passed over.
    assert_eq!(peer.poll(), [CLOSED]);
    let got = peer.got();
    assert!(
        matches!(&got[..], [Got::Method(1, Method::ChannelClose(_)), Got::Method(1, Method::ChannelCloseOk(_))]),
        "{got:?}"
    );
}

#[test]
fn methods_for_the_broker_come_as_they_are_and_in_order() {
    let mut peer = Peer::with_channel();
    let methods: Vec<Method> = vec![
        exchange::Declare { exchange: short("e"), type_: short("topic"), ..exchange::Declare::default() }.into(),
        exchange::Delete { exchange: short("e"), ..exchange::Delete::default() }.into(),
        exchange::Bind { source: short("a"), ..exchange::Bind::default() }.into(),
        exchange::Unbind { source: short("a"), ..exchange::Unbind::default() }.into(),
        queue::Declare { queue: short("q"), durable: true, ..queue::Declare::default() }.into(),
        queue::Bind { queue: short("q"), ..queue::Bind::default() }.into(),
        queue::Purge { queue: short("q"), no_wait: true }.into(),
        queue::Unbind { queue: short("q"), ..queue::Unbind::default() }.into(),
        queue::Delete { queue: short("q"), ..queue::Delete::default() }.into(),
        basic::Qos { prefetch_size: 0, prefetch_count: 5, global: true }.into(),
        basic::Consume { queue: short("q"), ..basic::Consume::default() }.into(),
        basic::Cancel { consumer_tag: short("t"), no_wait: false }.into(),
        basic::Get { queue: short("q"), no_ack: true }.into(),
    ];
    let bytes: Vec<u8> = methods.iter().flat_map(|method| bytes_of(1, method)).collect();
    let expected: Vec<Event> = methods.into_iter().map(|method| Event::Method { channel: 1, method }).collect();
    assert_eq!(peer.send_bytes(&bytes), expected);
    assert_eq!(peer.got(), []);
    peer.server.send(1, queue::PurgeOk { message_count: 3 });
    peer.server.send(2, queue::PurgeOk { message_count: 4 });
    assert_eq!(peer.got(), [Got::Method(1, queue::PurgeOk { message_count: 3 }.into())]);
}

#[test]
fn some_methods_are_answered_here() {
    let mut peer = Peer::with_channel();
    let bytes = [
        bytes_of(1, &channel::Flow { active: true }),
        bytes_of(1, &access::Request::default()),
        bytes_of(1, &confirm::Select { no_wait: false }),
        bytes_of(1, &confirm::Select { no_wait: true }),
    ];
    assert_eq!(peer.send_bytes(&bytes.concat()), []);
    let expected = [
        Got::Method(1, channel::FlowOk { active: true }.into()),
        Got::Method(1, access::RequestOk { ticket: 1 }.into()),
        Got::Method(1, confirm::SelectOk {}.into()),
    ];
    assert_eq!(peer.got(), expected);
    assert!(peer.server.channel_stats(1).unwrap().confirm);
}

#[test]
fn a_channel_closed_in_the_middle_of_content_leaves_nothing_behind() {
    let mut peer = Peer::with_channel();
    peer.send(2, &channel::Open {});
    for number in [1, 2] {
        peer.send(number, &basic::Publish::default());
        peer.send_bytes(&header_frame(number, 60, 100));
        peer.send_bytes(&raw_frame(3, number, &[1; 40]));
    }
    assert_eq!(peer.server.unfinished_bytes(), 80);
    peer.server.soft_error(1, ReplyCode::NotFound, "gone", 0, 0);
    assert_eq!(peer.server.unfinished_bytes(), 40);
    assert_eq!(peer.poll(), [CLOSED]);
    // The client finishes what it began, then answers.
    assert_eq!(peer.send_bytes(&raw_frame(3, 1, &[1; 60])), []);
    assert_eq!(peer.send(1, &channel::CloseOk {}), []);
    assert_eq!(peer.send(1, &channel::Open {}), [OPENED]);
    assert!(matches!(peer.send_bytes(&publish_bytes(1, "k", b"x")).as_slice(), [Event::Publish { .. }]));
    assert!(matches!(peer.send_bytes(&raw_frame(3, 2, &[1; 60])).as_slice(), [Event::Publish { channel: 2, .. }]));
    assert_eq!(peer.server.unfinished_bytes(), 0);
}
