//! Messages whose time is over, and priorities.
#![allow(clippy::unwrap_used, reason = "tests")]

use queue::{Command, Delivered, Enqueue, EnqueueOptions, EnqueueRun, QueueConfig, Reply};
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

fn ttl(ms: u64) -> QueueConfig {
    QueueConfig { message_ttl_ms: Some(ms), ..QueueConfig::default() }
}

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

fn lives(ms: u64) -> EnqueueOptions {
    EnqueueOptions { ttl_ms: Some(ms), ..EnqueueOptions::default() }
}

fn urgent(priority: u8) -> EnqueueOptions {
    EnqueueOptions { priority: Some(priority), ..EnqueueOptions::default() }
}

/// The slots of what a new consumer gets.
fn drained(group: &mut Group) -> Vec<u32> {
    let (_, out) = group.act(attach(9, prefetch(1000)));
    let slots = |messages: &Vec<Delivered>| messages.iter().map(|message| message.message.slot).collect();
    out.deliveries.first().map(|delivery| slots(&delivery.messages)).unwrap_or_default()
}

#[test]
fn messages_expire_after_the_time_to_live_of_their_queue() {
    let mut group = Group::with(ttl(100));
    let index = group.publish(2);
    group.now += 60;
    group.publish(1);
    assert_eq!(group.machine.next_deadline(), Some(Timestamp(1100)));
    assert_eq!(group.wait(39).dead, []);
    assert_eq!(group.wait(1).dead, [index]);
    assert_eq!((group.ready(QUEUE), group.machine.stats(QUEUE).unwrap().expired), (1, 2));
    assert_eq!(group.machine.next_deadline(), Some(Timestamp(1160)));
}

#[test]
fn a_message_expires_wherever_it_is_in_the_queue() {
    let mut group = Group::new();
    let options =
        [EnqueueOptions::default(), lives(300), lives(100), lives(300), lives(200), EnqueueOptions::default()];
    group.run(wishing(&options));
    group.wait(100);
    assert_eq!(group.ready(QUEUE), 5);
    group.wait(100);
    assert_eq!(group.ready(QUEUE), 4);
    assert_eq!(drained(&mut group), [0, 1, 3, 5]);
}

#[test]
fn the_shorter_of_the_times_to_live_counts() {
    let mut group = Group::with(ttl(100));
    group.run(wishing(&[lives(50), lives(150)]));
    group.wait(50);
    assert_eq!(group.ready(QUEUE), 1);
    group.wait(50);
    assert_eq!(group.ready(QUEUE), 0);
}

#[test]
fn a_message_without_any_time_is_taken_at_once_or_never() {
    let mut group = Group::new();
    group.run(attach(1, prefetch(2)));
    let index = group.index + 1;
    let (_, out) = group.act(wishing(&[lives(0), lives(0), lives(0)]));
    let slots: Vec<_> =
        out.deliveries.iter().flat_map(|delivery| &delivery.messages).map(|it| it.message.slot).collect();
    assert_eq!(slots, [0, 1]);
    assert_eq!((group.ready(QUEUE), group.machine.stats(QUEUE).unwrap().expired), (0, 1));
    let (_, out) = group.act(give_back(1, 1, 2, false));
    assert_eq!((out.deliveries, out.dead), (vec![], vec![index]), "what comes back has no time any more");
}

#[test]
fn held_messages_expire_when_they_come_back() {
    let mut group = Group::with(ttl(100));
    let index = group.publish(2);
    group.run(attach(1, prefetch(5)));
    group.run(give_back(1, 2, 2, true));
    assert_eq!(group.wait(100).dead, []);
    assert_eq!(group.machine.stats(QUEUE).unwrap().unacked, 2);
    let (_, out) = group.act(Command::CloseSession);
    assert_eq!((out.dead, group.machine.stats(QUEUE).unwrap().expired), (vec![index], 2));
}

#[test]
fn a_returned_message_still_has_the_time_that_it_had() {
    let mut group = Group::with(ttl(100));
    group.publish(1);
    group.run(attach(1, prefetch(5)));
    group.run(Command::Detach { queue: QUEUE, number: 1 });
    group.now += 50;
    group.run(give_back(1, 1, 1, true));
    assert_eq!(group.wait(49).dead, []);
    assert_eq!(group.wait(1).dead.len(), 1);
}

#[test]
fn nobody_sees_a_message_whose_time_is_over() {
    let mut group = Group::with(ttl(100));
    group.publish(3);
    group.now += 100;
    assert_eq!(group.run(Command::Get { queue: QUEUE, no_ack: true }), Reply::Empty);
    group.publish(3);
    group.now += 100;
    assert_eq!(drained(&mut group), [0; 0]);
}

#[test]
fn a_tick_ends_a_bounded_number_of_messages() {
    let mut group = Group::with(ttl(100));
    for _ in 0..3 {
        group.publish(4_000);
    }
    group.wait(100);
    assert_eq!(group.ready(QUEUE), 2_001, "looking at a queue counts too");
    group.wait(0);
    assert_eq!((group.ready(QUEUE), group.machine.next_deadline()), (0, None));
}

#[test]
fn messages_of_higher_priority_come_first_and_those_of_one_in_order() {
    let mut group = Group::new();
    let plain = EnqueueOptions::default();
    group.run(wishing(&[urgent(1), plain, urgent(7), urgent(4), urgent(1), urgent(200), urgent(31)]));
    assert_eq!(drained(&mut group), [5, 6, 2, 1, 3, 0, 4], "four is the usual one, 31 the greatest");
}

#[test]
fn a_queue_can_have_its_own_greatest_priority() {
    let mut group = Group::with(QueueConfig { max_priority: Some(5), ..QueueConfig::default() });
    let plain = EnqueueOptions::default();
    group.run(wishing(&[urgent(0), plain, urgent(7), urgent(5), urgent(1)]));
    assert_eq!(drained(&mut group), [2, 3, 4, 0, 1], "those without have none");
}

#[test]
fn returned_messages_go_to_their_place_among_those_of_their_priority() {
    let mut group = Group::new();
    group.run(wishing(&[urgent(1), urgent(1), urgent(2), urgent(2)]));
    group.run(attach(1, prefetch(3)));
    group.run(Command::Detach { queue: QUEUE, number: 1 });
    group.run(give_back(1, 3, 3, true));
    group.run(give_back(1, 1, 1, true));
    assert_eq!(drained(&mut group), [2, 0, 1]);
}
