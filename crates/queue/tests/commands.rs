//! What each command does, one after another.
#![allow(clippy::as_conversions, clippy::unwrap_used, reason = "tests with small numbers")]

use queue::{
    CancelReason, Cancelled, Command, ConsumerOptions, Delivery, Enqueue, EnqueueRun, Got, QueueConfig, Refusal, Reply,
    SlotRange,
};
use types::{ConsumerKey, MessageRef, NodeId, QueueId, SeqRange};

#[path = "support/group.rs"]
#[allow(dead_code, unreachable_pub, clippy::wildcard_enum_match_arm, reason = "shared by tests only")]
mod group;

use group::*;

const NO_SUCH_QUEUE: Reply = Reply::Refused(Refusal::NoSuchQueue);
const EXCLUSIVE_USE: Reply = Reply::Refused(Refusal::ExclusiveUse);

fn delete(queue: QueueId, if_unused: bool, if_empty: bool) -> Command {
    Command::DeleteQueue { queue, if_unused, if_empty }
}

fn get(no_ack: bool) -> Command {
    Command::Get { queue: QUEUE, no_ack }
}

fn delivery(number: u32, first_seq: u64, messages: Vec<queue::Delivered>) -> Delivery {
    Delivery { consumer: consumer(number), queue: QUEUE, first_seq, messages }
}

// Queues

#[test]
fn creating_a_queue_that_exists_changes_nothing() {
    let mut group = Group::new();
    group.publish(2);
    assert_eq!(group.run(Command::CreateQueue { queue: QUEUE, config: QueueConfig::default() }), Reply::Done);
    assert_eq!(group.ready(QUEUE), 2);
}

#[test]
fn deleting_a_queue_ends_its_messages_and_cancels_its_consumers() {
    let mut group = Group::new();
    let index = group.publish(5);
    group.run(attach(1, prefetch(1)));
    group.run(attach(2, prefetch(1)));
    group.run(Command::Detach { queue: QUEUE, number: 2 });
    let (reply, out) = group.act(delete(QUEUE, false, false));
    assert_eq!(reply, Reply::Deleted { messages: 3 });
    assert_eq!(
        out.cancelled,
        [Cancelled { consumer: consumer(1), queue: QUEUE, reason: CancelReason::QueueGone }],
        "the other was cancelled before"
    );
    assert_eq!(out.dead, [index]);
    assert_eq!(group.machine.queues().collect::<Vec<_>>(), [OTHER]);
    assert_eq!(group.machine.nodes(), []);
    assert_eq!(group.run(delete(QUEUE, false, false)), NO_SUCH_QUEUE);
}

#[test]
fn a_queue_in_use_is_not_deleted_if_unused_is_asked_for() {
    let mut group = Group::new();
    group.run(attach(1, prefetch(1)));
    assert_eq!(group.run(delete(QUEUE, true, true)), Reply::Refused(Refusal::InUse));
    group.run(Command::Detach { queue: QUEUE, number: 1 });
    assert_eq!(group.run(delete(QUEUE, true, true)), Reply::Deleted { messages: 0 });
}

#[test]
fn a_queue_with_ready_messages_is_not_deleted_if_empty_is_asked_for() {
    let mut group = Group::new();
    group.publish(1);
    assert_eq!(group.run(delete(QUEUE, false, true)), Reply::Refused(Refusal::NotEmpty));
    group.run(attach(1, prefetch(1)));
    assert_eq!(group.run(delete(QUEUE, false, true)), Reply::Deleted { messages: 0 }, "held messages do not count");
}

#[test]
fn the_id_of_a_queue_that_is_over_is_not_used_again_until_it_is_forgotten() {
    let mut group = Group::new();
    let create = Command::CreateQueue { queue: QUEUE, config: QueueConfig::default() };
    let commands = vec![publish(&[QUEUE], 2), attach(1, prefetch(5)), delete(QUEUE, false, false), create.clone()];
    let (replies, out) = group.batch(me(), commands);
    assert_eq!(replies[2..], [Reply::Deleted { messages: 0 }, NO_SUCH_QUEUE], "the consumer was there before it went");
    assert_eq!((out.dead, out.ended), (vec![group.index], vec![]), "nobody has to be told of a queue that was deleted");
    assert_eq!(group.machine.ended().collect::<Vec<_>>(), [QUEUE]);
    assert_eq!(group.reissued(), []);
    assert_eq!(group.run(Command::Forget { queues: vec![QUEUE, OTHER, GONE] }), Reply::Done);
    assert_eq!(group.machine.ended().count(), 0);
    assert_eq!(group.run(create), Reply::Done);
    assert_eq!(group.machine.queues().collect::<Vec<_>>(), [QUEUE, OTHER]);
}

#[test]
fn inspecting_tells_ready_messages_and_attached_consumers() {
    let mut group = Group::new();
    group.publish(3);
    group.run(attach(1, prefetch(2)));
    let inspect = Command::Inspect { queue: QUEUE };
    assert_eq!(group.run(inspect.clone()), Reply::Depth { messages: 1, consumers: 1 });
    group.run(Command::Detach { queue: QUEUE, number: 1 });
    assert_eq!(group.run(inspect), Reply::Depth { messages: 1, consumers: 0 });
    assert_eq!(group.run(Command::Inspect { queue: GONE }), NO_SUCH_QUEUE);
}

#[test]
fn commands_that_look_at_ready_messages_do_not_see_those_that_a_consumer_can_have() {
    let mut group = Group::new();
    group.run(attach(1, prefetch(2)));
    let commands = vec![publish(&[QUEUE], 3), Command::Inspect { queue: QUEUE }, Command::Purge { queue: QUEUE }];
    let (replies, out) = group.batch(me(), commands);
    assert_eq!(replies[1..], [Reply::Depth { messages: 1, consumers: 1 }, Reply::Purged { messages: 1 }]);
    assert_eq!(out.deliveries, [delivery(1, 1, vec![fresh(group.index, 0), fresh(group.index, 1)])]);
}

#[test]
fn purging_ends_ready_messages_and_no_held_ones() {
    let mut group = Group::new();
    let first = group.publish(2);
    group.run(attach(1, prefetch(2)));
    let second = group.publish(2);
    group.run(attach(2, prefetch(1)));
    group.run(give_back(2, 1, 1, true));
    group.run(Command::Detach { queue: QUEUE, number: 2 });
    group.run(Command::Return { queue: QUEUE, number: 2, ranges: range(0, u64::MAX), failed: false });
    let (reply, out) = group.act(Command::Purge { queue: QUEUE });
    assert_eq!((reply, out.dead), (Reply::Purged { messages: 2 }, vec![second]));
    assert_eq!(group.machine.live_indexes(), [first]);
    assert_eq!(group.machine.stats(QUEUE).unwrap().unacked, 2);
    assert_eq!(group.run(Command::Purge { queue: GONE }), NO_SUCH_QUEUE);
}

// Messages

#[test]
fn a_message_in_several_queues_is_needed_until_the_last_is_done_with_it() {
    let mut group = Group::new();
    group.run(publish(&[QUEUE, OTHER, GONE], 1));
    let index = group.index;
    assert_eq!(group.machine.live_messages(), 2);
    assert_eq!(group.act(Command::Purge { queue: OTHER }).1.dead, []);
    assert_eq!(group.act(Command::Purge { queue: QUEUE }).1.dead, [index]);
    assert_eq!(group.machine.live_indexes(), []);
}

#[test]
fn an_entry_whose_messages_find_no_queue_is_dead_at_once() {
    let mut group = Group::new();
    let (reply, out) = group.act(publish(&[GONE], 3));
    let missing = vec![SlotRange { first: 0, count: 3 }];
    assert_eq!((reply, out.dead), (Reply::NotTaken { rejected: vec![], missing }, vec![group.index]));
}

#[test]
fn messages_of_a_chunk_have_slots_after_those_of_the_chunks_before() {
    let mut group = Group::new();
    let chunks = [
        numbered(2, 1, 5, vec![publish(&[QUEUE], 7)]),
        chunk(me(), vec![publish(&[QUEUE], 2)]),
        chunk(me(), vec![publish(&[OTHER], 3)]),
        chunk(me(), vec![publish(&[QUEUE], 1), attach(1, prefetch(9))]),
    ];
    let out = group.entry(&chunks);
    let slots: Vec<_> = out.deliveries[0].messages.iter().map(|delivered| delivered.message.slot).collect();
    assert_eq!(slots, [7, 8, 12], "the slots of the chunk with a gap before it are there too");
}

#[test]
fn runs_beyond_the_slots_of_their_chunk_are_dropped() {
    let mut group = Group::new();
    let run = |first_slot, count| EnqueueRun { queue: QUEUE, first_slot, count, ..EnqueueRun::default() };
    let runs = vec![run(0, 2), run(1, 2), run(2, 1), run(u32::MAX, u32::MAX), run(0, u32::MAX), run(0, 0)];
    group.run(Command::Enqueue(Enqueue { first_slot: 0, sizes: vec![10, 20], runs, source: None }));
    let stats = group.machine.stats(QUEUE).unwrap();
    assert_eq!((stats.ready, stats.ready_bytes), (2, 30));
}

// Consumers

#[test]
fn a_consumer_gets_messages_up_to_its_prefetch_and_the_next_for_each_that_it_settles() {
    let mut group = Group::new();
    let index = group.publish(5);
    let (reply, out) = group.act(attach(1, prefetch(2)));
    assert_eq!(reply, Reply::Done);
    assert_eq!(out.deliveries, [delivery(1, 1, vec![fresh(index, 0), fresh(index, 1)])]);
    let (_, out) = group.act(settle(1, 2, 2));
    assert_eq!(out.deliveries, [delivery(1, 3, vec![fresh(index, 2)])]);
    let (_, out) = group.act(settle(1, 0, u64::MAX));
    assert_eq!(out.deliveries, [delivery(1, 4, vec![fresh(index, 3), fresh(index, 4)])]);
    let (_, out) = group.act(settle(1, 4, 5));
    assert_eq!(out.dead, [index]);
}

#[test]
fn settling_what_is_not_held_changes_nothing() {
    let mut group = Group::new();
    group.publish(2);
    group.run(attach(1, prefetch(2)));
    let digest = group.machine.digest();
    let odd = vec![SeqRange { first: 3, last: u64::MAX }, SeqRange { first: 2, last: 1 }, SeqRange::one(0)];
    for (queue, number) in [(QUEUE, 1), (QUEUE, 2), (QUEUE, 0), (OTHER, 1), (GONE, 1)] {
        assert_eq!(group.run(Command::Settle { queue, number, ranges: odd.clone() }), Reply::Done);
    }
    assert_eq!(group.machine.stats(QUEUE).unwrap().unacked, 2);
    group.run(settle(1, 1, 1));
    assert_ne!(group.machine.digest(), digest);
}

#[test]
fn consumers_are_served_in_turn() {
    let mut group = Group::new();
    for (number, options) in [(1, prefetch(3)), (2, prefetch(1)), (3, credit(2))] {
        group.run(attach(number, options));
    }
    let index = group.index + 1;
    let (_, out) = group.act(publish(&[QUEUE], 9));
    let slots = |slots: &[u32]| slots.iter().map(|slot| fresh(index, *slot)).collect();
    let expected = [delivery(1, 1, slots(&[0, 3, 5])), delivery(2, 1, slots(&[1])), delivery(3, 1, slots(&[2, 4]))];
    assert_eq!(out.deliveries, expected);
    assert_eq!(group.ready(QUEUE), 3);
}

#[test]
fn the_turn_goes_on_where_it_stopped() {
    let mut group = Group::new();
    group.run(attach(1, prefetch(9)));
    group.run(attach(2, prefetch(9)));
    let next = |group: &mut Group| group.act(publish(&[QUEUE], 1)).1.deliveries[0].consumer.number;
    assert_eq!([next(&mut group), next(&mut group), next(&mut group)], [1, 2, 1]);
}

#[test]
fn without_a_prefetch_credit_is_the_limit_and_never_shrinks() {
    let mut group = Group::new();
    group.publish(5);
    let (_, out) = group.act(attach(1, credit(2)));
    assert_eq!(out.deliveries[0].messages.len(), 2);
    let up_to = |up_to| Command::Credit { queue: QUEUE, number: 1, up_to };
    assert_eq!(group.act(up_to(1)).1.deliveries, []);
    group.run(settle(1, 1, 2));
    assert_eq!(group.ready(QUEUE), 3, "settling gives no credit");
    let (reply, out) = group.act(up_to(3));
    assert_eq!((reply, out.deliveries[0].first_seq, out.deliveries[0].messages.len()), (Reply::Done, 3, 1));
    assert_eq!(group.act(up_to(u64::MAX)).1.deliveries[0].messages.len(), 2);
    for (queue, number) in [(QUEUE, 7), (GONE, 1)] {
        assert_eq!(group.run(Command::Credit { queue, number, up_to: 1 }), Reply::Done);
    }
}

#[test]
fn deliveries_without_ack_are_settled_as_they_are_made() {
    let mut group = Group::new();
    group.run(attach(1, ConsumerOptions { no_ack: true, prefetch: 1, ..credit(3) }));
    let (_, out) = group.act(publish(&[QUEUE], 2));
    assert_eq!(out.deliveries[0].messages.len(), 2);
    assert_eq!(out.dead, [group.index], "an entry can be dead in the outcome that delivers from it");
    group.publish(2);
    let stats = group.machine.stats(QUEUE).unwrap();
    assert_eq!((stats.ready, stats.unacked, stats.settled, stats.delivered), (1, 0, 3, 3));
}

#[test]
fn an_exclusive_consumer_is_alone() {
    let mut group = Group::new();
    let exclusive = ConsumerOptions { exclusive: true, ..prefetch(1) };
    assert_eq!(group.run(attach(1, exclusive)), Reply::Done);
    assert_eq!(group.run(attach(2, prefetch(1))), EXCLUSIVE_USE);
    assert_eq!(group.run(attach(1, exclusive)), Reply::Done, "attaching again changes nothing");
    group.publish(1);
    assert_eq!(
        group.run(Command::Detach { queue: QUEUE, number: 1 }),
        Reply::Detached { consumers: 0, queue_ended: false }
    );
    assert_eq!(
        group.run(attach(2, prefetch(1))),
        Reply::Done,
        "what a cancelled consumer holds is no use of the queue"
    );
    assert_eq!(group.run(attach(3, exclusive)), EXCLUSIVE_USE);
}

#[test]
fn attaching_needs_a_queue_and_a_number_of_its_own() {
    let mut group = Group::new();
    assert_eq!(group.run(Command::Attach { queue: GONE, number: 1, options: prefetch(1) }), NO_SUCH_QUEUE);
    assert_eq!(group.run(attach(ConsumerKey::GET, prefetch(1))), EXCLUSIVE_USE);
    assert_eq!(group.machine.nodes(), []);
}

#[test]
fn a_new_leader_tells_consumers_without_acks_how_far_their_deliveries_went() {
    let mut group = Group::new();
    group.publish(3);
    let options = ConsumerOptions { no_ack: true, initial_credit: 2, ..ConsumerOptions::default() };
    group.run(Command::Attach { queue: QUEUE, number: 1, options });
    assert_eq!(group.reissued(), [delivery(1, 3, Vec::new())]);
}

#[test]
fn a_detached_consumer_gets_nothing_more_and_settles_what_it_has() {
    let mut group = Group::new();
    let index = group.publish(2);
    group.run(attach(1, prefetch(1)));
    group.run(attach(2, prefetch(1)));
    assert_eq!(
        group.run(Command::Detach { queue: QUEUE, number: 1 }),
        Reply::Detached { consumers: 1, queue_ended: false }
    );
    group.publish(1);
    assert_eq!(group.act(settle(1, 1, 1)).1.deliveries, []);
    assert_eq!(group.reissued(), [delivery(2, 1, vec![fresh(index, 1)])]);
    for (queue, consumers) in [(QUEUE, 1), (OTHER, 0), (GONE, 0)] {
        assert_eq!(group.run(Command::Detach { queue, number: 1 }), Reply::Detached { consumers, queue_ended: false });
    }
}

// What comes back

#[test]
fn returned_messages_come_again_in_their_original_place() {
    let mut group = Group::new();
    let index = group.publish(6);
    group.run(attach(1, prefetch(4)));
    group.run(Command::Detach { queue: QUEUE, number: 1 });
    group.run(give_back(1, 3, 3, false));
    group.run(give_back(1, 1, 2, true));
    let (_, out) = group.act(attach(2, prefetch(5)));
    let expected = vec![again(index, 0, 1), again(index, 1, 1), again(index, 2, 0), fresh(index, 4), fresh(index, 5)];
    assert_eq!(out.deliveries, [delivery(2, 1, expected)]);
}

#[test]
fn only_failed_deliveries_are_counted() {
    let mut group = Group::new();
    let index = group.publish(1);
    group.run(attach(1, prefetch(1)));
    for (seq, failed, count) in [(1, true, 1), (2, false, 1), (3, true, 2)] {
        let (reply, out) = group.act(give_back(1, seq, seq, failed));
        assert_eq!((reply, out.deliveries), (Reply::Done, vec![delivery(1, seq + 1, vec![again(index, 0, count)])]));
    }
    let stats = group.machine.stats(QUEUE).unwrap();
    assert_eq!((stats.returned, stats.delivered, stats.unacked), (3, 4, 1));
}

#[test]
fn discarded_messages_die_and_are_counted() {
    let mut group = Group::new();
    let index = group.publish(2);
    group.run(attach(1, prefetch(2)));
    let (reply, out) = group.act(Command::Discard { queue: QUEUE, number: 1, ranges: range(1, 9) });
    assert_eq!((reply, out.dead), (Reply::Done, vec![index]));
    let stats = group.machine.stats(QUEUE).unwrap();
    assert_eq!((stats.discarded, stats.settled), (2, 0));
}

#[test]
fn closing_a_session_returns_what_it_holds_as_failed_and_leaves_others_alone() {
    let mut group = Group::new();
    let index = group.publish(3);
    group.run(attach(1, prefetch(1)));
    group.run(get(false));
    group.act_as(session(1, 2), attach(1, prefetch(1)));
    let (reply, out) = group.act(Command::CloseSession);
    assert_eq!((reply, out.deliveries), (Reply::Done, vec![]));
    assert_eq!((group.ready(QUEUE), group.reissued().len()), (2, 1));
    let (_, out) = group.act_as(session(1, 3), attach(1, prefetch(9)));
    assert_eq!(out.deliveries[0].messages, [again(index, 0, 1), again(index, 1, 1)]);
    assert_eq!(group.run(Command::CloseSession), Reply::Done, "closing again changes nothing");
}

#[test]
fn a_node_that_is_down_loses_its_sessions_up_to_the_given_one() {
    let mut group = Group::new();
    let index = group.publish(3);
    for (node, serial) in [(1, 5), (1, 6), (2, 5)] {
        group.act_as(session(node, serial), attach(1, prefetch(1)));
    }
    let (reply, _) = group.act(Command::NodeDown { node: NodeId(1), boot: 4, sessions_up_to: 5 });
    assert_eq!((reply, group.ready(QUEUE)), (Reply::Done, 1));
    let keys: Vec<_> = group.reissued().iter().map(|delivery| delivery.consumer.session).collect();
    assert_eq!(keys, [session(1, 6), session(2, 5)]);
    assert_eq!(group.act(attach(9, prefetch(1))).1.deliveries, [delivery(9, 1, vec![again(index, 0, 1)])]);
}

// Fetching

#[test]
fn a_fetched_message_is_held_under_consumer_zero_until_it_is_settled() {
    let mut group = Group::new();
    let index = group.publish(2);
    let message = |slot| MessageRef { index, slot };
    let got = Got { seq: 1, message: message(0), redelivered: false, delivery_count: 0, remaining: 1 };
    assert_eq!(group.run(get(false)), Reply::Got(got));
    assert_eq!(group.run(give_back(0, 1, 1, true)), Reply::Done);
    let got = Got { seq: 2, redelivered: true, delivery_count: 1, ..got };
    assert_eq!(group.run(get(false)), Reply::Got(got));
    assert_eq!(group.reissued(), [delivery(0, 2, vec![again(index, 0, 1)])]);
    group.run(settle(0, 2, 2));
    let got = Got { seq: 3, message: message(1), redelivered: false, delivery_count: 0, remaining: 0 };
    assert_eq!(group.run(get(false)), Reply::Got(got), "a sequence number is never used again");
    assert_eq!(group.run(get(false)), Reply::Empty);
    assert_eq!(group.run(Command::Get { queue: GONE, no_ack: true }), NO_SUCH_QUEUE);
}

#[test]
fn a_message_fetched_without_ack_is_settled_at_once() {
    let mut group = Group::new();
    let index = group.publish(1);
    let (reply, out) = group.act(get(true));
    assert!(matches!(reply, Reply::Got(Got { seq: 1, remaining: 0, .. })));
    assert_eq!(out.dead, [index]);
    assert_eq!(group.reissued(), []);
    assert_eq!(group.machine.nodes()[0].session_serial_max, Some(1), "its numbers are remembered");
    group.run(Command::CloseSession);
    assert_eq!(group.machine.nodes(), []);
}
