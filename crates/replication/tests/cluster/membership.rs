//! Nodes come, go, and lose their disks, while messages are published; none is lost, none comes twice.

use std::collections::BTreeSet;

use metadata::MemberState;
use queue::ConsumerOptions;
use replication::{Checkpoints, ClusterError, OwnState};
use types::{GroupId, NodeId};

use crate::{
    cluster::{Cluster, Node, QUEUE, SHARDS},
    consumers::{attach, consume},
    joining_snapshots::SHORT,
    recorder::until,
};

const GROUP: GroupId = GroupId(1);

/// Publishes numbered messages, each an entry of its own, and waits for their confirms.
fn publish(node: &Node, session: u64, tokens: std::ops::RangeInclusive<u64>) {
    let session = node.session(session);
    for token in tokens {
        node.publish(GROUP, session, token, QUEUE, &[body(token)]);
        node.recorder.wait("the confirm", |told| {
            told.replies.get(&(session, GROUP))?.iter().any(|(answered, _)| *answered == token).then_some(())
        });
    }
}

fn body(token: u64) -> String {
    format!("message {token}")
}

fn expect_all(node: &Node, count: u64) {
    let options = ConsumerOptions { prefetch: 50, ..ConsumerOptions::default() };
    let consumer = attach(node, GROUP, 90, options);
    let got = consume(node, GROUP, consumer, usize::try_from(count).unwrap());
    assert_eq!(got, (1..=count).map(body).collect::<Vec<_>>());
}

/// Forgets a node as soon as it has been silent for long enough.
fn until_forgotten(node: &Node, name: &str) {
    until("it is taken for gone", || node.order(|r| r.forget(name)).is_ok());
}

/// Waits until all groups have exactly these voters, as a node sees it.
fn until_placed(node: &Node, nodes: &[NodeId]) {
    let wanted: BTreeSet<NodeId> = nodes.iter().copied().collect();
    until("all groups are placed", || {
        let status = node.replication.status();
        status.len() == usize::try_from(SHARDS).unwrap() + 1
            && status.iter().all(|group| group.members.iter().copied().collect::<BTreeSet<_>>() == wanted)
    });
}

#[test]
fn a_single_node_grows_to_three_replicas_by_log_and_by_snapshot() {
    for checkpoints in [Checkpoints::default(), SHORT] {
        let mut cluster = Cluster::of(1, checkpoints);
        cluster.settle();
        let first = cluster.node(0);
        first.create(GROUP, first.session(1), QUEUE);
        publish(first, 2, 1..=100);
        let second = cluster.add();
        publish(cluster.node(0), 2, 101..=120);
        let third = cluster.add();
        publish(cluster.node(0), 2, 121..=140);
        let ids = [0, second, third].map(|at| cluster.node(at).id);
        until_placed(cluster.node(0), &ids);
        until_placed(cluster.node(third), &ids);
        for at in [second, third] {
            until("the new replica has everything", || cluster.node(at).stats(GROUP, QUEUE).enqueued == 140);
        }
        // The first node is not needed any more.
        cluster.kill(0);
        expect_all(cluster.node(third), 140);
    }
}

#[test]
fn an_emptied_node_comes_back_as_a_new_member_in_the_old_ones_place() {
    let mut cluster = Cluster::of(3, SHORT);
    cluster.settle();
    let victim = (cluster.leader(GROUP) + 1) % 3;
    let other = (victim + 1) % 3;
    let node = cluster.node(other);
    node.create(GROUP, node.session(1), QUEUE);
    publish(node, 2, 1..=60);
    let old = cluster.node(victim).id;
    cluster.kill(victim);
    publish(cluster.node(other), 2, 61..=100);
    cluster.wipe(victim);
    cluster.revive(victim, crate::cluster::TIMERS);
    let new = cluster.node(victim).id;
    assert_ne!(new, old, "an id is never given again");
    publish(cluster.node(other), 2, 101..=130);
    let ids: Vec<NodeId> = cluster.nodes().map(|node| node.id).collect();
    until_placed(cluster.node(other), &ids);
    until("the old member is gone", || {
        cluster.node(other).replication.cluster_status().nodes.iter().all(|node| node.node != old)
    });
    until("the new replica has everything", || cluster.node(victim).stats(GROUP, QUEUE).enqueued == 130);
    let third = 3 - victim - other;
    cluster.kill(third);
    expect_all(cluster.node(victim), 130);
}

#[test]
fn a_node_leaves_with_its_replicas_moved_and_its_data_deleted() {
    let mut cluster = Cluster::of(3, SHORT);
    cluster.settle();
    let refused = cluster.node(1).order(|r| r.decommission("node-1", false));
    assert!(matches!(&refused, Err(ClusterError::Refused(why)) if why.contains("2 nodes would stay")), "{refused:?}");
    let fourth = cluster.add();
    let node = cluster.node(fourth);
    until("the fourth is a full member", || matches!(node.replication.own_state(), OwnState::Member(MemberState::Up)));
    node.create(GROUP, node.session(1), QUEUE);
    publish(node, 2, 1..=50);
    let leaver = cluster.leader(GROUP);
    let name = cluster.name(leaver).to_owned();
    let other = (0..4).find(|at| *at != leaver).unwrap();
    cluster.node(other).order(|r| r.decommission(&name, false)).unwrap();
    let staying: Vec<NodeId> =
        cluster.nodes().map(|node| node.id).filter(|id| *id != cluster.node(leaver).id).collect();
    until_placed(cluster.node(other), &staying);
    until("it knows that it is gone", || cluster.node(leaver).replication.own_state() == OwnState::Gone);
    until("its data is gone", || cluster.on_disk_of(leaver, GROUP) == storage::GroupState::default());
    publish(cluster.node(other), 3, 1..=1);
    cluster.kill(leaver);
    let stats = cluster.node(other).stats(GROUP, QUEUE);
    assert_eq!(stats.enqueued, 51);
}

#[test]
fn a_node_that_is_down_is_forgotten_and_refused_when_it_comes_back() {
    let mut cluster = Cluster::of(3, Checkpoints::default());
    cluster.settle();
    let refused = cluster.node(0).order(|r| r.forget("node-3"));
    assert_eq!(refused, Err(ClusterError::IsUp("node-3".to_owned())));
    assert_eq!(cluster.node(0).order(|r| r.forget("nobody")), Err(ClusterError::NoSuchNode("nobody".to_owned())));
    let ids = [0, 1].map(|at| cluster.node(at).id);
    cluster.kill(2);
    until("it is known to be down", || !cluster.node(0).replication.is_live(NodeId(3)));
    until_forgotten(cluster.node(0), "node-3");
    until_placed(cluster.node(1), &ids);
    until("it is forgotten", || cluster.node(1).replication.cluster_status().nodes.len() == 2);
    cluster.revive(2, crate::cluster::TIMERS);
    until("it is told", || cluster.node(2).replication.own_state() == OwnState::Gone);
}

#[test]
fn a_drained_node_leads_nothing_until_it_is_to_serve_again() {
    let cluster = Cluster::of(3, Checkpoints::default());
    cluster.settle();
    let leads = |id| cluster.node(0).replication.status().iter().filter(|group| group.leader == Some(id)).count();
    let id = cluster.node(1).id;
    until("it leads its share", || leads(id) > 0);
    let done = cluster.node(2).order(|r| r.drain("node-2")).unwrap();
    assert!(done.contains("drained"), "{done}");
    assert_eq!(cluster.node(1).replication.own_state(), OwnState::Member(MemberState::Draining));
    until("it leads nothing", || leads(id) == 0);
    cluster.node(2).order(|r| r.undrain("node-2")).unwrap();
    until("it leads its share again", || leads(id) > 0);
}

#[test]
fn an_operator_moves_a_leader_and_lets_it_go_back() {
    let cluster = Cluster::of(3, Checkpoints::default());
    cluster.settle();
    let node = cluster.node(0);
    for name in ["node-1", "node-2", "node-3"] {
        let done = node.order(|r| r.transfer_leader(GROUP, name)).unwrap();
        assert_eq!(done, format!("node {name} leads group 1"));
    }
    let refused = node.order(|r| r.transfer_leader(GroupId(99), "node-1"));
    assert!(matches!(&refused, Err(ClusterError::Refused(_))), "{refused:?}");
    until("leaders are where they were", || {
        node.order(|r| r.rebalance()).unwrap().starts_with("every node leads its share")
    });
}

#[test]
fn a_survivor_goes_on_alone_and_nobody_of_the_lost_majority_is_taken_for_a_member() {
    let mut cluster = Cluster::of(3, SHORT);
    cluster.settle();
    let node = cluster.node(0);
    node.create(GROUP, node.session(1), QUEUE);
    publish(node, 2, 1..=60);
    until("the survivor has everything", || cluster.node(2).stats(GROUP, QUEUE).enqueued == 60);
    (0..3).for_each(|at| cluster.kill(at));
    let recovered = cluster.recover(2);
    assert_eq!((recovered.kept.len(), recovered.emptied.len()), (4, 0));
    cluster.revive(2, crate::cluster::TIMERS);
    cluster.leader(GROUP);
    cluster.revive(0, crate::cluster::TIMERS);
    let survivor = cluster.node(2);
    until_forgotten(survivor, "node-1");
    until_forgotten(survivor, "node-2");
    until_placed(survivor, &[survivor.id]);
    until("the others are forgotten", || survivor.replication.cluster_status().nodes.len() == 1);
    assert!(!survivor.replication.is_live(cluster.node(0).id), "it belongs to another cluster");
    publish(survivor, 3, 61..=61);
    expect_all(survivor, 61);
}
