//! The machine under random work: against a naive model, against itself restored from a snapshot, and against what clients may
//! rely on.
#![allow(clippy::as_conversions, clippy::unwrap_used, reason = "tests with small numbers")]

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use bytes::Bytes;
use proptest::prelude::*;
use queue::{
    At, Chunk, ChunkReply, ChunkResult, Command, ConsumerInfo, ConsumerOptions, DeadLetterStats, DeadLetters, Delay,
    Delivered, Delivery, EndReason, EnqueueOptions, Machine, Outcome, Producer, QueueConfig, QueueStats, Reply,
};
use types::{ConsumerKey, NodeId, QueueId, SessionId, Timestamp};

#[path = "support/model.rs"]
#[allow(missing_docs, unreachable_pub, unused_qualifications, reason = "shared by tests only")]
mod model;
#[path = "support/plans.rs"]
#[allow(unreachable_pub, reason = "shared by tests only")]
mod plans;

use model::{Effects, Model, delivered};
use plans::{Numberer, plans};

/// Indexes with gaps, as they are when a log also holds entries that are not the machine's.
/// Time passes by 100 ms from entry to entry, but leaders' clocks differ.
fn at(place: usize) -> At {
    let index = 100 + 7 * place as u64;
    At { index, proposed_at: Timestamp(1_000_000 + 100 * place as u64 - index % 3) }
}

fn apply(machine: &mut Machine, place: usize, chunks: &[Chunk]) -> Outcome {
    let mut out = Outcome::default();
    machine.apply_entry(at(place), chunks, &mut out);
    machine.check().unwrap();
    assert!(out.deliveries.iter().all(|delivery| !delivery.messages.is_empty()));
    out
}

/// The outcome in the model's form. Fails if an entry is reported dead twice.
fn effects(out: &Outcome) -> Effects {
    let mut deliveries = Vec::new();
    for delivery in &out.deliveries {
        let rows = (delivery.first_seq..).zip(&delivery.messages);
        deliveries.extend(rows.map(|(seq, message)| (delivery.consumer, delivery.queue, seq, *message)));
    }
    // Stable: of one consumer and queue, deliveries must come in order.
    deliveries.sort_by_key(|(key, queue, _, _)| (*key, *queue));
    let dead: BTreeSet<u64> = out.dead.iter().copied().collect();
    assert_eq!(dead.len(), out.dead.len());
    let ended = out.ended.iter().map(|ended| (ended.queue, ended.reason == EndReason::Expired)).collect();
    let cancelled = out.cancelled.iter().map(model::cancelled).collect();
    let mut dead_letters = Vec::new();
    for DeadLetters { queue, messages } in &out.dead_letters {
        dead_letters.extend(messages.iter().map(|letter| {
            (*queue, letter.number, letter.message, letter.reason, letter.died_at.0, letter.delivery_count)
        }));
    }
    dead_letters.sort_by_key(|told| told.0);
    Effects { replies: out.replies.clone(), deliveries, cancelled, ended, dead_letters, dead }
}

fn expected_stats(queue: &model::Queue, machine: &QueueStats) -> QueueStats {
    let held = || queue.consumers.iter().flat_map(|consumer| &consumer.held);
    QueueStats {
        ready: queue.ready.len() as u64,
        ready_bytes: queue.ready.iter().map(|message| u64::from(message.size)).sum(),
        unacked: held().count() as u64,
        unacked_bytes: held().map(|(_, message)| u64::from(message.size)).sum(),
        delayed: queue.parked.len() as u64,
        delayed_bytes: queue.parked.iter().map(|parked| u64::from(parked.message.size)).sum(),
        consumers: queue.consumers.iter().filter(|consumer| consumer.attached).count() as u32,
        enqueued: queue.enqueued.len() as u64,
        settled: queue.settled,
        discarded: queue.discarded,
        purged: queue.purged,
        expired: queue.expired,
        dropped: queue.dropped,
        given_up: queue.given_up,
        rejected: queue.rejected,
        dead_letters: DeadLetterStats {
            waiting: queue.letters.all().count() as u64,
            waiting_bytes: queue.letters.all().map(|message| u64::from(message.size)).sum(),
            rejected: queue.letters.made[0],
            expired: queue.letters.made[1],
            max_length: queue.letters.made[2],
            delivery_limit: queue.letters.made[3],
            settled: queue.letters.settled,
            dropped: queue.letters.dropped,
        },
        ..*machine
    }
}

fn compare_state(machine: &Machine, model: &Model) {
    assert_eq!(machine.queues().collect::<Vec<_>>(), model.queues.keys().copied().collect::<Vec<_>>());
    for (id, queue) in &model.queues {
        let stats = machine.stats(*id).unwrap();
        assert_eq!(stats, expected_stats(queue, &stats));
        let expected = queue.consumers.iter().map(|consumer| ConsumerInfo {
            key: consumer.key,
            options: consumer.options,
            attached: consumer.attached,
            active: consumer.attached && (!queue.config.single_active_consumer || queue.active == Some(consumer.key)),
            held: consumer.held.len() as u64,
        });
        assert_eq!(machine.consumers(*id).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
    assert_eq!(machine.sources().collect::<Vec<_>>(), model.sources.keys().copied().collect::<Vec<_>>());
    assert_eq!(machine.ended().collect::<BTreeSet<_>>(), model.ended);
    let deadline = model.queues.values().filter_map(model::Queue::deadline).min();
    assert!(machine.next_deadline().is_none_or(|next| deadline.is_none_or(|deadline| next.0 <= deadline)));
    assert!(deadline.is_none() || machine.next_deadline().is_some());
    let references = model.references();
    assert_eq!(machine.live_indexes(), references.keys().copied().collect::<Vec<_>>());
    assert_eq!(machine.live_entries(), references.len() as u64);
    assert_eq!(machine.live_messages(), references.values().sum::<u64>());
    let accepted = model.producers.iter().filter_map(|(node, known)| Some((*node, known.1?.0)));
    let producers: Vec<_> = accepted.map(|(node, boot)| Producer { node, boot }).collect();
    assert_eq!(machine.producers(), producers);
    let mut sessions: BTreeMap<NodeId, (u64, u64)> = BTreeMap::new();
    for session in model.queues.values().flat_map(|queue| &queue.consumers).map(|consumer| consumer.key.session) {
        let serials = sessions.entry(session.node).or_insert((session.serial, session.serial));
        *serials = (session.serial.min(serials.0), session.serial.max(serials.1));
    }
    let nodes = machine
        .nodes()
        .into_iter()
        .filter_map(|presence| Some((presence.node, (presence.session_serial_min?, presence.session_serial_max?))));
    assert_eq!(nodes.collect::<BTreeMap<_, _>>(), sessions);
}

fn compare_reissue(machine: &Machine, model: &Model) {
    let mut out = Outcome::default();
    machine.reissue(&mut out);
    // Consumers without acks hold nothing; they are told how far their deliveries went.
    let told = out.deliveries.iter().filter(|delivery| delivery.messages.is_empty());
    let told: BTreeSet<_> = told.map(|delivery| (delivery.consumer, delivery.queue, delivery.first_seq)).collect();
    let consumers = model.queues.iter().flat_map(|(id, queue)| queue.consumers.iter().map(move |it| (*id, it)));
    let ack_free = consumers.filter(|(_, it)| it.options.no_ack && it.key.number != ConsumerKey::GET);
    assert_eq!(told, ack_free.map(|(id, it)| (it.key, id, it.next_seq)).collect());
    let mut expected = Vec::new();
    for (id, queue) in &model.queues {
        for consumer in &queue.consumers {
            expected.extend(consumer.held.iter().map(|(seq, message)| (consumer.key, *id, *seq, delivered(message))));
        }
    }
    expected.sort_by_key(|(key, queue, _, _)| (*key, *queue));
    let told: Vec<_> = model.queues.iter().flat_map(|(id, queue)| queue.letters.told(*id)).collect();
    let effects = effects(&out);
    assert_eq!((effects.deliveries, effects.dead_letters), (expected, told));
}

/// A machine that comes from a snapshot must be as good as the one that it was taken of.
fn restored(machine: &Machine) -> Machine {
    let snapshot = machine.snapshot();
    let restored = Machine::restore(snapshot.clone()).unwrap();
    restored.check().unwrap();
    assert_eq!(restored.snapshot(), snapshot);
    assert_eq!(restored.digest(), machine.digest());
    let reissued = |machine: &Machine| {
        let mut out = Outcome::default();
        machine.reissue(&mut out);
        out
    };
    assert_eq!(reissued(&restored), reissued(machine));
    restored
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_agrees_with_the_naive_model(plan in plans(40)) {
        let (mut machine, mut model, mut numberer) = (Machine::new(), Model::default(), Numberer::default());
        for (place, entry) in plan.iter().enumerate() {
            let chunks = numberer.entry(entry);
            let out = apply(&mut machine, place, &chunks);
            prop_assert_eq!(effects(&out), model.apply_entry(at(place), &chunks));
            compare_state(&machine, &model);
            compare_reissue(&machine, &model);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_and_the_entries_after_it_equal_all_entries(plan in plans(30)) {
        let mut numberer = Numberer::default();
        let entries: Vec<_> = plan.iter().map(|entry| numberer.entry(entry)).collect();
        let mut machine = Machine::new();
        let mut outcomes = Vec::new();
        let mut starts = vec![restored(&machine)];
        for (place, chunks) in entries.iter().enumerate() {
            outcomes.push(apply(&mut machine, place, chunks));
            starts.push(restored(&machine));
        }
        for (cut, mut start) in starts.into_iter().enumerate() {
            for (place, chunks) in entries.iter().enumerate().skip(cut) {
                let mut out = Outcome::default();
                start.apply_entry(at(place), chunks, &mut out);
                prop_assert_eq!(&out, &outcomes[place]);
            }
            start.check().unwrap();
            prop_assert_eq!(start.digest(), machine.digest());
        }
    }

    #[test]
    fn a_clone_keeps_the_state_that_it_was_taken_of(plan in plans(30)) {
        let (mut machine, mut numberer) = (Machine::new(), Numberer::default());
        let mut clones = Vec::new();
        for (place, entry) in plan.iter().enumerate() {
            clones.push((machine.clone(), machine.digest()));
            apply(&mut machine, place, &numberer.entry(entry));
        }
        for (clone, digest) in clones {
            clone.check().unwrap();
            prop_assert_eq!(clone.digest(), digest);
        }
    }

    #[test]
    fn a_damaged_snapshot_is_refused_or_restored_to_a_sound_machine(
        plan in plans(20),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 30),
    ) {
        let (mut machine, mut numberer) = (Machine::new(), Numberer::default());
        for (place, entry) in plan.iter().enumerate() {
            apply(&mut machine, place, &numberer.entry(entry));
        }
        let good = machine.snapshot();
        let entry = numberer.entry(plan.last().unwrap());
        for (place, value, cut) in damages {
            let mut segments = good.clone();
            let last = segments.len() - 1;
            let (_, segment) = &mut segments[place.index(last + 1)];
            let mut bytes = segment.to_vec();
            let place = place.index(bytes.len());
            bytes[place] = value;
            bytes.truncate(if cut { place } else { bytes.len() });
            *segment = Bytes::from(bytes);
            if let Ok(mut restored) = Machine::restore(segments) {
                restored.check().unwrap();
                let index = u64::MAX - 1;
                restored.apply_entry(At { index, ..At::default() }, &entry, &mut Outcome::default());
                restored.check().unwrap();
            }
        }
    }

    #[test]
    fn after_all_sessions_close_what_is_left_comes_in_publishing_order(plan in plans(40)) {
        let (mut machine, mut model, mut numberer) = (Machine::new(), Model::default(), Numberer::default());
        for (place, entry) in plan.iter().enumerate() {
            let mut chunks = numberer.entry(entry);
            without_delays(&mut chunks);
            apply(&mut machine, place, &chunks);
            model.apply_entry(at(place), &chunks);
        }
        let down = |node| Command::NodeDown { node: NodeId(node), boot: 1000, sessions_up_to: u64::MAX };
        let options = ConsumerOptions { initial_credit: u64::MAX, ..ConsumerOptions::default() };
        let attach = |queue| Command::Attach { queue: QueueId(queue), number: 1, options };
        let commands = [down(1), down(2), Command::Tick].into_iter().chain((1..5).map(attach)).collect();
        let out = apply(&mut machine, plan.len(), &[system(commands)]);
        for (id, queue) in &model.queues {
            let Some(stats) = machine.stats(*id) else { continue };
            let ours = |delivery: &&Delivery| delivery.queue == *id && delivery.consumer.session == system_session();
            let deliveries = out.deliveries.iter().filter(ours);
            let got: Vec<_> = deliveries.flat_map(|delivery| &delivery.messages).copied().collect();
            prop_assert_eq!((stats.ready, stats.unacked), (0, got.len() as u64));
            let gone = stats.settled + stats.discarded + stats.purged + stats.expired + stats.dropped + stats.given_up;
            prop_assert_eq!(stats.unacked + stats.delayed + gone, queue.enqueued.len() as u64);
            // Each is the next of the published ones of its priority, so none comes twice and none out of order.
            let mut published = queue.enqueued.clone();
            published.sort_by_key(|message| Reverse(message.priority));
            let mut published = published.iter();
            for Delivered { message, .. } in got {
                prop_assert!(published.any(|candidate| candidate.reference == message));
            }
        }
    }

    #[test]
    fn a_single_consumer_gets_new_messages_in_publishing_order(plan in plans(40)) {
        let (mut machine, mut model, mut numberer) = (Machine::new(), Model::default(), Numberer::default());
        let mut new = Vec::new();
        for (place, entry) in plan.iter().enumerate() {
            // Only publishes: the one consumer is ours.
            let mut chunks = numberer.entry(entry);
            plain(&mut chunks);
            for chunk in &mut chunks {
                chunk.commands.retain(|command| matches!(command, Command::Enqueue(_) | Command::CreateQueue { .. }));
            }
            if place % 3 == 1 {
                let options = ConsumerOptions { prefetch: 5, ..ConsumerOptions::default() };
                let all = vec![types::SeqRange { first: 0, last: u64::MAX }];
                let (queue, number) = (QueueId(1), 1);
                let work = match place % 4 {
                    0 => Command::Return { queue, number, ranges: all, failed: true },
                    _ => Command::Settle { queue, number, ranges: all },
                };
                chunks.push(system(vec![Command::Attach { queue, number, options }, work]));
            }
            let out = apply(&mut machine, place, &chunks);
            model.apply_entry(at(place), &chunks);
            let delivered = out.deliveries.iter().flat_map(|delivery| &delivery.messages);
            new.extend(delivered.filter(|message| !message.redelivered).map(|message| message.message));
        }
        let published: Vec<_> = model.queues[&QueueId(1)].enqueued.iter().map(|message| message.reference).collect();
        prop_assert_eq!(&new[..], &published[..new.len()]);
    }

    #[test]
    fn a_retried_chunk_is_applied_once(plan in plans(30)) {
        let (mut once, mut retried, mut numberer) = (Machine::new(), Machine::new(), Numberer::default());
        for (place, entry) in plan.iter().enumerate() {
            let mut chunks = numberer.entry(entry);
            // Time passes between a chunk and its retry.
            plain(&mut chunks);
            // Chunks that are not numbered come at the start only, where the queues are made.
            chunks.retain(|chunk| chunk.producer.node != NodeId(0) || place == 0);
            let first = apply(&mut once, 2 * place, &chunks);
            prop_assert_eq!(&apply(&mut retried, 2 * place, &chunks), &first);
            let was_applied = |reply: &ChunkReply| matches!(reply.result, ChunkResult::Applied(_));
            let mut results = first.replies.iter();
            chunks.retain(|chunk| was_applied(results.next().unwrap()) && chunk.producer.node != NodeId(0));
            let again = apply(&mut retried, 2 * place + 1, &chunks);
            prop_assert!(!again.replies.iter().any(was_applied));
            prop_assert!(again.deliveries.is_empty());
        }
        prop_assert_eq!(once.queues().collect::<Vec<_>>(), retried.queues().collect::<Vec<_>>());
        for queue in once.queues() {
            prop_assert_eq!(once.stats(queue), retried.stats(queue));
        }
    }
}

/// Messages come in when they are published.
fn without_delays(chunks: &mut [Chunk]) {
    for command in chunks.iter_mut().flat_map(|chunk| &mut chunk.commands) {
        if let Command::Enqueue(enqueue) = command {
            enqueue.runs.iter_mut().for_each(|run| run.options.delay = Delay::None);
        }
    }
}

/// Takes all wishes out of queues' settings and messages.
fn plain(chunks: &mut [Chunk]) {
    for command in chunks.iter_mut().flat_map(|chunk| &mut chunk.commands) {
        if let Command::CreateQueue { config, .. } | Command::ConfigureQueue { config, .. } = command {
            *config = QueueConfig::default();
        }
        if let Command::Enqueue(enqueue) = command {
            enqueue.source = None;
            enqueue.runs.iter_mut().for_each(|run| run.options = EnqueueOptions::default());
        }
    }
}

fn system(commands: Vec<Command>) -> Chunk {
    Chunk { producer: Producer::default(), seq: 0, session: system_session(), commands, slots: 0 }
}

fn system_session() -> SessionId {
    SessionId { node: NodeId(99), serial: 1 }
}

#[test]
fn random_bytes_are_never_a_snapshot_that_panics() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let bytes = prop::collection::vec(0..8_u8, 0..60);
    runner
        .run(&(bytes.clone(), bytes), |(header, queues)| {
            for version in [1, 2] {
                let mut start = vec![version, 5, 50, 1, 2];
                start.extend(&header);
                let segments = [(0, Bytes::from(start)), (1, Bytes::from(queues.clone()))];
                if let Ok(machine) = Machine::restore(segments) {
                    machine.check().unwrap();
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_answer_to_a_get_names_the_pseudo_consumer_that_holds_the_message() {
    let mut machine = Machine::new();
    let queue = QueueId(1);
    let create = Command::CreateQueue { queue, config: QueueConfig::default() };
    let runs = vec![queue::EnqueueRun { queue, first_slot: 0, count: 1, ..Default::default() }];
    let publish = Command::Enqueue(queue::Enqueue { first_slot: 0, sizes: vec![1], runs, source: None });
    let chunk = Chunk { slots: 1, ..system(vec![create, publish, Command::Get { queue, no_ack: false }]) };
    let out = apply(&mut machine, 0, std::slice::from_ref(&chunk));
    let ChunkResult::Applied(replies) = &out.replies[0].result else { panic!("not applied") };
    let Reply::Got(got) = replies[2] else { panic!("nothing fetched") };
    let mut again = Outcome::default();
    machine.reissue(&mut again);
    assert_eq!(again.deliveries[0].consumer, ConsumerKey { session: chunk.session, number: ConsumerKey::GET });
    assert_eq!((again.deliveries[0].first_seq, again.deliveries[0].messages[0].message), (got.seq, got.message));
}
