//! Messages come in.
//!
//! Cost is per run, whatever the number of messages, but for the sizes, which are summed. What does not fit the chunk (slots
//! that it does not have) is dropped: nobody can have been promised that it is there.

use std::{borrow::Cow, collections::BTreeSet};

use crate::{
    DeadLetterSource, Enqueue, EnqueueRun, Machine, Outcome, Reply, SlotRange,
    backlog::{Piece, SIZE_MAX, Sizes},
    machine::NEVER,
    number,
};

use super::Scope;

pub(super) fn apply(machine: &mut Machine, scope: &Scope, enqueue: &Enqueue, out: &mut Outcome) -> Reply {
    let mut not_taken = NotTaken::default();
    match &enqueue.source {
        None => enqueue.runs.iter().for_each(|run| apply_run(machine, scope, enqueue, run, &mut not_taken, out)),
        Some(source) => apply_dead_letters(machine, scope, enqueue, source, &mut not_taken, out),
    }
    let NotTaken { rejected, missing } = not_taken;
    if rejected.is_empty() && missing.is_empty() {
        return Reply::Done;
    }
    Reply::NotTaken { rejected: SlotRange::merged(rejected), missing: SlotRange::merged(missing) }
}

/// Slots, of the chunk, of messages that a queue has not taken, in any order.
#[derive(Debug, Default)]
struct NotTaken {
    /// There is no room for them.
    rejected: Vec<SlotRange>,
    /// The queue is not there.
    missing: Vec<SlotRange>,
}

/// Takes in one run.
fn apply_run(
    machine: &mut Machine,
    scope: &Scope,
    enqueue: &Enqueue,
    run: &EnqueueRun,
    NotTaken { rejected, missing }: &mut NotTaken,
    out: &mut Outcome,
) {
    let Some(first_slot) = slot_in_entry(scope, run) else { return };
    let there = machine.with_queue(run.queue, out, |queue, work| {
        if work.releaser.add(run.count).is_err() {
            // More references than an entry can have slots for; only a broken sender gets here.
            return;
        }
        let before = rejected.len();
        let sizes = sizes_of(enqueue, run);
        let pieces = pieces(scope.index, first_slot, run.count, &sizes);
        queue.enqueue(pieces, &run.options, work, rejected);
        for slots in rejected.iter_mut().skip(before) {
            slots.first -= first_slot - run.first_slot;
        }
    });
    if there.is_none() {
        missing.push(SlotRange { first: run.first_slot, count: run.count });
    }
}

/// Takes in dead letters of another queue, but for those that came before.
fn apply_dead_letters(
    machine: &mut Machine,
    scope: &Scope,
    enqueue: &Enqueue,
    source: &DeadLetterSource,
    not_taken: &mut NotTaken,
    out: &mut Outcome,
) {
    let slots = || (enqueue.first_slot..=u32::MAX).zip(source.numbers.iter().copied());
    let known: BTreeSet<u32> =
        slots().filter(|(_, number)| !machine.sources.is_new(source.queue, *number)).map(|(slot, _)| slot).collect();
    for run in &enqueue.runs {
        let Some(end) = run.first_slot.checked_add(run.count).filter(|_| run.count > 0) else { continue };
        let mut first = run.first_slot;
        for slot in known.range(run.first_slot..end).copied().chain([end]) {
            if slot > first {
                let part = EnqueueRun { first_slot: first, count: slot - first, ..*run };
                apply_run(machine, scope, enqueue, &part, not_taken, out);
            }
            first = slot.saturating_add(1);
        }
    }
    let refused: BTreeSet<u32> =
        not_taken.rejected.iter().flat_map(|range| range.first..range.first + range.count).collect();
    for (slot, number) in slots().filter(|(slot, _)| !known.contains(slot)) {
        machine.sources.note(source.queue, number, refused.contains(&slot));
    }
}

/// The run's first slot in the entry's blob, or `None` when the run does not lie within its chunk.
fn slot_in_entry(scope: &Scope, run: &EnqueueRun) -> Option<u32> {
    let end = run.first_slot.checked_add(run.count)?;
    if run.count == 0 || end > scope.slots {
        return None;
    }
    let last = scope.slots_before + u64::from(end) - 1;
    u32::try_from(last).ok().map(|last| last - (run.count - 1))
}

/// The sizes that are known of the run's messages, from the first on. Those that are not count as zero.
fn sizes_of<'a>(enqueue: &'a Enqueue, run: &EnqueueRun) -> Cow<'a, [u32]> {
    let Some(offset) = run.first_slot.checked_sub(enqueue.first_slot) else { return Cow::default() };
    let known = enqueue.sizes.get(number::index(offset)..).unwrap_or_default();
    let known = known.get(..number::index(run.count)).unwrap_or(known);
    if known.iter().fold(0, |all, size| all | size) > SIZE_MAX {
        // Only a broken sender gets here: such a record does not fit a blob.
        return known.iter().map(|size| (*size).min(SIZE_MAX)).collect();
    }
    Cow::Borrowed(known)
}

/// The run as one piece; as two when the sizes of its last messages are not known, so that memory is never used for more
/// sizes than were sent.
fn pieces(index: u64, first_slot: u32, count: u32, sizes: &[u32]) -> impl Iterator<Item = Piece<'_>> {
    let known = u32::try_from(sizes.len()).expect("no more sizes than messages");
    let (position, expires_at, priority) = (0, NEVER, 0);
    let piece = |first_slot, count, sizes| Piece { index, first_slot, count, sizes, position, expires_at, priority };
    let first = piece(first_slot, known, uniform_or_each(sizes));
    let rest = piece(first_slot.wrapping_add(known), count - known, Sizes::Uniform(0));
    [first, rest].into_iter().filter(|piece| piece.count > 0)
}

fn uniform_or_each(sizes: &[u32]) -> Sizes<'_> {
    match sizes.split_first() {
        Some((first, others)) if others.iter().all(|size| size == first) => Sizes::Uniform(*first),
        Some(_) | None => Sizes::Each(sizes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(slots_before: u64, slots: u32) -> Scope {
        Scope { index: 1, session: Default::default(), slots_before, slots }
    }

    fn run(first_slot: u32, count: u32) -> EnqueueRun {
        EnqueueRun { first_slot, count, ..EnqueueRun::default() }
    }

    #[test]
    fn slots_count_from_where_the_chunk_starts() {
        assert_eq!(slot_in_entry(&scope(10, 5), &run(2, 3)), Some(12));
        assert_eq!(slot_in_entry(&scope(u64::from(u32::MAX), 1), &run(0, 1)), Some(u32::MAX));
    }

    #[test]
    fn runs_outside_of_their_chunk_are_dropped() {
        for (first_slot, count) in [(2, 4), (5, 1), (0, 0), (u32::MAX, 2), (0, u32::MAX)] {
            assert_eq!(slot_in_entry(&scope(0, 5), &run(first_slot, count)), None);
        }
        assert_eq!(slot_in_entry(&scope(u64::from(u32::MAX), 2), &run(0, 2)), None);
        assert_eq!(slot_in_entry(&scope(u64::from(u32::MAX) * 3, 2), &run(0, 2)), None);
    }

    #[test]
    fn sizes_that_are_missing_count_as_zero() {
        let enqueue = Enqueue { first_slot: 2, sizes: vec![7, 8, 9], ..Enqueue::default() };
        assert_eq!(*sizes_of(&enqueue, &run(3, 1)), [8]);
        assert_eq!(*sizes_of(&enqueue, &run(3, 9)), [8, 9]);
        assert_eq!(*sizes_of(&enqueue, &run(9, 1)), [0; 0]);
        assert_eq!(*sizes_of(&enqueue, &run(1, 2)), [0; 0]);
        let pieces: Vec<_> = pieces(1, 3, 9, &[8, 9]).collect();
        assert_eq!((pieces[0].first_slot, pieces[0].count, pieces[0].sizes), (3, 2, Sizes::Each(&[8, 9])));
        assert_eq!((pieces[1].first_slot, pieces[1].count, pieces[1].sizes), (5, 7, Sizes::Uniform(0)));
        let broken = Enqueue { sizes: vec![1, u32::MAX], ..Enqueue::default() };
        assert_eq!(*sizes_of(&broken, &run(0, 2)), [1, SIZE_MAX]);
    }

    #[test]
    fn ranges_that_touch_or_overlap_become_one() {
        let range = |first, count| SlotRange { first, count };
        let merged = SlotRange::merged(vec![range(7, 1), range(0, 3), range(3, 1), range(1, 1), range(8, 2)]);
        assert_eq!(merged, [range(0, 4), range(7, 3)]);
    }

    #[test]
    fn equal_sizes_are_one() {
        assert_eq!(uniform_or_each(&[5, 5, 5]), Sizes::Uniform(5));
        assert_eq!(uniform_or_each(&[5, 5, 6]), Sizes::Each(&[5, 5, 6]));
    }
}
