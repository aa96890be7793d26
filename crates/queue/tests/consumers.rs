//! Who gets messages: priorities of consumers, the single active one, consumers that hold messages for too long.
#![allow(clippy::unwrap_used, reason = "tests")]

use queue::{CancelReason, Cancelled, Command, ConsumerOptions, Outcome, QueueConfig, Refusal, Reply};
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

fn at_priority(priority: i64, limit: u32) -> ConsumerOptions {
    ConsumerOptions { priority, ..prefetch(limit) }
}

fn single() -> Group {
    Group::with(QueueConfig { single_active_consumer: true, ..QueueConfig::default() })
}

fn detach(number: u32) -> Command {
    Command::Detach { queue: QUEUE, number }
}

/// Numbers of the consumers that were given something, with how much.
fn given(out: &Outcome) -> Vec<(u32, usize)> {
    out.deliveries.iter().map(|delivery| (delivery.consumer.number, delivery.messages.len())).collect()
}

/// Numbers of the consumers that are active.
fn active(group: &Group) -> Vec<u32> {
    group.machine.consumers(QUEUE).filter(|consumer| consumer.active).map(|consumer| consumer.key.number).collect()
}

// Priorities

#[test]
fn consumers_of_higher_priority_come_first_as_long_as_they_have_capacity() {
    let mut group = Group::new();
    for (number, priority) in [(1, 0), (2, 5), (3, -1), (4, 5)] {
        group.run(attach(number, at_priority(priority, 2)));
    }
    let (_, out) = group.act(publish(&[QUEUE], 7));
    assert_eq!(given(&out), [(2, 2), (4, 2), (1, 2), (3, 1)]);
    let slots: Vec<_> = out.deliveries[0].messages.iter().map(|message| message.message.slot).collect();
    assert_eq!(slots, [0, 2], "in turn among those of one priority");
    group.run(settle(4, 1, 1));
    let (_, out) = group.act(publish(&[QUEUE], 2));
    assert_eq!(given(&out), [(4, 1), (3, 1)]);
}

#[test]
fn listing_tells_who_is_there_and_what_each_holds() {
    let mut group = Group::new();
    group.publish(3);
    group.run(attach(1, at_priority(7, 2)));
    group.run(detach(1));
    group.run(Command::Get { queue: QUEUE, no_ack: false });
    let listed: Vec<_> = group.machine.consumers(QUEUE).collect();
    assert_eq!((listed[0].key, listed[0].attached, listed[0].held), (consumer(0), false, 1));
    assert_eq!((listed[1].key, listed[1].options, listed[1].held), (consumer(1), at_priority(7, 2), 2));
    assert_eq!((listed.len(), listed[1].attached, listed[1].active), (2, false, false));
    assert_eq!(group.machine.consumers(GONE).count(), 0);
}

// The single active consumer

#[test]
fn a_single_active_consumer_gets_everything() {
    let mut group = single();
    group.run(attach(1, prefetch(2)));
    group.run(attach(2, prefetch(2)));
    let (_, out) = group.act(publish(&[QUEUE], 5));
    assert_eq!((given(&out), active(&group)), (vec![(1, 2)], vec![1]));
    assert_eq!(group.ready(QUEUE), 3);
    let get = Command::Get { queue: QUEUE, no_ack: false };
    assert_eq!(group.run(get), Reply::Refused(Refusal::SingleActiveConsumer));
}

#[test]
fn the_next_consumer_follows_at_once_when_the_active_one_goes() {
    let mut group = single();
    for number in [3, 1, 2] {
        group.run(attach(number, prefetch(1)));
    }
    group.publish(3);
    assert_eq!(active(&group), [3]);
    let (_, out) = group.act(detach(3));
    assert_eq!((given(&out), active(&group)), (vec![(1, 1)], vec![1]), "in the order in which they came");
    let (_, out) = group.act(settle(3, 1, 1));
    assert_eq!(given(&out), [], "what it held was still its own");
    group.act_as(session(2, 1), attach(1, prefetch(9)));
    let (_, out) = group.act(Command::CloseSession);
    assert_eq!(out.deliveries[0].consumer.session, session(2, 1));
    assert_eq!(out.deliveries[0].messages.len(), 2);
}

#[test]
fn a_consumer_of_higher_priority_takes_over_when_the_active_one_holds_nothing() {
    let mut group = single();
    group.run(attach(1, at_priority(0, 2)));
    group.publish(4);
    let (_, out) = group.act(attach(2, at_priority(1, 9)));
    assert_eq!((given(&out), active(&group)), (vec![], vec![1]));
    let (_, out) = group.act(settle(1, 1, 1));
    assert_eq!(given(&out), [], "the active one gets no more");
    let (_, out) = group.act(settle(1, 2, 2));
    assert_eq!((given(&out), active(&group)), (vec![(2, 2)], vec![2]));
    group.run(attach(3, at_priority(1, 9)));
    assert_eq!(active(&group), [2], "one of the same priority does not take over");
}

#[test]
fn what_a_consumer_returns_goes_to_the_one_that_takes_over() {
    let mut group = single();
    group.run(attach(1, at_priority(0, 2)));
    let index = group.publish(1);
    group.run(attach(2, at_priority(1, 9)));
    let (_, out) = group.act(give_back(1, 1, 1, true));
    assert_eq!((given(&out), &out.deliveries[0].messages[..]), (vec![(2, 1)], &[again(index, 0, 1)][..]));
}

#[test]
fn the_active_one_goes_on_when_the_one_of_higher_priority_goes() {
    let mut group = single();
    group.run(attach(1, prefetch(2)));
    group.publish(4);
    group.run(attach(2, at_priority(1, 9)));
    group.run(settle(1, 1, 1));
    let (_, out) = group.act(detach(2));
    assert_eq!((given(&out), active(&group)), (vec![(1, 1)], vec![1]));
}

#[test]
fn a_queue_can_begin_and_cease_to_have_a_single_active_consumer() {
    let mut group = Group::new();
    group.run(attach(1, prefetch(1)));
    group.run(attach(2, prefetch(1)));
    let config = |single_active_consumer| QueueConfig { single_active_consumer, ..QueueConfig::default() };
    group.run(Command::ConfigureQueue { queue: QUEUE, config: config(true) });
    let (_, out) = group.act(publish(&[QUEUE], 2));
    assert_eq!((given(&out), active(&group)), (vec![(1, 1)], vec![1]));
    let (_, out) = group.act(Command::ConfigureQueue { queue: QUEUE, config: config(false) });
    assert_eq!((given(&out), active(&group)), (vec![(2, 1)], vec![1, 2]));
}

// Time

fn hasty(ms: u64) -> ConsumerOptions {
    ConsumerOptions { timeout_ms: Some(ms), ..prefetch(2) }
}

#[test]
fn a_consumer_that_holds_a_message_for_too_long_is_cancelled_and_its_messages_return() {
    let mut group = Group::new();
    let index = group.publish(2);
    group.run(attach(1, hasty(100)));
    assert_eq!(group.machine.next_deadline(), Some(Timestamp(1100)));
    assert_eq!(group.wait(99).cancelled, []);
    let out = group.wait(1);
    let reason = CancelReason::Timeout { after_ms: 100 };
    assert_eq!(out.cancelled, [Cancelled { consumer: consumer(1), queue: QUEUE, reason }]);
    assert_eq!((group.machine.nodes(), group.machine.next_deadline()), (vec![], None));
    let (_, out) = group.act(attach(2, prefetch(9)));
    assert_eq!(out.deliveries[0].messages, [again(index, 0, 0), again(index, 1, 0)], "that was no failure");
}

#[test]
fn time_counts_for_the_oldest_message_that_is_held() {
    let mut group = Group::new();
    group.run(attach(1, hasty(100)));
    group.publish(1);
    group.now += 60;
    group.publish(1);
    group.now += 30;
    group.run(settle(1, 1, 1));
    assert_eq!(group.wait(10).cancelled, []);
    assert_eq!(group.machine.next_deadline(), Some(Timestamp(1160)));
    group.now += 59;
    group.run(settle(1, 2, 2));
    assert_eq!(group.wait(1000).cancelled, []);
    assert_eq!(group.machine.next_deadline(), None);
}

#[test]
fn a_queue_works_on_when_all_its_consumers_were_too_slow() {
    let mut group = single();
    group.run(attach(1, hasty(100)));
    group.run(attach(2, hasty(100)));
    group.publish(1);
    let out = group.wait(100);
    assert_eq!((out.cancelled.len(), given(&out)), (1, vec![(2, 1)]));
    let out = group.wait(100);
    assert_eq!((out.cancelled.len(), group.ready(QUEUE)), (1, 1));
    let (_, out) = group.act(attach(3, hasty(100)));
    assert_eq!((given(&out), active(&group)), (vec![(3, 1)], vec![3]));
}

#[test]
fn a_slow_last_consumer_takes_an_auto_delete_queue_with_it() {
    let mut group = Group::with(QueueConfig { auto_delete: true, ..QueueConfig::default() });
    let index = group.publish(1);
    group.run(attach(1, hasty(100)));
    let out = group.wait(100);
    assert_eq!((out.ended.len(), out.cancelled.len(), out.dead), (1, 1, vec![index]));
}
