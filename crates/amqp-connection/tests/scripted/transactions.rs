//! Transactions: the mode of a channel, what becomes of delivery tags, and what may not come while the broker commits.

use amqp_codec::{
    Method, ReplyCode,
    methods::{basic, channel, confirm, tx},
};
use amqp_connection::{ChannelStats, Config, Event, Settled, Verb};
use types::{QueueId, SeqRange};

use crate::client::{Got, Peer, bytes_of, close_channel, delivery, publish_bytes, short, tune_ok};

const CLOSED: Event = Event::ChannelClosed { channel: 1 };

fn ack(delivery_tag: u64, multiple: bool) -> basic::Ack {
    basic::Ack { delivery_tag, multiple }
}

fn settled(first: u64, last: u64) -> Settled {
    Settled { consumer: 1, queue: QueueId(7), range: SeqRange { first, last } }
}

fn asked(method: impl Into<Method>) -> Event {
    Event::Method { channel: 1, method: method.into() }
}

/// The one event is a settlement in a transaction: its verb, and what is settled.
#[track_caller]
fn settlement(events: &[Event]) -> (Verb, Vec<Settled>) {
    match events {
        [Event::Settle { channel: 1, verb, deliveries, transactional: true }] => {
            (*verb, deliveries.as_slice().to_vec())
        }
        other => panic!("{other:?}"),
    }
}

/// A transactional channel whose client holds that many deliveries of consumer 1.
fn holding(count: u64) -> Peer {
    let mut peer = Peer::with_channel();
    assert_eq!(peer.send(1, &tx::Select {}), []);
    assert_eq!(peer.got(), [Got::Method(1, tx::SelectOk {}.into())]);
    for seq in 1..=count {
        peer.server.deliver(1, &delivery(1, seq, b"body"));
    }
    peer.got();
    peer
}

/// The client rolls back.
fn roll_back(peer: &mut Peer) {
    assert_eq!(peer.send(1, &tx::Rollback {}), [asked(tx::Rollback {})]);
    peer.server.send(1, tx::RollbackOk {});
    assert_eq!(peer.got(), [Got::Method(1, tx::RollbackOk {}.into())]);
}

/// The client commits, and the broker does.
fn commit(peer: &mut Peer) {
    assert_eq!(peer.send(1, &tx::Commit {}), [asked(tx::Commit {})]);
    peer.server.send(1, tx::CommitOk {});
    assert_eq!(peer.got(), [Got::Method(1, tx::CommitOk {}.into())]);
}

#[test]
fn publishes_and_settlements_are_transactional_once_that_is_selected() {
    let mut peer = Peer::with_channel();
    let transactional = |events: Vec<Event>| match &events[..] {
        [Event::Publish { publish, .. }] => publish.transactional,
        other => panic!("{other:?}"),
    };
    assert!(!transactional(peer.send_bytes(&publish_bytes(1, "k", b"x"))));
    assert!(!peer.server.is_transactional(1));
    peer.server.deliver(1, &delivery(1, 1, b""));
    peer.server.deliver(1, &delivery(1, 2, b""));
    // In one batch: the first settlement is not part of the transaction.
    let batch = [bytes_of(1, &ack(1, false)), bytes_of(1, &tx::Select {}), bytes_of(1, &ack(2, false))].concat();
    let events = peer.send_bytes(&batch);
    let flags: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Settle { transactional, .. } => *transactional,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(flags, [false, true]);
    assert!(transactional(peer.send_bytes(&publish_bytes(1, "k", b"x"))));
    assert!(peer.server.is_transactional(1));
    let stats = ChannelStats { transactional: true, uncommitted_acks: 1, ..ChannelStats::default() };
    assert_eq!(peer.server.channel_stats(1), Some(stats));
    // Other channels are not concerned, nor is the next one of that number.
    assert!(!peer.server.is_transactional(2));
    peer.send_bytes(&[bytes_of(1, &close_channel()), bytes_of(1, &channel::Open {})].concat());
    assert!(!transactional(peer.send_bytes(&publish_bytes(1, "k", b"x"))));
}

#[test]
fn selecting_again_changes_nothing() {
    let mut peer = holding(1);
    assert_eq!(settlement(&peer.send(1, &ack(1, false))), (Verb::Ack, vec![settled(1, 1)]));
    assert_eq!(peer.send(1, &tx::Select {}), []);
    assert_eq!(peer.got(), [Got::Method(1, tx::SelectOk {}.into())]);
    assert_eq!(peer.server.channel_stats(1).unwrap().uncommitted_acks, 1);
}

#[test]
fn transactions_and_confirms_exclude_each_other() {
    let mut peer = holding(0);
    assert_eq!(peer.send(1, &confirm::Select { no_wait: true }), [CLOSED]);
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, "cannot switch from tx to confirm mode", (85, 10));
    let mut peer = Peer::with_channel();
    peer.send(1, &confirm::Select { no_wait: true });
    assert_eq!(peer.send(1, &tx::Select {}), [CLOSED]);
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, "cannot switch from confirm to tx mode", (90, 10));
}

#[test]
fn nothing_is_committed_or_rolled_back_without_select() {
    let text = "channel is not transactional";
    let mut peer = Peer::with_channel();
    assert_eq!(peer.send(1, &tx::Commit {}), [CLOSED]);
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, text, (90, 20));
    let mut peer = Peer::with_channel();
    assert_eq!(peer.send(1, &tx::Rollback {}), [CLOSED]);
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, text, (90, 30));
}

#[test]
fn after_a_rollback_the_same_deliveries_may_be_settled_again() {
    let mut peer = holding(6);
    peer.send(1, &ack(2, false));
    assert_eq!(settlement(&peer.send(1, &ack(4, true))), (Verb::Ack, vec![settled(1, 1), settled(3, 4)]));
    peer.send(1, &basic::Reject { delivery_tag: 6, requeue: true });
    assert_eq!(peer.server.channel_stats(1).unwrap().unacknowledged, 1);
    roll_back(&mut peer);
    assert_eq!(peer.server.channel_stats(1).unwrap().unacknowledged, 6);
    assert_eq!(peer.server.channel_stats(1).unwrap().uncommitted_acks, 0);
    let nack = basic::Nack { delivery_tag: 0, multiple: true, requeue: false };
    assert_eq!(settlement(&peer.send(1, &nack)), (Verb::Discard, vec![settled(1, 6)]));
    commit(&mut peer);
    roll_back(&mut peer);
    assert_eq!(peer.server.channel_stats(1).unwrap().unacknowledged, 0);
}

#[test]
fn a_tag_is_settled_once_in_a_transaction_and_never_after_its_commit() {
    let mut peer = holding(2);
    peer.send(1, &ack(1, false));
    assert_eq!(peer.send(1, &ack(1, false)), [CLOSED]);
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, "unknown delivery tag 1", (60, 80));
    let mut peer = holding(2);
    assert_eq!(peer.send(1, &ack(3, true)), [CLOSED]);
    let mut peer = holding(2);
    peer.send(1, &ack(2, true));
    commit(&mut peer);
    roll_back(&mut peer);
    assert_eq!(peer.send(1, &ack(2, false)), [CLOSED]);
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, "unknown delivery tag 2", (60, 80));
}

#[test]
fn recover_gives_back_at_once_what_the_transaction_has_not_settled() {
    let mut peer = holding(3);
    peer.send(1, &ack(2, false));
    let events = peer.send(1, &basic::Recover { requeue: true });
    let [Event::Recover { deliveries, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(deliveries.as_slice(), [settled(1, 1), settled(3, 3)]);
    roll_back(&mut peer);
    assert_eq!(settlement(&peer.send(1, &ack(0, true))), (Verb::Ack, vec![settled(2, 2)]));
}

#[test]
fn nothing_but_close_may_come_while_the_broker_commits() {
    let text = "unexpected command while processing 'tx.commit'";
    let mut peer = holding(1);
    assert_eq!(peer.send(1, &tx::Commit {}), [asked(tx::Commit {})]);
    assert_eq!(peer.send_bytes(&publish_bytes(1, "k", b"x")), [CLOSED, Event::Closed]);
    peer.assert_connection_closed(ReplyCode::ChannelError, text, (60, 40));
    let mut peer = holding(1);
    let twice = [bytes_of(1, &tx::Commit {}), bytes_of(1, &tx::Commit {})].concat();
    assert_eq!(peer.send_bytes(&twice), [asked(tx::Commit {}), CLOSED, Event::Closed]);
    peer.assert_connection_closed(ReplyCode::ChannelError, text, (90, 20));

    let mut peer = holding(1);
    peer.send(1, &tx::Commit {});
    // Other channels go on, and deliveries do.
    assert_eq!(peer.send(2, &channel::Open {}), [Event::ChannelOpened { channel: 2 }]);
    peer.server.deliver(1, &delivery(1, 2, b""));
    peer.server.send(1, basic::CancelOk { consumer_tag: short("c") });
    peer.got();
    assert_eq!(peer.send(1, &close_channel()), [CLOSED]);
    assert_eq!(peer.got(), [Got::Method(1, channel::CloseOk {}.into())]);
    peer.server.send(1, tx::CommitOk {});
    assert_eq!(peer.got(), []);
}

#[test]
fn a_commit_that_is_not_whole_closes_the_channel() {
    let mut peer = holding(1);
    peer.send(1, &tx::Commit {});
    peer.server.soft_error(1, ReplyCode::PreconditionFailed, "partial tx completion", 90, 20);
    assert_eq!(peer.poll(), [CLOSED]);
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, "partial tx completion", (90, 20));
}

#[test]
fn the_settlements_of_a_transaction_are_limited() {
    let config = Config { transaction_settlements_max: 3, ..Config::default() };
    let mut peer = Peer::opened_with(config, &[], tune_ok(4096, 9, 0));
    peer.send_bytes(&[bytes_of(1, &channel::Open {}), bytes_of(1, &tx::Select {})].concat());
    for seq in 1..=8 {
        peer.server.deliver(1, &delivery(1, seq, b""));
    }
    peer.got();
    peer.send(1, &ack(3, true));
    commit(&mut peer);
    peer.send(1, &ack(6, true));
    peer.got();
    assert_eq!(peer.send(1, &ack(7, false)), [CLOSED]);
    let text = "transaction holds more than 3 acknowledgements";
    peer.assert_channel_closed(ReplyCode::PreconditionFailed, text, (60, 80));
}
