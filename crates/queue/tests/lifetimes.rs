//! How long queues live.
#![allow(clippy::unwrap_used, reason = "tests")]

use queue::{Command, EndReason, QueueConfig, QueueEnded, Refusal, Reply, SlotRange};
use types::Timestamp;

#[path = "support/group.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "shared by tests only"
)]
mod group;

use group::*;

fn auto_delete() -> QueueConfig {
    QueueConfig { auto_delete: true, ..QueueConfig::default() }
}

fn expires(ms: u64) -> QueueConfig {
    QueueConfig { expires_ms: Some(ms), ..QueueConfig::default() }
}

fn ended(reason: EndReason) -> Vec<QueueEnded> {
    vec![QueueEnded { queue: QUEUE, reason }]
}

const DETACH: fn(u32) -> Command = |number| Command::Detach { queue: QUEUE, number };

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer_and_never_before_it_had_one() {
    let mut group = Group::with(auto_delete());
    let index = group.publish(2);
    assert_eq!(group.act(DETACH(7)).0, Reply::Detached { consumers: 0, queue_ended: false });
    group.run(attach(1, prefetch(1)));
    group.run(attach(2, prefetch(1)));
    assert_eq!(group.run(DETACH(1)), Reply::Detached { consumers: 1, queue_ended: false });
    let (reply, out) = group.act(DETACH(2));
    assert_eq!(reply, Reply::Detached { consumers: 0, queue_ended: true });
    assert_eq!((out.ended, out.dead), (ended(EndReason::LastConsumer), vec![index]), "what was held goes too");
    assert_eq!(group.machine.queues().collect::<Vec<_>>(), [OTHER]);
    assert_eq!(group.machine.ended().collect::<Vec<_>>(), [QUEUE]);
    assert_eq!(group.run(Command::Inspect { queue: QUEUE }), Reply::Refused(Refusal::NoSuchQueue));
}

#[test]
fn an_auto_delete_queue_goes_when_the_session_of_its_last_consumer_closes() {
    for over in [Command::CloseSession, Command::NodeDown { node: me().node, boot: 1, sessions_up_to: 1 }] {
        let mut group = Group::with(auto_delete());
        group.publish(2);
        group.run(attach(1, prefetch(1)));
        group.run(attach(2, prefetch(1)));
        let (_, out) = group.act(over);
        assert_eq!(out.ended, ended(EndReason::LastConsumer));
        assert_eq!((out.cancelled, group.machine.nodes()), (vec![], vec![]));
    }
}

#[test]
fn closing_a_session_without_consumers_leaves_an_auto_delete_queue() {
    let mut group = Group::with(auto_delete());
    group.publish(1);
    group.run(Command::Get { queue: QUEUE, no_ack: false });
    group.run(Command::CloseSession);
    assert_eq!(group.ready(QUEUE), 1);
}

#[test]
fn a_queue_that_is_not_in_use_expires() {
    let mut group = Group::with(expires(100));
    assert_eq!(group.machine.next_deadline(), Some(Timestamp(1100)));
    assert_eq!(group.wait(99).ended, []);
    let out = group.wait(1);
    assert_eq!(out.ended, ended(EndReason::Expired));
    assert_eq!(group.machine.next_deadline(), None);
}

#[test]
fn fetching_touching_and_new_settings_renew_the_life_of_a_queue() {
    let mut group = Group::with(expires(100));
    let uses = [
        Command::Get { queue: QUEUE, no_ack: true },
        Command::Touch { queue: QUEUE },
        Command::ConfigureQueue { queue: QUEUE, config: expires(101) },
    ];
    for command in uses {
        group.now += 99;
        assert_ne!(group.run(command), Reply::Refused(Refusal::NoSuchQueue));
    }
    assert_eq!(group.wait(100).ended, []);
    assert_eq!(group.wait(1).ended, ended(EndReason::Expired));
}

#[test]
fn a_queue_with_consumers_does_not_expire() {
    let mut group = Group::with(expires(100));
    group.run(attach(1, prefetch(1)));
    assert_eq!(group.wait(1000).ended, []);
    assert_eq!(group.machine.next_deadline(), None, "the tick has noticed the consumer");
    group.run(DETACH(1));
    assert_eq!(group.machine.next_deadline(), Some(Timestamp(group.now + 100)));
    assert_eq!(group.wait(100).ended, ended(EndReason::Expired));
}

#[test]
fn a_queue_whose_time_is_over_is_not_seen_by_any_command() {
    let commands = [
        Command::Inspect { queue: QUEUE },
        Command::CreateQueue { queue: QUEUE, config: QueueConfig::default() },
        Command::DeleteQueue { queue: QUEUE, if_unused: false, if_empty: false },
        attach(1, prefetch(1)),
        Command::Purge { queue: QUEUE },
    ];
    for command in commands {
        let mut group = Group::with(expires(100));
        group.now += 100;
        let (reply, out) = group.act(command);
        assert_eq!((reply, out.ended), (Reply::Refused(Refusal::NoSuchQueue), ended(EndReason::Expired)));
    }
    let mut group = Group::with(expires(100));
    group.now += 100;
    let (reply, out) = group.act(publish(&[QUEUE], 1));
    let missing = vec![SlotRange { first: 0, count: 1 }];
    assert_eq!((reply, out.dead), (Reply::NotTaken { rejected: vec![], missing }, vec![group.index]));
}

#[test]
fn a_tick_does_a_bounded_part_and_the_rest_is_due_at_once() {
    let mut group = Group::new();
    let create = |queue| Command::CreateQueue { queue: types::QueueId(queue), config: expires(100) };
    group.batch(me(), (10..15_010).map(create).collect());
    assert_eq!(group.wait(100).ended.len(), 10_000);
    assert_eq!(group.machine.next_deadline(), Some(Timestamp(1100)));
    assert_eq!(group.wait(0).ended.len(), 5_000);
}
