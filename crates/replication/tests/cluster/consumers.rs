//! Consumers get what is published elsewhere, once and in order.

use queue::{Command, ConsumerOptions};
use types::{ConsumerKey, GroupId, SeqRange};

use crate::{
    cluster::{Cluster, Node, QUEUE},
    recorder::until,
};

/// Attaches, and waits until it is so.
pub(crate) fn attach(node: &Node, group: GroupId, number: u64, options: ConsumerOptions) -> ConsumerKey {
    let session = node.session(number);
    node.submit(group, session, 0, vec![Command::Attach { queue: QUEUE, number: 1, options }]);
    node.recorder.answers(session, group, 1);
    ConsumerKey { session, number: 1 }
}

/// Settles in steps what a consumer gets, until it has got so many; returns the bodies.
pub(crate) fn consume(node: &Node, group: GroupId, consumer: ConsumerKey, count: usize) -> Vec<String> {
    let mut settled = 0;
    while settled < count {
        let got = node.recorder.received(consumer, settled + 1).len();
        let seq = |n: usize| u64::try_from(n).unwrap();
        let ranges = vec![SeqRange { first: seq(settled) + 1, last: seq(got) }];
        let settle = Command::Settle { queue: QUEUE, number: consumer.number, ranges };
        node.submit(group, consumer.session, seq(got), vec![settle]);
        settled = got;
    }
    node.recorder.wait("bodies", |told| {
        let bodies = told.received[&consumer].iter();
        Some(bodies.map(|body| String::from_utf8(body.to_vec()).unwrap()).collect())
    })
}

fn publish(node: &Node, group: GroupId, chunks: std::ops::Range<u64>) -> Vec<String> {
    let session = node.session(99);
    let mut all = Vec::new();
    for token in chunks {
        let bodies: Vec<String> = (0..4).map(|n| format!("{token}-{n}-{}", "x".repeat(500))).collect();
        node.publish(group, session, token, QUEUE, &bodies);
        all.extend(bodies);
    }
    all
}

fn each_shard(cluster: &Cluster, options: ConsumerOptions) {
    cluster.settle();
    for shard in 1..=crate::cluster::SHARDS {
        let group = GroupId(shard);
        let (consuming, publishing) = (cluster.node(0), cluster.node(1));
        consuming.create(group, consuming.session(1), QUEUE);
        let before = publish(publishing, group, 0..10);
        let consumer = attach(consuming, group, 2 + u64::from(shard), options);
        let after = publish(publishing, group, 10..150);
        let expected = [before, after].concat();
        let got = consume(consuming, group, consumer, expected.len());
        assert!(got == expected, "{} messages instead of {}, or in another order", got.len(), expected.len());
        until("nothing is left", || {
            let leader = cluster.node(cluster.leader(group)).stats(group, QUEUE);
            (leader.ready, leader.unacked, leader.settled) == (0, 0, u64::try_from(expected.len()).unwrap())
        });
        consuming.recorder.wait("the end", |told| {
            assert!(told.gaps.is_empty() && told.lost.is_empty(), "{:?} {:?}", told.gaps, told.lost);
            Some(told.received[&consumer].len()).filter(|received| *received == expected.len())
        });
    }
}

#[test]
fn a_consumer_gets_every_message_of_another_nodes_publisher_once_and_in_order() {
    let options = ConsumerOptions { prefetch: 50, ..ConsumerOptions::default() };
    each_shard(&Cluster::on_disk(), options);
}

#[test]
fn a_consumer_that_needs_not_settle_gets_every_message_once_and_in_order() {
    let options = ConsumerOptions { no_ack: true, initial_credit: u64::MAX, ..ConsumerOptions::default() };
    each_shard(&Cluster::in_memory(), options);
}

#[test]
fn a_consumer_is_told_when_its_queue_is_deleted_by_another_node() {
    let cluster = Cluster::in_memory();
    let group = GroupId(1);
    let (consuming, deleting) = (cluster.node(0), cluster.node(1));
    consuming.create(group, consuming.session(1), QUEUE);
    let consumer = attach(consuming, group, 2, ConsumerOptions { prefetch: 1, ..ConsumerOptions::default() });
    deleting.submit(
        group,
        deleting.session(1),
        1,
        vec![Command::DeleteQueue { queue: QUEUE, if_unused: false, if_empty: false }],
    );
    consuming.recorder.wait("the cancellation", |told| told.cancelled.contains(&(consumer, QUEUE)).then_some(()));
}
