//! Messages that may not be delivered yet.
#![allow(clippy::unwrap_used, reason = "tests")]

use queue::{
    Command, Delay, DelayedRetry, Delivered, Enqueue, EnqueueOptions, EnqueueRun, Outcome, Overflow, QueueConfig,
    Reply, RetryKind,
};
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

/// One message for each of the wishes.
fn wishing(wishes: &[EnqueueOptions]) -> Command {
    let run = |(first_slot, options): (u32, &EnqueueOptions)| EnqueueRun {
        queue: QUEUE,
        first_slot,
        count: 1,
        options: *options,
    };
    let runs = (0..).zip(wishes).map(run).collect();
    Command::Enqueue(Enqueue { first_slot: 0, sizes: vec![10; wishes.len()], runs, source: None })
}

fn after(ms: u64) -> EnqueueOptions {
    EnqueueOptions { delay: Delay::For(ms), ..EnqueueOptions::default() }
}

fn slots(out: &Outcome) -> Vec<u32> {
    let messages = out.deliveries.iter().flat_map(|delivery| &delivery.messages);
    messages.map(|message| message.message.slot).collect()
}

fn retry(kind: RetryKind) -> QueueConfig {
    let delayed_retry = Some(DelayedRetry { kind, min_ms: 100, max_ms: Some(250) });
    QueueConfig { delayed_retry, ..QueueConfig::default() }
}

#[test]
fn delayed_messages_come_when_they_are_due_and_in_that_order() {
    let mut group = Group::new();
    group.run(attach(1, prefetch(99)));
    let at = |ms| EnqueueOptions { delay: Delay::Until(Timestamp(ms)), ..EnqueueOptions::default() };
    let (_, out) = group.act(wishing(&[after(200), after(100), at(1100), at(900), after(0), at(1200)]));
    assert_eq!(slots(&out), [3, 4], "what is due already is not delayed");
    let stats = group.machine.stats(QUEUE).unwrap();
    assert_eq!((stats.ready, stats.delayed, stats.delayed_bytes), (0, 4, 40));
    assert_eq!(group.machine.next_deadline(), Some(Timestamp(1100)));
    assert_eq!(slots(&group.wait(99)), [0; 0]);
    assert_eq!(slots(&group.wait(1)), [1, 2]);
    assert_eq!(slots(&group.wait(500)), [0, 5]);
    assert_eq!(group.machine.next_deadline(), None);
}

#[test]
fn delayed_messages_go_to_the_tail() {
    let mut group = Group::new();
    group.run(wishing(&[after(100), EnqueueOptions::default()]));
    group.now += 100;
    group.publish(1);
    let index = group.index;
    let (_, out) = group.act(attach(1, prefetch(9)));
    assert_eq!(out.deliveries[0].messages, [fresh(index - 1, 1), fresh(index - 1, 0), fresh(index, 0)]);
}

#[test]
fn the_time_to_live_of_a_delayed_message_starts_when_it_is_due() {
    let mut group = Group::with(QueueConfig { message_ttl_ms: Some(80), ..QueueConfig::default() });
    group.run(wishing(&[after(100), EnqueueOptions { ttl_ms: Some(50), ..after(100) }]));
    group.wait(149);
    assert_eq!(group.ready(QUEUE), 2);
    group.wait(1);
    assert_eq!(group.ready(QUEUE), 1);
    group.wait(30);
    assert_eq!(group.machine.stats(QUEUE).unwrap().expired, 2);
}

#[test]
fn a_delayed_message_without_any_time_is_taken_when_it_is_due_or_never() {
    let mut group = Group::new();
    let wish = EnqueueOptions { ttl_ms: Some(0), ..after(100) };
    group.run(wishing(&[wish, wish]));
    group.run(attach(1, prefetch(1)));
    let out = group.wait(100);
    assert_eq!((slots(&out), group.machine.stats(QUEUE).unwrap().expired), (vec![0], 1));
}

#[test]
fn delayed_messages_are_not_seen_but_by_who_deletes_an_empty_queue() {
    let mut group = Group::new();
    group.run(wishing(&[after(100)]));
    let index = group.index;
    assert_eq!(group.run(Command::Purge { queue: QUEUE }), Reply::Purged { messages: 0 });
    assert_eq!(group.run(Command::Get { queue: QUEUE, no_ack: true }), Reply::Empty);
    let delete = |if_empty| Command::DeleteQueue { queue: QUEUE, if_unused: false, if_empty };
    assert!(matches!(group.run(delete(true)), Reply::Refused(_)));
    assert_eq!(group.act(delete(false)).1.dead, [index]);
}

#[test]
fn delayed_messages_count_against_limits_when_they_are_due() {
    let mut group = Group::with(QueueConfig { max_length: Some(2), ..QueueConfig::default() });
    group.run(wishing(&[after(100), after(100), after(100)]));
    group.publish(2);
    group.wait(100);
    assert_eq!((group.ready(QUEUE), group.machine.stats(QUEUE).unwrap().dropped), (2, 3));
    let overflow = Overflow::RejectPublish;
    let mut group = Group::with(QueueConfig { max_length: Some(2), overflow, ..QueueConfig::default() });
    assert_eq!(group.run(wishing(&[after(100), after(100), after(100)])), Reply::Done);
    group.wait(100);
    assert_eq!(group.ready(QUEUE), 3, "what was taken in is not rejected any more");
}

#[test]
fn a_tick_lets_in_a_bounded_number() {
    let mut group = Group::new();
    let run = EnqueueRun { queue: QUEUE, count: 12_000, options: after(100), ..EnqueueRun::default() };
    group.run(Command::Enqueue(Enqueue { sizes: vec![1; 12_000], runs: vec![run], ..Enqueue::default() }));
    group.wait(100);
    assert_eq!(group.ready(QUEUE), 9_999, "looking at a queue counts too");
    group.wait(0);
    assert_eq!(group.ready(QUEUE), 12_000);
}

#[test]
fn returned_messages_can_wait_longer_with_each_failure() {
    let mut group = Group::with(retry(RetryKind::Failed));
    let index = group.publish(1);
    group.run(attach(1, prefetch(1)));
    for (seq, ms) in [(1, 100), (2, 200), (3, 250)] {
        group.run(give_back(1, seq, seq, true));
        assert_eq!(slots(&group.wait(ms - 1)), [0; 0]);
        let out = group.wait(1);
        let count = u32::try_from(seq).unwrap();
        assert_eq!(out.deliveries[0].messages, [again(index, 0, count)]);
    }
    let (_, out) = group.act(give_back(1, 4, 4, false));
    assert_eq!(slots(&out), [0], "this one did not fail");
}

#[test]
fn messages_that_waited_go_to_their_place() {
    let mut group = Group::with(retry(RetryKind::Returned));
    let index = group.publish(3);
    group.run(attach(1, prefetch(2)));
    group.run(Command::Detach { queue: QUEUE, number: 1 });
    group.run(give_back(1, 1, 1, false));
    group.run(give_back(1, 2, 2, true));
    assert_eq!(group.ready(QUEUE), 2);
    group.wait(100);
    let (_, out) = group.act(attach(2, prefetch(9)));
    assert_eq!(out.deliveries[0].messages, [again(index, 0, 0), again(index, 1, 1), fresh(index, 2)]);
}

#[test]
fn a_message_that_waits_still_expires() {
    let mut group = Group::with(QueueConfig { message_ttl_ms: Some(60), ..retry(RetryKind::All) });
    group.publish(1);
    group.run(attach(1, prefetch(1)));
    group.run(give_back(1, 1, 1, true));
    let out = group.wait(60);
    assert_eq!((slots(&out), group.machine.stats(QUEUE).unwrap().expired), (vec![], 1));
}

#[test]
fn a_million_delayed_messages_are_no_burden() {
    let mut group = Group::new();
    let run = |ms| EnqueueRun { queue: QUEUE, count: 1000, options: after(ms), ..EnqueueRun::default() };
    let mut out = Outcome::default();
    for entry in 0..1000 {
        group.index += 1;
        let runs = vec![run(1000 + entry * 7919 % 1000)];
        let command = Command::Enqueue(Enqueue { sizes: vec![1; 1000], runs, ..Enqueue::default() });
        let at = queue::At { index: group.index, proposed_at: Timestamp(1000) };
        group.machine.apply_entry(at, &[chunk(me(), vec![command])], &mut out);
    }
    assert_eq!(group.machine.stats(QUEUE).unwrap().delayed, 1_000_000);
    group.now += 1000;
    let (_, out) = group.act(attach(1, prefetch(9)));
    let due: Vec<&Delivered> = out.deliveries[0].messages.iter().collect();
    assert_eq!((due.len(), group.ready(QUEUE)), (9, 991));
}
