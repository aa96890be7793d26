//! Dead letters, full queues, deliveries that fail too often.
#![allow(clippy::unwrap_used, clippy::as_conversions, reason = "tests")]

use queue::{
    Command, DeadLetterSource, DeadLetterStrategy, DeathReason, Enqueue, EnqueueRun, Outcome, Overflow, QueueConfig,
    Reply, SlotRange,
};
use types::{QueueId, SeqRange};

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

fn dead_letters() -> QueueConfig {
    QueueConfig { dead_letter: Some(DeadLetterStrategy::AtLeastOnce), ..QueueConfig::default() }
}

fn discard(number: u32, first: u64, last: u64) -> Command {
    Command::Discard { queue: QUEUE, number, ranges: range(first, last) }
}

fn settle_dead(first: u64, last: u64) -> Command {
    Command::SettleDead { queue: QUEUE, ranges: range(first, last) }
}

fn retry_dead(first: u64, last: u64) -> Command {
    Command::RetryDead { queue: QUEUE, ranges: range(first, last) }
}

/// Numbers, slots and reasons of what an outcome tells.
fn told(out: &Outcome) -> Vec<(u64, u32, DeathReason)> {
    let letters = out.dead_letters.iter().inspect(|letters| assert_eq!(letters.queue, QUEUE));
    letters.flat_map(|letters| &letters.messages).map(|it| (it.number, it.message.slot, it.reason)).collect()
}

// Dead letters

#[test]
fn a_discarded_message_is_kept_until_its_dead_letter_is_settled() {
    let mut group = Group::with(dead_letters());
    let index = group.publish(2);
    group.run(attach(1, prefetch(2)));
    let (_, out) = group.act(discard(1, 1, 2));
    assert_eq!(told(&out), [(1, 0, DeathReason::Rejected), (2, 1, DeathReason::Rejected)]);
    assert_eq!((out.dead, out.dead_letters[0].messages[0].died_at.0), (vec![], group.now));
    assert_eq!(group.act(settle_dead(0, 1)).1.dead, []);
    assert_eq!(group.act(settle_dead(1, u64::MAX)).1.dead, [index]);
    let stats = group.machine.stats(QUEUE).unwrap();
    assert_eq!((stats.discarded, stats.dead_letters.rejected, stats.dead_letters.settled), (2, 2, 2));
}

#[test]
fn each_way_to_die_has_its_reason() {
    let config = QueueConfig { message_ttl_ms: Some(100), delivery_limit: Some(1), ..dead_letters() };
    let mut group = Group::with(QueueConfig { max_length: Some(3), ..config });
    group.publish(4);
    group.run(attach(1, prefetch(1)));
    group.run(give_back(1, 1, 1, true));
    let (_, out) = group.act(give_back(1, 2, 2, true));
    assert_eq!(told(&out), [(2, 1, DeathReason::DeliveryLimit)]);
    assert_eq!(out.dead_letters[0].messages[0].delivery_count, 2);
    let out = group.wait(100);
    assert_eq!(told(&out), [(3, 3, DeathReason::Expired)]);
    let stats = group.machine.stats(QUEUE).unwrap();
    assert_eq!((stats.dropped, stats.given_up, stats.expired, stats.unacked), (1, 1, 1, 1));
    let letters = stats.dead_letters;
    assert_eq!((letters.max_length, letters.delivery_limit, letters.expired, letters.waiting), (1, 1, 1, 3));
}

#[test]
fn without_a_dead_letter_exchange_the_dead_are_gone() {
    let mut group = Group::new();
    let index = group.publish(1);
    group.run(attach(1, prefetch(1)));
    let (_, out) = group.act(discard(1, 1, 1));
    assert_eq!((out.dead, out.dead_letters), (vec![index], vec![]));
}

#[test]
fn a_queue_that_loses_its_dead_letter_exchange_drops_what_waits() {
    let mut group = Group::with(dead_letters());
    let index = group.publish(2);
    group.run(attach(1, prefetch(2)));
    group.run(discard(1, 1, 2));
    group.run(retry_dead(2, 2));
    let (_, out) = group.act(Command::ConfigureQueue { queue: QUEUE, config: QueueConfig::default() });
    assert_eq!(out.dead, [index]);
    assert_eq!(group.machine.stats(QUEUE).unwrap().dead_letters.dropped, 2);
}

#[test]
fn purging_drops_dead_letters_too() {
    let mut group = Group::with(dead_letters());
    let index = group.publish(2);
    group.run(attach(1, prefetch(1)));
    group.run(Command::Detach { queue: QUEUE, number: 1 });
    group.run(discard(1, 1, 1));
    let (reply, out) = group.act(Command::Purge { queue: QUEUE });
    assert_eq!((reply, out.dead), (Reply::Purged { messages: 1 }, vec![index]));
}

#[test]
fn a_letter_that_could_not_be_delivered_comes_again_after_a_while_under_a_new_number() {
    let mut group = Group::with(dead_letters());
    group.publish(3);
    group.run(attach(1, prefetch(3)));
    group.run(discard(1, 1, 2));
    let (_, out) = group.act(retry_dead(1, 1));
    assert_eq!(told(&out), []);
    group.run(discard(1, 3, 3));
    assert_eq!(told(&group.wait(999)), []);
    assert_eq!(told(&group.wait(1)), [(4, 0, DeathReason::Rejected)]);
    assert_eq!(group.machine.next_deadline(), None);
}

#[test]
fn a_new_leader_is_told_of_letters_that_are_on_their_way() {
    let mut group = Group::with(dead_letters());
    group.publish(3);
    group.run(attach(1, prefetch(3)));
    group.run(discard(1, 1, 3));
    group.run(settle_dead(2, 2));
    group.run(retry_dead(3, 3));
    let mut out = Outcome::default();
    group.machine.reissue(&mut out);
    assert_eq!(told(&out), [(1, 0, DeathReason::Rejected)]);
}

#[test]
fn only_so_many_letters_are_on_their_way() {
    let mut group = Group::with(dead_letters());
    group.publish(600);
    group.run(attach(1, prefetch(600)));
    let (_, out) = group.act(discard(1, 1, 600));
    assert_eq!(told(&out).len(), 256);
    let (_, out) = group.act(settle_dead(3, 12));
    assert_eq!(told(&out).iter().map(|it| it.0).collect::<Vec<_>>(), (257..267).collect::<Vec<_>>());
    let (_, out) = group.act(settle_dead(0, u64::MAX));
    assert_eq!(told(&out).len(), 256);
}

#[test]
fn only_so_many_bytes_of_letters_are_on_their_way() {
    let mut group = Group::with(dead_letters());
    let run = EnqueueRun { queue: QUEUE, count: 9, ..EnqueueRun::default() };
    group.run(Command::Enqueue(Enqueue { sizes: vec![1 << 20; 9], runs: vec![run], ..Enqueue::default() }));
    group.run(attach(1, prefetch(9)));
    let (_, out) = group.act(discard(1, 1, 9));
    assert_eq!(told(&out).len(), 4);
}

// Dead letters that come in

fn arriving(numbers: &[u64]) -> Command {
    let run = EnqueueRun { queue: QUEUE, count: numbers.len() as u32, ..EnqueueRun::default() };
    let source = Some(DeadLetterSource { queue: QueueId(77), numbers: numbers.to_vec() });
    Command::Enqueue(Enqueue { sizes: vec![10; numbers.len()], runs: vec![run], source, first_slot: 0 })
}

#[test]
fn dead_letters_that_came_before_are_passed_over() {
    let mut group = Group::new();
    group.run(arriving(&[1, 2, 5]));
    let (reply, out) = group.act(arriving(&[2, 5]));
    assert_eq!((reply, out.dead), (Reply::Done, vec![group.index]));
    group.run(arriving(&[5, 6]));
    assert_eq!(group.ready(QUEUE), 4);
    assert_eq!(group.machine.sources().collect::<Vec<_>>(), [QueueId(77)]);
    group.run(Command::Forget { queues: vec![QueueId(77)] });
    group.run(arriving(&[1]));
    assert_eq!(group.ready(QUEUE), 5);
}

#[test]
fn a_dead_letter_that_was_refused_may_come_again() {
    let mut group = Group::with(limited(2, Overflow::RejectPublish));
    let refused = Reply::NotTaken { rejected: vec![SlotRange { first: 2, count: 1 }], missing: vec![] };
    assert_eq!(group.run(arriving(&[1, 2, 3])), refused);
    group.run(Command::Purge { queue: QUEUE });
    assert_eq!(group.run(arriving(&[1, 2, 3])), Reply::Done, "the answer was lost");
    assert_eq!(group.ready(QUEUE), 1);
}

// Limits

fn limited(max_length: u64, overflow: Overflow) -> QueueConfig {
    QueueConfig { max_length: Some(max_length), overflow, ..QueueConfig::default() }
}

#[test]
fn a_run_comes_in_as_a_whole_though_sizes_of_its_messages_are_missing() {
    let mut group = Group::with(limited(6, Overflow::DropHead));
    group.run(attach(1, prefetch(2)));
    let enqueue = |first_slot, sizes, count| {
        let run = EnqueueRun { queue: QUEUE, first_slot: 0, count, ..EnqueueRun::default() };
        Command::Enqueue(Enqueue { first_slot, sizes, runs: vec![run], source: None })
    };
    // The third message of the first run has its slot from the second command, and no size.
    let commands = vec![enqueue(0, vec![10, 10], 3), attach(2, credit(1)), enqueue(2, vec![10], 1)];
    let (_, out) = group.batch(me(), commands);
    let given = |number| {
        let of = out.deliveries.iter().filter(|delivery| delivery.consumer == consumer(number));
        of.flat_map(|delivery| &delivery.messages).map(|message| message.message.slot).collect::<Vec<_>>()
    };
    assert_eq!((given(1), given(2)), (vec![0, 2], vec![1]), "each in turn");
}

fn rejected(first: u32, count: u32) -> Reply {
    Reply::NotTaken { rejected: vec![SlotRange { first, count }], missing: vec![] }
}

#[test]
fn a_full_queue_drops_its_oldest_messages() {
    let mut group = Group::with(limited(3, Overflow::DropHead));
    let first = group.publish(2);
    let (reply, out) = group.act(publish(&[QUEUE], 3));
    assert_eq!((reply, out.dead), (Reply::Done, vec![first]));
    assert_eq!((group.ready(QUEUE), group.machine.stats(QUEUE).unwrap().dropped), (3, 2));
    let (_, out) = group.act(attach(1, prefetch(9)));
    assert_eq!(out.deliveries[0].messages.len(), 3);
    let (_, out) = group.act(publish(&[QUEUE], 8));
    assert_eq!(out.deliveries[0].messages[0], fresh(group.index, 0), "what is taken at once does not count");
    assert_eq!((out.deliveries[0].messages.len(), group.ready(QUEUE)), (6, 2));
}

#[test]
fn a_full_queue_can_reject_what_comes() {
    let mut group = Group::with(limited(3, Overflow::RejectPublish));
    assert_eq!(group.run(publish(&[QUEUE], 2)), Reply::Done);
    let (reply, out) = group.act(publish(&[QUEUE, OTHER], 3));
    assert_eq!((reply, out.dead_letters), (rejected(1, 2), vec![]));
    let stats = group.machine.stats(QUEUE).unwrap();
    assert_eq!((stats.ready, stats.rejected, stats.enqueued, group.ready(OTHER)), (3, 2, 3, 3));
    group.run(attach(1, prefetch(5)));
    assert_eq!(group.run(publish(&[QUEUE], 7)), rejected(5, 2), "two are taken at once, three wait");
}

#[test]
fn rejected_slots_are_those_of_the_chunk() {
    let mut group = Group::with(limited(1, Overflow::RejectPublish));
    let chunks = [chunk(me(), vec![publish(&[OTHER], 5)]), chunk(me(), vec![publish(&[QUEUE], 2)])];
    let out = group.entry(&chunks);
    assert_eq!(out.replies[1].result, queue::ChunkResult::Applied(vec![rejected(1, 1)]));
}

#[test]
fn rejected_messages_can_become_dead_letters() {
    let config =
        QueueConfig { dead_letter: Some(DeadLetterStrategy::AtMostOnce), ..limited(1, Overflow::RejectPublishDlx) };
    let mut group = Group::with(config);
    let (reply, out) = group.act(publish(&[QUEUE], 2));
    assert_eq!((reply, told(&out)), (rejected(1, 1), vec![(1, 1, DeathReason::MaxLength)]));
}

#[test]
fn lengths_can_be_limited_in_bytes() {
    let config = |overflow| QueueConfig { max_length_bytes: Some(25), overflow, ..QueueConfig::default() };
    let mut group = Group::with(config(Overflow::DropHead));
    group.publish(4);
    assert_eq!(group.machine.stats(QUEUE).unwrap().ready_bytes, 20);
    let mut group = Group::with(config(Overflow::RejectPublish));
    let run = EnqueueRun { queue: QUEUE, count: 4, ..EnqueueRun::default() };
    let sizes = vec![20, 6, 5, 1];
    let reply = group.run(Command::Enqueue(Enqueue { sizes, runs: vec![run], ..Enqueue::default() }));
    let slots = vec![SlotRange { first: 1, count: 1 }, SlotRange { first: 3, count: 1 }];
    assert_eq!(reply, Reply::NotTaken { rejected: slots, missing: vec![] }, "a smaller one after it still fits");
}

#[test]
fn a_limit_that_is_set_later_drops_what_is_too_much() {
    let mut group = Group::new();
    group.publish(5);
    group.run(Command::ConfigureQueue { queue: QUEUE, config: limited(2, Overflow::DropHead) });
    assert_eq!(group.ready(QUEUE), 2);
    let (_, out) = group.act(attach(1, prefetch(1)));
    assert_eq!(out.deliveries[0].messages[0].message.slot, 3);
}

#[test]
fn returned_messages_can_be_too_many() {
    let mut group = Group::with(limited(1, Overflow::DropHead));
    group.run(attach(1, prefetch(2)));
    group.publish(3);
    group.run(Command::Detach { queue: QUEUE, number: 1 });
    let (_, out) = group.act(give_back(1, 1, 2, false));
    assert_eq!((group.ready(QUEUE), out.dead), (1, vec![]));
    let (_, out) = group.act(attach(2, prefetch(1)));
    assert_eq!(out.deliveries[0].messages[0], fresh(group.index - 3, 2));
}

#[test]
fn dead_letters_that_wait_count_against_a_limit_that_rejects() {
    let config =
        QueueConfig { dead_letter: Some(DeadLetterStrategy::AtLeastOnce), ..limited(2, Overflow::RejectPublish) };
    let mut group = Group::with(config);
    group.publish(2);
    group.run(attach(1, prefetch(2)));
    group.run(Command::Detach { queue: QUEUE, number: 1 });
    group.run(discard(1, 1, 2));
    assert_eq!(group.run(publish(&[QUEUE], 1)), rejected(0, 1));
    group.run(Command::SettleDead { queue: QUEUE, ranges: vec![SeqRange::one(1)] });
    assert_eq!(group.run(publish(&[QUEUE], 1)), Reply::Done);
}

#[test]
fn deliveries_that_did_not_fail_have_no_limit() {
    let mut group = Group::with(QueueConfig { delivery_limit: Some(0), ..QueueConfig::default() });
    group.publish(1);
    group.run(attach(1, prefetch(1)));
    for seq in 1..50 {
        group.run(give_back(1, seq, seq, false));
    }
    assert_eq!(group.machine.stats(QUEUE).unwrap().unacked, 1);
    group.run(give_back(1, 50, 50, true));
    let stats = group.machine.stats(QUEUE).unwrap();
    assert_eq!((stats.unacked, stats.given_up), (0, 1));
}
