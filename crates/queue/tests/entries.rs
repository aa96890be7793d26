//! What entries, chunks, leaders and checkpoints ask of a machine, beyond single commands.
#![allow(clippy::as_conversions, clippy::unwrap_used, reason = "tests with small numbers")]

use bytes::Bytes;
use queue::{At, ChunkResult, Command, Machine, NodePresence, Outcome, Producer, Reply, RestoreError};
use types::{NodeId, Timestamp};

#[path = "support/group.rs"]
#[allow(dead_code, unreachable_pub, clippy::wildcard_enum_match_arm, reason = "shared by tests only")]
mod group;

use group::*;

#[test]
fn a_chunk_that_comes_again_is_answered_and_not_applied() {
    let mut group = Group::new();
    let chunk = numbered(1, 7, 1, vec![publish(&[QUEUE], 1)]);
    let out = group.entry(&[chunk.clone(), chunk.clone()]);
    assert_eq!(out.replies[0].result, ChunkResult::Applied(vec![Reply::Done]));
    assert_eq!(out.replies[1].result, ChunkResult::Duplicate);
    assert_eq!((out.replies[1].producer, out.replies[1].seq), (chunk.producer, 1));
    let out = group.entry(&[chunk]);
    assert_eq!((out.replies.len(), out.dead), (1, vec![group.index]), "its blob is of no use");
    assert_eq!(group.ready(QUEUE), 1);
}

#[test]
fn chunks_after_a_missing_one_wait_for_it() {
    let mut group = Group::new();
    let results = |out: Outcome| out.replies.into_iter().map(|reply| reply.result).collect::<Vec<_>>();
    let done = || ChunkResult::Applied(vec![Reply::Done]);
    let tick = |seq| numbered(1, 7, seq, vec![Command::Tick]);
    assert_eq!(results(group.entry(&[tick(1), tick(3), tick(4)])), [done(), gap(2), gap(2)]);
    assert_eq!(results(group.entry(&[tick(2), tick(3)])), [done(), done()]);
}

fn gap(expected: u64) -> ChunkResult {
    ChunkResult::Gap { expected }
}

#[test]
fn chunks_of_an_incarnation_that_is_over_are_refused() {
    let mut group = Group::new();
    group.entry(&[numbered(1, 7, 1, vec![Command::Tick])]);
    assert_eq!(group.machine.producers(), [Producer { node: NodeId(1), boot: 7 }]);
    group.run(Command::NodeDown { node: NodeId(1), boot: 7, sessions_up_to: 0 });
    assert_eq!(group.machine.producers(), []);
    for boot in [6, 7] {
        let out = group.entry(&[numbered(1, boot, 1, vec![publish(&[QUEUE], 1)])]);
        assert_eq!(out.replies[0].result, ChunkResult::Fenced);
    }
    let out = group.entry(&[numbered(1, 8, 1, vec![Command::Tick])]);
    assert_eq!(out.replies[0].result, ChunkResult::Applied(vec![Reply::Done]));
}

#[test]
fn a_chunk_that_declares_its_own_node_down_is_the_last_one() {
    let mut group = Group::new();
    let down = Command::NodeDown { node: NodeId(1), boot: 7, sessions_up_to: 9 };
    let out = group.entry(&[numbered(1, 7, 1, vec![down]), numbered(1, 7, 2, vec![Command::Tick])]);
    assert_eq!(out.replies[0].result, ChunkResult::Applied(vec![Reply::Done]));
    assert_eq!(out.replies[1].result, ChunkResult::Fenced);
}

#[test]
fn nodes_are_those_with_sessions_or_producers() {
    let mut group = Group::new();
    group.entry(&[numbered(4, 7, 1, vec![Command::Tick])]);
    group.act_as(session(2, 5), attach(1, prefetch(1)));
    group.act_as(session(4, 6), attach(1, prefetch(1)));
    group.act_as(session(4, 8), attach(1, prefetch(1)));
    let presence = |node, boot, least, greatest| NodePresence {
        node: NodeId(node),
        boot,
        session_serial_min: Some(least),
        session_serial_max: Some(greatest),
    };
    let expected = [presence(2, None, 5, 5), presence(4, Some(7), 6, 8)];
    assert_eq!(group.machine.nodes(), expected);
}

#[test]
fn time_never_goes_back() {
    let mut machine = Machine::new();
    for (index, proposed_at, expected) in [(1, 50, 50), (2, 40, 50), (3, 60, 60)] {
        machine.apply_entry(At { index, proposed_at: Timestamp(proposed_at) }, &[], &mut Outcome::default());
        assert_eq!(machine.time(), Timestamp(expected));
    }
    assert_eq!(machine.next_deadline(), None);
}

#[test]
#[should_panic(expected = "entry 3 comes again")]
fn an_entry_that_comes_again_stops_the_machine() {
    let mut machine = Machine::new();
    for index in [3, 3] {
        machine.apply_entry(At { index, ..At::default() }, &[], &mut Outcome::default());
    }
}

#[test]
fn an_entry_without_messages_is_never_reported_dead() {
    let mut group = Group::new();
    let (_, out) = group.act(Command::Tick);
    assert_eq!(out.dead, []);
    assert_eq!(group.machine.live_entries(), 0);
}

#[test]
fn a_new_leader_sends_again_what_is_held_in_runs_without_gaps() {
    let mut group = Group::new();
    let index = group.publish(5);
    group.run(attach(1, prefetch(5)));
    group.run(settle(1, 3, 3));
    group.run(Command::Detach { queue: QUEUE, number: 1 });
    let expected: Vec<_> = [(1, [0, 1]), (4, [3, 4])]
        .map(|(first_seq, slots)| queue::Delivery {
            consumer: consumer(1),
            queue: QUEUE,
            first_seq,
            messages: slots.map(|slot| fresh(index, slot)).to_vec(),
        })
        .to_vec();
    assert_eq!(group.reissued(), expected);
    assert_eq!(Machine::restore(group.machine.snapshot()).unwrap().digest(), group.machine.digest());
}

#[test]
fn large_states_are_cut_into_segments() {
    let mut group = Group::new();
    for _ in 0..200_000 {
        group.index += 1;
        let at = At { index: group.index, ..At::default() };
        group.machine.apply_entry(at, &[chunk(me(), vec![publish(&[QUEUE, OTHER], 1)])], &mut Outcome::default());
    }
    group.run(attach(1, credit(100_000)));
    let snapshot = group.machine.snapshot();
    assert!(snapshot.len() > 5);
    assert!(snapshot.iter().all(|(_, segment)| segment.len() < 300 * 1024));
    assert!(snapshot.iter().map(|(key, _)| *key).eq(0..snapshot.len() as u64));
    let restored = Machine::restore(snapshot.clone()).unwrap();
    restored.check().unwrap();
    assert_eq!(restored.snapshot(), snapshot);

    let mut one_less = snapshot.clone();
    one_less.remove(3);
    assert_eq!(Machine::restore(one_less).unwrap_err(), RestoreError::Missing { expected: 3 });
    let mut cut = snapshot;
    cut.pop();
    let expected = cut.len() as u64;
    assert_eq!(Machine::restore(cut).unwrap_err(), RestoreError::Missing { expected });
}

#[test]
fn what_is_no_snapshot_is_refused() {
    assert_eq!(Machine::restore([]).unwrap_err(), RestoreError::Empty);
    let header = |bytes: &'static [u8]| [(0, Bytes::from_static(bytes))];
    assert_eq!(Machine::restore(header(&[9])).unwrap_err(), RestoreError::UnknownVersion(9));
    assert!(matches!(Machine::restore(header(&[])), Err(RestoreError::Damaged { segment: 0, .. })));
    let empty = Machine::new().snapshot();
    assert_eq!(empty.len(), 1);
    assert_eq!(Machine::restore(empty).unwrap().digest(), Machine::new().digest());
}

#[test]
fn a_snapshot_of_the_first_version_is_still_read() {
    let header = vec![1, 50, 8, 1, 2, 0];
    let queue = [1, 1, 5, 2, 0, 1, 0, 0];
    let (piece, returned) = ([2, 7, 2, 3, 10], [3, 0, 7, 0, 10, 1]);
    let (holder, held) = ([4, 0, 1, 1, 1, 1, 1, 0, 0, 3], [5, 2, 1, 7, 1, 10, 0]);
    let items = [queue.as_slice(), &piece, &returned, &holder, &held].concat();
    let mut group = Group::new();
    group.machine = Machine::restore([(0, Bytes::from(header)), (1, Bytes::from(items))]).unwrap();
    group.index = 7;
    assert_eq!(group.reissued()[0].messages, [fresh(7, 1)]);
    let index = group.publish(1);
    let (_, out) = group.act(attach(2, prefetch(9)));
    let expected = [again(7, 0, 1), fresh(7, 2), fresh(7, 3), fresh(7, 4), fresh(index, 0)];
    assert_eq!(out.deliveries[0].messages, expected);
}
