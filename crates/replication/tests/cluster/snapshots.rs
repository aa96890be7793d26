//! Followers that were away for longer than the log reaches back are caught up by a snapshot, while others go on publishing.

use std::time::Duration;

use replication::{AlarmKind, Checkpoints, ChunkReplies};
use types::GroupId;

use crate::{
    cluster::{Cluster, QUEUE, TIMERS},
    gate::Gate,
    recorder::{DEADLINE, until},
};

const GROUP: GroupId = GroupId(1);
/// Short logs: a hundred entries are too many to be sent.
const SHORT: Checkpoints = Checkpoints {
    entries: 20,
    bytes: 1 << 30,
    age: Duration::from_millis(300),
    lag_entries_max: 50,
    lag_bytes_max: 1 << 30,
};

/// A cluster in which one node is away, and somebody publishes through another that does not lead.
struct Behind {
    cluster: Cluster,
    /// Neither it nor the publishing node led the group at the start.
    away: usize,
    publishing: usize,
    published: u64,
}

impl Behind {
    fn new() -> Self {
        let cluster = Cluster::in_memory_with(SHORT);
        cluster.settle();
        let leader = cluster.leader(GROUP);
        let (away, publishing) = ((leader + 1) % 3, (leader + 2) % 3);
        let node = cluster.node(publishing);
        node.create(GROUP, node.session(1), QUEUE);
        Behind { cluster, away, publishing, published: 0 }
    }

    /// Publishes one message per entry, and waits until all are answered.
    fn publish(&mut self, count: u64) {
        let node = self.cluster.node(self.publishing);
        let session = node.session(2);
        for _ in 0..count {
            self.published += 1;
            node.publish(GROUP, session, self.published, QUEUE, &[format!("{} {}", self.published, "x".repeat(500))]);
            let answers = node.recorder.answers(session, GROUP, usize::try_from(self.published).unwrap());
            assert!(answers.iter().all(|(_, replies)| *replies != ChunkReplies::Unavailable));
        }
    }

    /// Publishes until the log at the leader begins after everything that `away` can have.
    fn publish_past(&mut self, index: u64) {
        let start = std::time::Instant::now();
        while self.first_index() <= index + 1 {
            assert!(start.elapsed() < DEADLINE, "the log is not purged");
            self.publish(20);
        }
    }

    /// Where the log begins on the node that publishes or the one that led, whichever keeps more.
    fn first_index(&self) -> u64 {
        let others = (0..3).filter(|at| *at != self.away && self.cluster.is_there(*at));
        others.map(|at| first_index(self.cluster.gate(at))).min().unwrap()
    }

    fn last_index(&self, at: usize) -> u64 {
        use storage::LogStore;
        self.cluster.gate(at).recover(GROUP).unwrap().last.map_or(0, |last| last.index)
    }

    /// The node goes away, and what it has not is purged.
    fn leave_behind(&mut self) {
        self.publish(30);
        self.cluster.kill(self.away);
        let last = self.last_index(self.away);
        self.publish_past(last);
    }

    fn caught_up(&self) {
        until("the node has what was published", || {
            let stats = self.cluster.node(self.away).stats(GROUP, QUEUE);
            stats.enqueued == self.published
        });
    }

    /// It was caught up by a snapshot: its machine has it a moment before its disk is told.
    fn installed_since(&self, before: usize) {
        until("a snapshot is on the node's disk", || self.cluster.gate(self.away).installed() > before);
    }
}

fn first_index(gate: &Gate) -> u64 {
    use storage::LogStore;
    gate.recover(GROUP).unwrap().first_index.unwrap_or(0)
}

#[test]
fn a_follower_behind_the_log_is_caught_up_by_a_snapshot_while_others_publish() {
    let mut behind = Behind::new();
    behind.leave_behind();
    let away = behind.away;
    let before = behind.cluster.gate(away).installed();
    behind.cluster.revive(away, TIMERS);
    behind.publish(100);
    behind.caught_up();
    behind.installed_since(before);
    behind.publish(10);
    behind.caught_up();
}

#[test]
fn a_snapshot_that_is_old_when_it_has_come_is_followed_by_another() {
    let mut behind = Behind::new();
    behind.leave_behind();
    let away = behind.away;
    behind.cluster.gate(away).set_full(true);
    behind.cluster.revive(away, TIMERS);
    behind.publish(10);
    // What the snapshot on its way will be followed by is gone before it is there.
    let last = behind.last_index(behind.publishing);
    behind.publish_past(last);
    behind.cluster.gate(away).set_full(false);
    behind.publish(100);
    behind.caught_up();
}

#[test]
fn a_leader_that_is_killed_while_it_sends_a_snapshot_is_replaced_by_one_that_sends_another() {
    let mut behind = Behind::new();
    behind.leave_behind();
    let away = behind.away;
    behind.cluster.gate(away).set_full(true);
    behind.cluster.revive(away, TIMERS);
    behind.cluster.settle();
    behind.publish(5);
    let leader = behind.cluster.leader(GROUP);
    assert_ne!(leader, away);
    if leader == behind.publishing {
        // The publisher's node led: then the other one goes on publishing.
        behind.cluster.gate(away).set_full(false);
        behind.caught_up();
        return;
    }
    behind.cluster.kill(leader);
    behind.cluster.gate(away).set_full(false);
    behind.publish(20);
    behind.caught_up();
    behind.cluster.revive(leader, TIMERS);
    behind.publish(20);
    behind.caught_up();
    until("the killed leader has it all", || {
        behind.cluster.node(leader).stats(GROUP, QUEUE).enqueued == behind.published
    });
}

#[test]
fn a_node_short_of_disk_takes_no_snapshot_and_catches_up_when_there_is_room_again() {
    let mut behind = Behind::new();
    behind.leave_behind();
    let away = behind.away;
    behind.cluster.gate(away).set_full(true);
    behind.cluster.revive(away, TIMERS);
    let before = behind.cluster.gate(away).installed();
    behind.cluster.node(away).replication.set_local_alarm(AlarmKind::Disk, true);
    behind.cluster.gate(away).set_full(false);
    behind.publish(60);
    assert_eq!(behind.cluster.gate(away).installed(), before);
    assert!(behind.cluster.node(away).stats(GROUP, QUEUE).enqueued < behind.published);
    behind.cluster.node(away).replication.set_local_alarm(AlarmKind::Disk, false);
    behind.publish(10);
    behind.caught_up();
    behind.installed_since(before);
}

#[test]
fn consumers_that_come_and_go_do_not_make_the_log_grow() {
    let mut behind = Behind::new();
    behind.publish(1);
    let node = behind.cluster.node(behind.publishing);
    for number in 0..400 {
        let session = node.session(100 + number);
        let options = queue::ConsumerOptions::default();
        node.submit(GROUP, session, 1, vec![queue::Command::Attach { queue: QUEUE, number: 1, options }]);
        node.submit(GROUP, session, 2, vec![queue::Command::CloseSession]);
        node.recorder.answers(session, GROUP, 2);
    }
    until("the logs are short", || {
        (0..3).all(|at| {
            let kept = behind.last_index(at).saturating_sub(first_index(behind.cluster.gate(at)));
            kept <= SHORT.lag_entries_max + SHORT.entries
        })
    });
}

#[test]
fn a_replica_that_has_failed_is_told_of_by_all_nodes_until_its_node_is_started_again() {
    let mut behind = Behind::new();
    let failing = behind.away;
    let name = behind.cluster.name(failing).to_owned();
    let told = |cluster: &Cluster| {
        let says =
            |waiting: Option<String>| waiting.is_some_and(|why| why.contains(&format!("group {GROUP} on {name}")));
        cluster.nodes().map(|node| says(node.replication.cluster_status().waiting)).collect::<Vec<_>>()
    };
    assert_eq!(told(&behind.cluster), [false; 3]);
    behind.cluster.gate(failing).fail_checkpoints(true);
    behind.publish(SHORT.entries + 5);
    until("all know that the replica has failed", || told(&behind.cluster) == [true; 3]);
    behind.publish(10);

    behind.cluster.kill(failing);
    behind.cluster.gate(failing).fail_checkpoints(false);
    behind.cluster.revive(failing, TIMERS);
    until("it is of use again", || told(&behind.cluster) == [false; 3]);
    let published = behind.published;
    until("it has what the others have", || behind.cluster.node(failing).stats(GROUP, QUEUE).enqueued == published);
}
