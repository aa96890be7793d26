//! Confirms against examples, and against a client that applies every answer as the protocol says.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn published(count: u64) -> Confirms {
    let mut confirms = Confirms::new();
    for seq in 1..=count {
        assert_eq!(confirms.number(), seq);
    }
    confirms
}

fn flushed(confirms: &mut Confirms) -> Vec<Answer> {
    let mut answers = Vec::new();
    confirms.flush(|answer| answers.push(answer));
    answers
}

fn range(first: u64, last: u64) -> SeqRange {
    SeqRange { first, last }
}

fn answer(seq: u64, multiple: bool, ok: bool) -> Answer {
    Answer { seq, multiple, ok }
}

#[test]
fn acks_in_order_become_one_frame() {
    let mut confirms = published(100);
    for seq in 1..=60 {
        confirms.settle(SeqRange::one(seq), true);
    }
    assert!(confirms.is_pending());
    assert_eq!(flushed(&mut confirms), [answer(60, true, true)]);
    assert!(!confirms.is_pending());
    assert_eq!(confirms.unanswered(), 40);
    confirms.settle(SeqRange::one(61), true);
    assert_eq!(flushed(&mut confirms), [answer(61, false, true)]);
}

#[test]
fn answers_beyond_a_gap_stand_alone_and_are_not_repeated() {
    let mut confirms = published(6);
    confirms.settle(range(3, 4), true);
    confirms.settle(SeqRange::one(6), false);
    assert_eq!(flushed(&mut confirms), [answer(3, false, true), answer(4, false, true), answer(6, false, false)]);
    assert_eq!(confirms.unanswered(), 3);
    confirms.settle(range(1, 2), true);
    assert_eq!(flushed(&mut confirms), [answer(2, true, true)]);
    confirms.settle(SeqRange::one(5), true);
    assert_eq!(flushed(&mut confirms), [answer(5, false, true)]);
    assert_eq!(confirms.unanswered(), 0);
}

#[test]
fn a_multiple_ack_may_pass_over_numbers_answered_before() {
    let mut confirms = published(5);
    confirms.settle(SeqRange::one(2), false);
    assert_eq!(flushed(&mut confirms), [answer(2, false, false)]);
    confirms.settle(SeqRange::one(1), true);
    confirms.settle(range(3, 5), true);
    assert_eq!(flushed(&mut confirms), [answer(5, true, true)]);
}

#[test]
fn nacks_between_acks_keep_the_order() {
    let mut confirms = published(9);
    confirms.settle(range(7, 9), true);
    confirms.settle(range(4, 6), false);
    confirms.settle(range(1, 3), true);
    assert_eq!(flushed(&mut confirms), [answer(3, true, true), answer(6, true, false), answer(9, true, true)]);
}

#[test]
fn numbers_that_were_never_given_or_are_answered_are_passed_over() {
    let mut confirms = published(3);
    confirms.settle(range(1, 9), true);
    confirms.settle(range(2, 3), false);
    assert_eq!(flushed(&mut confirms), [answer(3, true, true)]);
    confirms.settle(range(1, 3), false);
    confirms.settle(range(0, 0), true);
    assert!(!confirms.is_pending());
}

proptest! {
    #[test]
    fn the_client_learns_the_fate_of_every_publish_once(
        fates in prop::collection::vec((any::<bool>(), 0u8..8, 1u64..5), 1..120),
    ) {
        // Runs of publishes in an order given by their delay; a flush after each delay class.
        let total: u64 = fates.iter().map(|(_, _, len)| len).sum();
        let mut confirms = published(total);
        let mut expected = BTreeMap::new();
        let mut runs = Vec::new();
        let mut next = 1;
        for (ok, delay, len) in fates {
            runs.push((delay, range(next, next + len - 1), ok));
            (next..next + len).for_each(|seq| { expected.insert(seq, ok); });
            next += len;
        }
        runs.sort_by_key(|(delay, _, _)| *delay);
        let mut known = BTreeMap::new();
        for delay in 0..8 {
            for (_, range, ok) in runs.iter().filter(|(d, _, _)| *d == delay) {
                confirms.settle(*range, *ok);
            }
            for Answer { seq, multiple, ok } in flushed(&mut confirms) {
                let from = if multiple { 1 } else { seq };
                prop_assert!(!known.contains_key(&seq), "{} is answered twice", seq);
                (from..=seq).for_each(|seq| { known.entry(seq).or_insert(ok); });
            }
            let settled: u64 = runs.iter().filter(|(d, _, _)| *d <= delay).map(|(_, range, _)| range.count()).sum();
            prop_assert_eq!(u64::try_from(known.len()).unwrap(), settled);
            prop_assert_eq!(confirms.unanswered(), total - settled);
        }
        prop_assert_eq!(known, expected);
    }
}
