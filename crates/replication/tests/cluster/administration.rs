//! What nodes tell and ask each other apart from messages: alarms, and questions of administration.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use replication::{ASK_BYTES_MAX, AlarmKind, AskError, BoxFuture, Counts, PeerAnswer, PeerAsk};
use types::NodeId;

use crate::{
    cluster::{Cluster, Node, TIMERS},
    recorder::{DEADLINE, until},
};

/// Waits until a node was told last that these stand.
fn wait_for_alarms(node: &Node, alarms: &[(NodeId, AlarmKind)]) {
    let last = |told: &crate::recorder::Told| told.alarms.last().cloned().unwrap_or_default();
    node.recorder.wait("alarms", |told| (last(told) == alarms).then_some(()));
    assert_eq!(node.replication.alarms(), alarms);
}

#[test]
fn all_nodes_know_the_alarms_of_all_that_are_there() {
    let mut cluster = Cluster::in_memory();
    cluster.settle();
    let [first, second] = [0, 1].map(|at| cluster.node(at).id);
    cluster.node(0).replication.set_local_alarm(AlarmKind::Memory, true);
    for node in cluster.nodes() {
        wait_for_alarms(node, &[(first, AlarmKind::Memory)]);
    }
    cluster.node(1).replication.set_local_alarm(AlarmKind::Disk, true);
    let both = [(first, AlarmKind::Memory), (second, AlarmKind::Disk)];
    cluster.nodes().for_each(|node| wait_for_alarms(node, &both));
    cluster.kill(0);
    cluster.nodes().for_each(|node| wait_for_alarms(node, &both[1..]));
    cluster.revive(0, TIMERS);
    cluster.nodes().for_each(|node| wait_for_alarms(node, &both[1..]));
    cluster.node(1).replication.set_local_alarm(AlarmKind::Disk, false);
    cluster.nodes().for_each(|node| wait_for_alarms(node, &[]));
}

/// Waits until a node knows that so much is counted.
fn wait_for_count(node: &Node, count: u64) {
    until(&format!("node {} counts {count}", node.id), || node.replication.total(b"name") == count);
}

#[test]
fn all_nodes_know_what_is_counted_on_all_that_are_there() {
    let mut cluster = Cluster::in_memory();
    cluster.settle();
    for (at, count) in [(0, 3), (1, 2), (2, 1)] {
        cluster.node(at).replication.add(b"name", count);
    }
    cluster.nodes().for_each(|node| wait_for_count(node, 6));
    cluster.node(1).replication.add(b"name", -2);
    cluster.nodes().for_each(|node| wait_for_count(node, 4));
    cluster.kill(0);
    cluster.nodes().for_each(|node| wait_for_count(node, 1));
    cluster.revive(0, TIMERS);
    cluster.node(0).replication.add(b"name", 5);
    cluster.nodes().for_each(|node| wait_for_count(node, 6));
}

/// Says who answers whom what; but too much when it is asked for much, and nothing when it is asked to be silent.
struct Echo(NodeId);

impl PeerAnswer for Echo {
    fn answer(&self, from: NodeId, question: Bytes) -> BoxFuture<Bytes> {
        let node = self.0;
        Box::pin(async move {
            match &question[..] {
                b"much" => Bytes::from(vec![0; ASK_BYTES_MAX + 1]),
                b"silence" => std::future::pending().await,
                _ => Bytes::from(format!("{node} to {from}: {}", question.len())),
            }
        })
    }
}

fn ask(node: &Node, to: NodeId, question: impl Into<Bytes>, limit: Duration) -> Result<Bytes, AskError> {
    node.runtime().block_on(node.replication.ask(to, question.into(), limit))
}

#[test]
fn a_node_asks_all_nodes_and_is_told_when_one_does_not_answer() {
    let mut cluster = Cluster::in_memory();
    cluster.settle();
    let (asking, other) = (cluster.node(0), cluster.node(1).id);
    let early = ask(asking, other, "early", DEADLINE);
    assert!(matches!(early, Err(AskError::Refused(_))), "{early:?}");
    for node in cluster.nodes() {
        node.replication.answer_with(Arc::new(Echo(node.id)));
    }
    let nodes = asking.replication.nodes();
    assert_eq!(nodes.len(), 3);
    for node in nodes {
        let large = vec![7; ASK_BYTES_MAX];
        let expected = format!("{node} to {}: {ASK_BYTES_MAX}", asking.id);
        assert_eq!(ask(asking, node, large, DEADLINE), Ok(Bytes::from(expected)));
        assert_eq!(ask(asking, node, vec![7; ASK_BYTES_MAX + 1], DEADLINE), Err(AskError::TooLarge));
        assert_eq!(ask(asking, node, "much", DEADLINE), Err(AskError::TooLarge));
        let start = Instant::now();
        assert_eq!(ask(asking, node, "silence", Duration::from_millis(50)), Err(AskError::Timeout));
        assert!(start.elapsed() < DEADLINE);
    }
    assert_eq!(ask(asking, NodeId(99), "", DEADLINE), Err(AskError::NoSuchNode));
    cluster.kill(1);
    let asking = cluster.node(0);
    until("it is known to be gone", || !asking.replication.is_live(other));
    assert_eq!(ask(asking, other, "", DEADLINE), Err(AskError::Down));
    cluster.revive(1, TIMERS);
    let (asking, back) = (cluster.node(0), cluster.node(1));
    back.replication.answer_with(Arc::new(Echo(back.id)));
    until("it is back", || asking.replication.is_live(other));
    let answer = ask(asking, other, "again", DEADLINE);
    assert_eq!(answer, Ok(Bytes::from(format!("{other} to {}: 5", asking.id))));
}
