//! Snapshots carry everything that a replica needs, bodies included.

use std::time::Duration;

use queue::ConsumerOptions;
use replication::Checkpoints;
use types::GroupId;

use crate::{
    cluster::{Cluster, QUEUE, TIMERS},
    consumers::{attach, consume},
    recorder::until,
};

const GROUP: GroupId = GroupId(1);
const MESSAGES: u64 = 150;

/// Logs that are cut soon.
pub(crate) const SHORT: Checkpoints = Checkpoints {
    entries: 20,
    bytes: 1 << 30,
    age: Duration::from_secs(300),
    lag_entries_max: 10,
    lag_bytes_max: 1 << 30,
};

#[test]
fn a_replica_that_missed_more_than_the_log_holds_can_deliver_what_it_got_by_snapshot() {
    let mut cluster = Cluster::of(3, SHORT);
    cluster.settle();
    let leader = cluster.leader(GROUP);
    let late = (leader + 1) % 3;
    let node = cluster.node(leader);
    node.create(GROUP, node.session(1), QUEUE);
    cluster.kill(late);
    let node = cluster.node(leader);
    let session = node.session(2);
    let bodies: Vec<String> = (1..=MESSAGES).map(|token| format!("body {token}")).collect();
    for (token, body) in (1..).zip(&bodies) {
        node.publish(GROUP, session, token, QUEUE, std::slice::from_ref(body));
        // Each is an entry of its own.
        node.recorder.answers(session, GROUP, usize::try_from(token).unwrap());
    }
    let missed = cluster.on_disk_of(late, GROUP).last.map_or(0, |last| last.index);
    until("the leader's log begins after what the other has", || {
        cluster.on_disk_of(leader, GROUP).first_index.is_some_and(|first| first > missed + 1)
    });
    cluster.revive(late, TIMERS);
    until("the replica that was away has everything", || cluster.node(late).stats(GROUP, QUEUE).enqueued == MESSAGES);
    // Its machine has it a moment before its disk is told. (Recovering its disk to look would drop bodies that came before the snapshot.)
    until("it got a snapshot", || cluster.gate(late).installed() > 0);
    let name = cluster.name(late).to_owned();
    until("the late replica leads", || {
        cluster.node(late).order(|r| r.transfer_leader(GROUP, &name)).unwrap();
        cluster.leader(GROUP) == late
    });
    let late = cluster.node(late);
    let options = ConsumerOptions { prefetch: 20, ..ConsumerOptions::default() };
    let consumer = attach(late, GROUP, 3, options);
    assert_eq!(consume(late, GROUP, consumer, bodies.len()), bodies);
}
