//! Time passes in the group of whoever leads; queues end by it, and whoever keeps metadata is told.

use metadata::{Command as Change, ConnectionId, DeclareQueue, Home, PutPolicy, PutVhost, Reply as Changed};
use queue::{Command, EndReason, QueueConfig, QueueEnded};
use replication::{Answer, ChunkReplies};
use types::{FieldTable, FieldValue, GroupId, QueueId, ShortStr};

use crate::{
    cluster::{Cluster, Node, QUEUE},
    recorder::until,
};

const GROUP: GroupId = GroupId(1);
const EXPIRED: QueueEnded = QueueEnded { queue: QUEUE, reason: EndReason::Expired };

/// Makes a queue that nobody uses.
fn create_expiring(node: &Node, group: GroupId, expires_ms: u64) {
    let config = QueueConfig { expires_ms: Some(expires_ms), ..QueueConfig::default() };
    node.submit(group, node.session(1), 0, vec![Command::CreateQueue { queue: QUEUE, config }]);
    node.recorder.answers(node.session(1), group, 1);
}

fn name(text: &str) -> ShortStr {
    ShortStr::copy_from(text).unwrap()
}

fn wait_for_end(node: &Node, group: GroupId, ended: QueueEnded) {
    node.recorder.wait("the end of the queue", |told| told.ended.contains(&(group, ended)).then_some(()));
}

#[test]
fn a_queue_that_is_not_used_expires_and_its_leaders_node_is_told() {
    let cluster = Cluster::in_memory();
    cluster.settle();
    let leader = cluster.leader(GROUP);
    create_expiring(cluster.node((leader + 1) % 3), GROUP, 300);
    wait_for_end(cluster.node(leader), GROUP, EXPIRED);
}

#[test]
fn a_queue_expires_though_its_leader_was_killed_meanwhile() {
    let mut cluster = Cluster::in_memory();
    cluster.settle();
    let victim = cluster.leader(GROUP);
    create_expiring(cluster.node((victim + 1) % 3), GROUP, 2500);
    cluster.kill(victim);
    let leader = cluster.leader(GROUP);
    wait_for_end(cluster.node(leader), GROUP, EXPIRED);
}

#[test]
fn a_queue_in_a_nodes_memory_expires() {
    let cluster = Cluster::in_memory();
    let (owner, other) = (cluster.node(0), cluster.node(1));
    let group = GroupId::local(owner.id);
    create_expiring(other, group, 200);
    wait_for_end(owner, group, EXPIRED);
}

fn declare(node: &Node, group: GroupId) -> QueueId {
    node.propose(Change::PutVhost(PutVhost { vhost: name("/"), ..PutVhost::default() }));
    let declare = DeclareQueue {
        vhost: name("/"),
        name: name("q"),
        default_type: None,
        server_named: false,
        durable: true,
        auto_delete: false,
        exclusive: false,
        arguments: FieldTable::default(),
        connection: ConnectionId { node: node.id, serial: 1 },
        home: Home { node: node.id, boot: 1 },
        group,
    };
    match node.propose(Change::DeclareQueue(declare)) {
        Changed::Queue { queue, .. } => queue,
        other => panic!("{other:?}"),
    }
}

fn put_policy(node: &Node, expires_ms: i32) {
    let mut definition = FieldTable::default();
    definition.push(name("expires"), FieldValue::I32(expires_ms));
    node.propose(Change::PutPolicy(PutPolicy {
        vhost: name("/"),
        name: name("p"),
        pattern: ".*".to_owned(),
        priority: 0,
        apply_to: name("queues"),
        definition,
        operator: false,
    }));
}

/// Creates the queue anew, and returns what that was answered.
fn create(node: &Node, group: GroupId, token: u64, queue: QueueId) -> Answer {
    let session = node.session(9);
    node.submit(group, session, token, vec![Command::CreateQueue { queue, config: QueueConfig::default() }]);
    let answers = node.recorder.answers(session, group, usize::try_from(token).unwrap());
    match &answers.last().unwrap().1 {
        ChunkReplies::Applied(answers) => answers[0].clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_policy_makes_a_queue_expire_which_is_told_until_metadata_has_forgotten_it_also_by_a_new_leader() {
    let mut cluster = Cluster::in_memory();
    cluster.settle();
    let victim = cluster.leader(GROUP);
    let node = cluster.node((victim + 1) % 3);
    let queue = declare(node, GROUP);
    let existed = Answer::Reply(queue::Reply::Done);
    assert_eq!(create(node, GROUP, 1, queue), existed);
    put_policy(node, 200);
    let ended = QueueEnded { queue, reason: EndReason::Expired };
    wait_for_end(cluster.node(victim), GROUP, ended);
    cluster.kill(victim);
    let leader = cluster.leader(GROUP);
    wait_for_end(cluster.node(leader), GROUP, ended);
    let node = cluster.node((victim + 1) % 3);
    let refused = Answer::Reply(queue::Reply::Refused(queue::Refusal::NoSuchQueue));
    assert_eq!(create(node, GROUP, 2, queue), refused, "an id is used once");
    node.propose(Change::DeleteQueue { queue });
    let mut token = 2;
    until("the machine has forgotten the queue", || {
        token += 1;
        create(node, GROUP, token, queue) == existed
    });
}

#[test]
fn a_policy_reaches_a_queue_in_a_nodes_memory() {
    let cluster = Cluster::in_memory();
    cluster.settle();
    let owner = cluster.node(0);
    let group = GroupId::local(owner.id);
    let queue = declare(owner, group);
    owner.submit(group, owner.session(1), 1, vec![Command::CreateQueue { queue, config: QueueConfig::default() }]);
    owner.recorder.answers(owner.session(1), group, 1);
    put_policy(cluster.node(1), 200);
    wait_for_end(owner, group, QueueEnded { queue, reason: EndReason::Expired });
}
