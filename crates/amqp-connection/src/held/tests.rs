//! The held deliveries against examples, and against a naive model.

use std::{collections::BTreeMap, ops::RangeInclusive};

use proptest::prelude::*;
use types::SeqRange;

use super::*;
use crate::Settled;

fn origin(consumer: u32, seq: u64) -> Origin {
    Origin { consumer, queue: QueueId(u64::from(consumer) + 100), seq }
}

fn settled(consumer: u32, first: u64, last: u64) -> Settled {
    Settled { consumer, queue: QueueId(u64::from(consumer) + 100), range: SeqRange { first, last } }
}

fn holding(count: u64) -> Held {
    let mut held = Held::default();
    for seq in 1..=count {
        assert_eq!(held.hold(origin(1, seq)), seq);
    }
    held
}

#[test]
fn tags_count_up_from_one_whether_held_or_not() {
    let mut held = Held::default();
    assert_eq!(held.skip(), 1);
    assert_eq!(held.hold(origin(1, 1)), 2);
    assert_eq!(held.skip(), 3);
    assert_eq!(held.settle_one(1), Err(UnknownTag));
    assert_eq!(held.settle_one(3), Err(UnknownTag));
    assert_eq!(held.settle_one(2).unwrap().as_slice(), [settled(1, 1, 1)]);
}

#[test]
fn a_tag_is_settled_once() {
    let mut held = holding(3);
    assert!(held.settle_one(2).is_ok());
    assert_eq!(held.settle_one(2), Err(UnknownTag));
    assert_eq!(held.settle_up_to(2), Err(UnknownTag));
    assert_eq!(held.settle_one(4), Err(UnknownTag));
    assert_eq!(held.settle_one(0), Err(UnknownTag));
    assert_eq!(held.len(), 2);
}

#[test]
fn multiple_settles_what_is_left_up_to_the_tag() {
    let mut held = holding(10);
    held.settle_one(3).unwrap();
    assert_eq!(held.settle_up_to(5).unwrap().as_slice(), [settled(1, 1, 2), settled(1, 4, 5)]);
    assert_eq!(held.settle_up_to(0).unwrap().as_slice(), [settled(1, 6, 10)]);
    assert_eq!(held.len(), 0);
    assert!(held.settle_up_to(0).unwrap().is_empty());
}

#[test]
fn consumers_in_turn_are_merged_into_a_range_each() {
    let mut held = Held::default();
    for seq in 1..=100 {
        held.hold(origin(1, seq));
        held.hold(origin(2, seq));
    }
    assert_eq!(held.settle_up_to(200).unwrap().as_slice(), [settled(1, 1, 100), settled(2, 1, 100)]);
}

#[test]
fn one_message_held_for_ever_costs_no_memory_for_the_others() {
    let mut held = holding(1);
    for seq in 2..100_000 {
        let tag = held.hold(origin(1, seq));
        let newest = held.hold(origin(2, seq));
        held.settle_one(tag).unwrap();
        if seq > 2 {
            held.settle_one(newest - 2).unwrap();
        }
    }
    assert_eq!(held.len(), 2);
    assert!(held.ring.capacity() < 1024, "{}", held.ring.capacity());
}

#[test]
fn memory_of_a_burst_is_given_back() {
    let mut held = holding(100_000);
    held.settle_up_to(99_999).unwrap();
    assert!(held.ring.capacity() >= 100_000);
    held.settle_one(100_000).unwrap();
    assert_eq!(held.ring.capacity(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Hold(u32),
    Skip,
    One(u64),
    UpTo(u64),
    Recover,
    Commit,
    RollBack,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1u32..4).prop_map(Step::Hold),
        1 => Just(Step::Skip),
        6 => (0u64..400).prop_map(Step::One),
        1 => (0u64..400).prop_map(Step::UpTo),
        1 => Just(Step::Recover),
        2 => Just(Step::Commit),
        2 => Just(Step::RollBack),
    ]
}

/// Every sequence number of a list, by origin, in the order of the list.
fn spread(list: &SettledList) -> Vec<Origin> {
    let one = |s: &Settled| {
        let (consumer, queue) = (s.consumer, s.queue);
        (s.range.first..=s.range.last).map(move |seq| Origin { consumer, queue, seq }).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = list.iter().flat_map(one).collect();
    all.sort();
    all
}

/// What a client holds, and what it has settled in a transaction, by tag.
#[derive(Default)]
struct Model {
    held: BTreeMap<u64, Origin>,
    kept: BTreeMap<u64, Origin>,
}

impl Model {
    /// Settles those that are held of these tags.
    fn settle(&mut self, tags: RangeInclusive<u64>) -> Vec<Origin> {
        let gone: BTreeMap<_, _> = self.held.range(tags).map(|(tag, origin)| (*tag, *origin)).collect();
        self.held.retain(|tag, _| !gone.contains_key(tag));
        let mut all: Vec<_> = gone.values().copied().collect();
        all.sort();
        self.kept.extend(gone);
        all
    }
}

proptest! {
    #[test]
    fn held_deliveries_match_a_naive_model(
        steps in prop::collection::vec(step(), 0..600),
        is_transactional in any::<bool>(),
    ) {
        let mut held = Held::default();
        if is_transactional {
            held.start_transactions();
        }
        let mut model = Model::default();
        let mut last = 0;
        let mut seqs = [0u64; 4];
        for step in steps {
            match step {
                Step::Hold(consumer) => {
                    let seq = &mut seqs[usize::try_from(consumer).unwrap()];
                    *seq += 1;
                    last += 1;
                    model.held.insert(last, origin(consumer, *seq));
                    prop_assert_eq!(held.hold(origin(consumer, *seq)), last);
                }
                Step::Skip => {
                    last += 1;
                    prop_assert_eq!(held.skip(), last);
                }
                Step::One(tag) => {
                    let known = model.held.contains_key(&tag);
                    let got = held.settle_one(tag);
                    prop_assert_eq!(got.is_ok(), known);
                    prop_assert_eq!(got.map(|list| spread(&list)).unwrap_or_default(), model.settle(tag..=tag));
                }
                Step::UpTo(tag) if tag == 0 || model.held.contains_key(&tag) => {
                    let end = if tag == 0 { last } else { tag };
                    prop_assert_eq!(spread(&held.settle_up_to(tag).unwrap()), model.settle(0..=end));
                }
                Step::UpTo(tag) => prop_assert_eq!(held.settle_up_to(tag), Err(UnknownTag)),
                Step::Recover => {
                    let kept = model.kept.clone();
                    prop_assert_eq!(spread(&held.recover()), model.settle(0..=last));
                    model.kept = kept;
                }
                Step::Commit => {
                    held.commit();
                    model.kept.clear();
                }
                Step::RollBack => {
                    held.roll_back();
                    if is_transactional {
                        model.held.append(&mut model.kept);
                    }
                }
            }
            prop_assert_eq!(held.len(), model.held.len());
            prop_assert_eq!(held.kept_len(), if is_transactional { model.kept.len() } else { 0 });
        }
    }
}
