//! Messages that die are told on the node that leads, with their bodies, until they are settled.

use queue::{Command, DeadLetterStrategy, DeathReason, QueueConfig};
use types::{GroupId, MessageRecord, SeqRange};

use crate::{
    cluster::{Cluster, Node, QUEUE},
    recorder::until,
};

const GROUP: GroupId = GroupId(1);
const COUNT: usize = 40;

/// Makes a queue whose messages die after a while.
fn create(node: &Node, group: GroupId) {
    let config = QueueConfig {
        message_ttl_ms: Some(150),
        dead_letter: Some(DeadLetterStrategy::AtMostOnce),
        ..QueueConfig::default()
    };
    node.submit(group, node.session(1), 0, vec![Command::CreateQueue { queue: QUEUE, config }]);
    node.recorder.answers(node.session(1), group, 1);
}

fn publish(node: &Node, group: GroupId) -> Vec<String> {
    let bodies: Vec<String> = (0..COUNT).map(|n| format!("message {n}")).collect();
    for (token, bodies) in (1..).zip(bodies.chunks(4)) {
        node.publish(group, node.session(2), token, QUEUE, bodies);
    }
    bodies
}

/// The numbers and bodies that a node was told, once they are so many.
fn told(node: &Node, group: GroupId) -> Vec<(u64, String)> {
    node.recorder.wait("dead letters", |told| {
        let of_group = told.dead_letters.iter().filter(|(from, letters)| (*from, letters.queue) == (group, QUEUE));
        let letters: Vec<(u64, String)> = of_group
            .flat_map(|(_, letters)| &letters.letters)
            .map(|(letter, record)| {
                assert_eq!(letter.reason, DeathReason::Expired);
                let body = MessageRecord::decode(record.clone()).unwrap().body;
                (letter.number, String::from_utf8(body.to_vec()).unwrap())
            })
            .collect();
        (letters.len() >= COUNT).then_some(letters)
    })
}

#[test]
fn messages_that_expire_are_told_in_order_and_again_by_a_new_leader_until_they_are_settled() {
    let mut cluster = Cluster::in_memory();
    cluster.settle();
    let victim = cluster.leader(GROUP);
    let node = cluster.node((victim + 1) % 3);
    create(node, GROUP);
    let bodies = publish(node, GROUP);
    let first = told(cluster.node(victim), GROUP);
    assert_eq!(first.iter().map(|(_, body)| body.clone()).collect::<Vec<_>>(), bodies);
    assert!(first.is_sorted_by_key(|(number, _)| *number));
    cluster.kill(victim);
    let leader = cluster.node(cluster.leader(GROUP));
    assert_eq!(told(leader, GROUP), first);

    let ranges = vec![SeqRange { first: 1, last: first.last().unwrap().0 }];
    leader.submit(GROUP, leader.session(3), 1, vec![Command::SettleDead { queue: QUEUE, ranges }]);
    leader.recorder.answers(leader.session(3), GROUP, 1);
    for node in cluster.nodes() {
        until("they are settled everywhere", || node.stats(GROUP, QUEUE).dead_letters.waiting == 0);
    }
}

#[test]
fn messages_in_the_memory_of_a_node_expire_and_are_told_there() {
    let cluster = Cluster::in_memory();
    cluster.settle();
    let (owner, other) = (cluster.node(0), cluster.node(1));
    let group = GroupId::local(owner.id);
    create(other, group);
    let bodies = publish(other, group);
    assert_eq!(told(owner, group).into_iter().map(|(_, body)| body).collect::<Vec<_>>(), bodies);
}
