//! Nodes are killed and come back; nothing that was submitted elsewhere is lost, and nothing happens twice.

use std::{collections::BTreeMap, time::Duration};

use queue::{Command, ConsumerOptions};
use replication::{ChunkReplies, Groups as _, Timers};
use types::{GroupId, QueueId, SessionId};

use crate::{
    cluster::{Cluster, Node, QUEUE, SHARDS, TIMERS},
    consumers::{attach, consume},
    metadata::put,
    recorder::until,
};

const GROUP: GroupId = GroupId(1);

fn publish(node: &Node, session: SessionId, tokens: std::ops::RangeInclusive<u64>) {
    for token in tokens {
        node.publish(GROUP, session, token, QUEUE, &[format!("{} {token}", node.id)]);
    }
}

/// Everything is answered as applied, in order.
fn check_answers(node: &Node, session: SessionId, count: u64) {
    let answers = node.recorder.answers(session, GROUP, usize::try_from(count).unwrap());
    let tokens: Vec<u64> = answers.iter().map(|(token, _)| *token).collect();
    assert_eq!(tokens, (1..=count).collect::<Vec<_>>());
    let unavailable = answers.iter().filter(|(_, replies)| *replies == ChunkReplies::Unavailable).count();
    assert_eq!(unavailable, 0);
}

#[test]
fn nothing_is_lost_or_done_twice_when_the_leader_is_killed() {
    const CHUNKS: u64 = 300;
    let mut cluster = Cluster::in_memory();
    cluster.settle();
    let victim = cluster.leader(GROUP);
    let survivors: Vec<usize> = (0..3).filter(|at| *at != victim).collect();
    let consuming = survivors[0];
    cluster.node(consuming).create(GROUP, cluster.node(consuming).session(1), QUEUE);
    let options = ConsumerOptions { prefetch: 20, ..ConsumerOptions::default() };
    let consumer = attach(cluster.node(consuming), GROUP, 2, options);
    for at in &survivors {
        publish(cluster.node(*at), cluster.node(*at).session(3), 1..=CHUNKS / 2);
    }
    for at in &survivors {
        cluster.node(*at).recorder.answers(cluster.node(*at).session(3), GROUP, 10);
    }
    cluster.kill(victim);
    for at in &survivors {
        publish(cluster.node(*at), cluster.node(*at).session(3), CHUNKS / 2 + 1..=CHUNKS);
    }
    let total = 2 * usize::try_from(CHUNKS).unwrap();
    let got = consume(cluster.node(consuming), GROUP, consumer, total);
    for at in &survivors {
        check_answers(cluster.node(*at), cluster.node(*at).session(3), CHUNKS);
    }
    let mut by_publisher: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for body in got {
        let (publisher, token) = body.split_once(' ').unwrap();
        by_publisher.entry(publisher.to_owned()).or_default().push(token.parse().unwrap());
    }
    assert_eq!(by_publisher.len(), 2);
    for (publisher, tokens) in by_publisher {
        assert!(tokens == (1..=CHUNKS).collect::<Vec<_>>(), "messages of node {publisher}: {tokens:?}");
    }
    for at in &survivors {
        cluster.node(*at).recorder.wait("the end", |told| {
            assert!(told.lost.is_empty(), "a node that was there all the time was declared over");
            Some(())
        });
    }

    cluster.revive(victim, TIMERS);
    until("the node that came back is where the others are", || {
        let stats = cluster.nodes().map(|node| node.stats(GROUP, QUEUE)).collect::<Vec<_>>();
        stats[0].settled == 2 * CHUNKS && stats.iter().all(|other| *other == stats[0])
    });
    let back = cluster.node(victim);
    let session = back.session(1);
    publish(back, session, 1..=20);
    check_answers(back, session, 20);
}

#[test]
fn what_is_submitted_while_there_is_no_majority_is_answered_when_there_is_one_again() {
    const CHUNKS: u64 = 40;
    let mut cluster = Cluster::in_memory();
    cluster.settle();
    let alone = cluster.leader(GROUP);
    let others: Vec<usize> = (0..3).filter(|at| *at != alone).collect();
    let node = cluster.node(alone);
    node.create(GROUP, node.session(1), QUEUE);
    others.iter().for_each(|at| cluster.kill(*at));
    let node = cluster.node(alone);
    // The lease is over when a proposal is refused; one at a time, so that many are.
    let lease = std::time::Instant::now();
    until("the lease is over", || lease.elapsed() > TIMERS.election_max * 2);
    let session = node.session(2);
    for token in 1..=CHUNKS {
        publish(node, session, token..=token);
        let shown = std::time::Instant::now();
        until("the proposal was seen", || shown.elapsed() > Duration::from_millis(2));
    }
    assert_eq!(node.stats(GROUP, QUEUE).enqueued, 0);
    // They wait longer before they stand for election, so the leader most likely stays who it was. Not too long: where it does not, they
    // do not vote before that time is over, and those who wait are told so some seconds later.
    let patient = Timers { election_min: Duration::from_secs(3), election_max: Duration::from_secs(4), ..TIMERS };
    for at in others {
        cluster.revive(at, patient);
    }
    let node = cluster.node(alone);
    check_answers(node, session, CHUNKS);
    // Whoever leads now: the others are where it is, a moment later.
    for node in cluster.nodes() {
        until("the replica has everything", || node.stats(GROUP, QUEUE).enqueued >= CHUNKS);
        assert_eq!(node.stats(GROUP, QUEUE).enqueued, CHUNKS);
    }
}

/// Nobody stands for election because of the time before the test has given up waiting.
const PATIENT: Timers =
    Timers { election_min: Duration::from_secs(300), election_max: Duration::from_secs(600), ..TIMERS };

/// Three such nodes, of whom each has heard the leaders of all groups.
fn patient() -> Cluster {
    let mut cluster = Cluster::in_memory();
    for at in 0..3 {
        hear(&cluster, at);
        cluster.kill(at);
        until("others lead the metadata", || {
            cluster.nodes().all(|node| {
                let leader = node.replication.leader(GroupId::META);
                cluster.nodes().any(|other| leader == Some(other.id))
            })
        });
        for group in 1..=SHARDS {
            cluster.leader(GroupId(group));
        }
        cluster.revive(at, PATIENT);
    }
    hear(&cluster, 3);
    cluster
}

/// All nodes reach each other, and all replicas have heard their leaders since they began.
fn hear(cluster: &Cluster, round: usize) {
    cluster.settle();
    let node = cluster.nodes().last().unwrap();
    node.propose(put(&format!("round {round}")));
    let round = u64::try_from(round).unwrap();
    for group in (1..=SHARDS).map(GroupId) {
        let (session, queue) = (node.session(100 + round), QueueId(QUEUE.0 + 1 + round));
        node.create(group, session, queue);
        node.publish(group, session, 1, queue, &["heard".to_owned()]);
        cluster.nodes().for_each(|node| until("it has heard", || node.stats(group, queue).enqueued == 1));
    }
}

/// Of two candidates of one term the one with the higher id wins. The first in turn has it here, and nobody votes for it.
#[test]
fn when_the_first_in_turn_lacks_entries_the_second_takes_over_from_a_killed_leader() {
    let mut cluster = patient();
    let mut by_id: Vec<usize> = (0..3).collect();
    by_id.sort_by_key(|at| cluster.node(*at).id);
    let [second, first, leader] = by_id.try_into().unwrap();
    let node = cluster.node(second);
    node.create(GROUP, node.session(1), QUEUE);
    publish(node, node.session(2), 1..=1);
    node.recorder.answers(node.session(2), GROUP, 1);
    node.order(|replication| replication.transfer_leader(GROUP, cluster.name(leader))).unwrap();
    until("it leads", || cluster.node(leader).replication.is_leader(GROUP));
    cluster.nodes().for_each(|node| until("they are equal", || node.stats(GROUP, QUEUE).enqueued == 1));

    cluster.gate(first).set_full(true);
    publish(node, node.session(2), 2..=20);
    node.recorder.answers(node.session(2), GROUP, 20);
    let vote = |cluster: &Cluster| cluster.on_disk_of(first, GROUP).vote;
    let before = vote(&cluster);
    cluster.kill(leader);
    until("the first has voted for itself", || vote(&cluster) != before);
    cluster.gate(first).set_full(false);
    until("the second leads", || cluster.node(second).replication.is_leader(GROUP));
    cluster.nodes().for_each(|node| until("they are equal", || node.stats(GROUP, QUEUE).enqueued == 20));
}

/// It is there again before anybody finds that it was not.
#[test]
fn a_leader_that_is_started_again_at_once_is_replaced_at_once() {
    let mut cluster = patient();
    let leader = cluster.leader(GROUP);
    cluster.kill(leader);
    cluster.revive(leader, PATIENT);
    assert!(cluster.leader(GROUP) != leader);
}

#[test]
fn the_sessions_of_a_killed_node_end_and_what_they_held_goes_to_others() {
    let mut cluster = Cluster::in_memory();
    cluster.settle();
    let victim = (cluster.leader(GROUP) + 1) % 3;
    let other = (victim + 1) % 3;
    let node = cluster.node(other);
    node.create(GROUP, node.session(1), QUEUE);
    let options = ConsumerOptions { prefetch: 100, ..ConsumerOptions::default() };
    let doomed = attach(cluster.node(victim), GROUP, 2, options);
    publish(node, node.session(3), 1..=50);
    cluster.node(victim).recorder.received(doomed, 50);
    let heir = attach(node, GROUP, 4, options);
    cluster.kill(victim);
    let got = consume(cluster.node(other), GROUP, heir, 50);
    let expected: Vec<String> = (1..=50).map(|token| format!("{} {token}", cluster.node(other).id)).collect();
    assert_eq!(got, expected, "what was returned keeps its order");
    let node = cluster.node(other);
    node.submit(GROUP, node.session(1), 1, vec![Command::Inspect { queue: QUEUE }]);
    node.recorder.answers(node.session(1), GROUP, 2);
}
