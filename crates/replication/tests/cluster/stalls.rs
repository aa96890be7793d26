//! Disks that hang: their nodes lead nothing, and the others go on.

use std::time::{Duration, Instant};

use replication::Groups;
use types::GroupId;

use crate::{
    cluster::{Cluster, QUEUE, SHARDS},
    recorder::until,
};

/// Longer than a leader that is not the preferred one waits until it gives a group back.
const BALANCED: Duration = Duration::from_secs(8);

fn publish(cluster: &Cluster, at: usize, group: GroupId, serial: u64, count: usize) {
    let node = cluster.node(at);
    let session = node.session(serial);
    for token in 1..=count {
        node.publish(group, session, u64::try_from(token).unwrap(), QUEUE, &["x".repeat(100)]);
    }
    node.recorder.answers(session, group, count);
}

fn create_everywhere(cluster: &Cluster, at: usize) {
    for group in (1..=SHARDS).map(GroupId) {
        let node = cluster.node(at);
        node.create(group, node.session(1), QUEUE);
    }
}

fn stalled(cluster: &Cluster, at: usize, stalled: bool) {
    let node = cluster.node(at);
    node.runtime().block_on(node.replication.set_disk_stalled(stalled));
}

/// The node that leads the metadata.
fn meta_leader(cluster: &Cluster) -> usize {
    let mut leader = None;
    until("metadata has a leader", || {
        let known = cluster.node(0).replication.status().into_iter().find(|status| status.group == GroupId::META);
        let known = known.and_then(|status| status.leader);
        leader = cluster.nodes().position(|node| Some(node.id) == known);
        leader.is_some()
    });
    leader.unwrap()
}

#[test]
fn a_node_whose_disk_hangs_leads_nothing_until_it_works_again() {
    let cluster = Cluster::in_memory();
    cluster.settle();
    let victim = meta_leader(&cluster);
    let other = (victim + 1) % 3;
    create_everywhere(&cluster, other);
    cluster.gate(victim).hang();
    let node = cluster.node(victim);
    assert!(node.replication.leads_for_others() > 0);
    let start = Instant::now();
    until("it leads nothing", || {
        stalled(&cluster, victim, true);
        let others_know = cluster.nodes().filter(|node| node.id != cluster.node(victim).id);
        let mut groups = others_know.flat_map(|node| node.replication.status());
        groups.all(|status| status.leader.is_some_and(|leader| leader != node.id))
    });
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    for group in (1..=SHARDS).map(GroupId) {
        publish(&cluster, other, group, 2, 20);
    }
    // The one that leads instead would give it back by now.
    let since = Instant::now();
    until("leaders would have been balanced", || {
        stalled(&cluster, victim, true);
        for status in cluster.node(other).replication.status() {
            assert_ne!(status.leader, Some(node.id), "group {} was given to a node whose disk hangs", status.group);
        }
        since.elapsed() > BALANCED
    });
    cluster.gate(victim).resume();
    stalled(&cluster, victim, false);
    until("it leads again what it is meant to", || (1..=SHARDS).any(|n| node.replication.is_leader(GroupId(n))));
    for group in (1..=SHARDS).map(GroupId) {
        publish(&cluster, other, group, 3, 20);
        until("it has everything", || cluster.node(victim).stats(group, QUEUE).enqueued == 40);
    }
}

#[test]
fn a_follower_whose_disk_hangs_holds_up_nobody_and_takes_in_little() {
    let cluster = Cluster::in_memory();
    cluster.settle();
    let group = GroupId(1);
    let leader = cluster.leader(group);
    let (victim, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let node = cluster.node(other);
    node.create(group, node.session(1), QUEUE);
    cluster.gate(victim).hang();
    let start = Instant::now();
    publish(&cluster, other, group, 2, 2000);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "it took {took:?}");
    assert_eq!(cluster.leader(group), leader, "leadership went elsewhere");
    assert!(cluster.gate(victim).held() < 1000, "{} writes wait for the disk", cluster.gate(victim).held());
    cluster.gate(victim).resume();
    until("it has everything", || cluster.node(victim).stats(group, QUEUE).enqueued == 2000);
}
