//! Sets of log indexes as runs, and how runs of indexes are cut.

use std::{collections::BTreeMap, iter};

/// An inclusive range of log indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Run {
    /// How many indexes it holds, capped at 2^64 - 1.
    pub(crate) fn count(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

/// A set of indexes. Costs memory per run, not per index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexRuns {
    /// First of a run to its last; runs neither overlap nor touch.
    runs: BTreeMap<u64, u64>,
}

impl IndexRuns {
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.runs.last_key_value().map(|(_, last)| *last)
    }

    pub(crate) fn contains(&self, index: u64) -> bool {
        self.runs.range(..=index).next_back().is_some_and(|(_, last)| *last >= index)
    }

    pub(crate) fn insert(&mut self, index: u64) {
        if self.contains(index) {
            return;
        }
        let mut run = Run { first: index, last: index };
        if let Some(before) = index.checked_sub(1)
            && let Some((first, last)) = self.runs.range(..=before).next_back()
            && *last == before
        {
            run.first = *first;
        }
        if let Some(after) = index.checked_add(1)
            && let Some(last) = self.runs.remove(&after)
        {
            run.last = last;
        }
        self.runs.insert(run.first, run.last);
    }

    pub(crate) fn remove(&mut self, index: u64) {
        let Some((&first, &last)) = self.runs.range(..=index).next_back() else { return };
        if last < index {
            return;
        }
        self.runs.remove(&first);
        if first < index {
            self.runs.insert(first, index - 1);
        }
        if index < last {
            self.runs.insert(index + 1, last);
        }
    }

    /// Forgets all indexes up to and including this one.
    pub(crate) fn remove_up_to(&mut self, index: u64) {
        let Some(after) = index.checked_add(1) else {
            self.runs.clear();
            return;
        };
        let mut kept = self.runs.split_off(&after);
        if let Some((_, last)) = self.runs.pop_last()
            && last > index
        {
            kept.insert(after, last);
        }
        self.runs = kept;
    }

    /// The parts of `within` that are not in the set, ascending.
    pub(crate) fn gaps(&self, within: Run) -> Vec<Run> {
        let before = self.runs.range(..within.first).next_back();
        let inside = self.runs.range(within.first..=within.last);
        let taken = before.into_iter().chain(inside).map(|(first, last)| Run { first: *first, last: *last });
        gaps(within, taken)
    }
}

/// The parts of `within` that none of the `taken` runs covers. Runs are ascending and do not overlap; they may reach outside.
pub(crate) fn gaps(within: Run, taken: impl Iterator<Item = Run>) -> Vec<Run> {
    let mut gaps = Vec::new();
    let mut next = Some(within.first);
    for run in taken {
        let Some(first) = next else { break };
        if run.first > within.last {
            break;
        }
        if run.first > first {
            gaps.push(Run { first, last: run.first - 1 });
        }
        if run.last >= first {
            next = run.last.checked_add(1);
        }
    }
    if let Some(first) = next
        && first <= within.last
    {
        gaps.push(Run { first, last: within.last });
    }
    gaps
}

/// Cuts ascending indexes into runs. An index that does not ascend starts a run of its own.
pub(crate) fn runs(indexes: &[u64]) -> impl Iterator<Item = Run> {
    let mut rest = indexes;
    iter::from_fn(move || {
        let (&first, _) = rest.split_first()?;
        let mut last = first;
        let mut len = 1;
        while let Some(&next) = rest.get(len)
            && Some(next) == last.checked_add(1)
        {
            last = next;
            len += 1;
        }
        rest = &rest[len..];
        Some(Run { first, last })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn run(first: u64, last: u64) -> Run {
        Run { first, last }
    }

    #[test]
    fn ascending_indexes_are_cut_at_their_gaps() {
        let cut: Vec<_> = runs(&[1, 2, 3, 5, 9, 10]).collect();
        assert_eq!(cut, [run(1, 3), run(5, 5), run(9, 10)]);
        assert_eq!(runs(&[]).count(), 0);
    }

    #[test]
    fn gaps_reach_to_both_ends_of_the_numbers() {
        let within = run(0, u64::MAX);
        assert_eq!(gaps(within, [run(3, 4)].into_iter()), [run(0, 2), run(5, u64::MAX)]);
        assert_eq!(gaps(within, [run(0, u64::MAX)].into_iter()), []);
    }

    proptest! {
        #[test]
        fn runs_hold_what_a_set_of_numbers_holds(steps in prop::collection::vec((0..4u8, 0..40u64), 0..200)) {
            let mut naive = BTreeSet::new();
            let mut set = IndexRuns::default();
            for (what, index) in steps {
                match what {
                    0 | 1 => { naive.insert(index); set.insert(index); }
                    2 => { naive.remove(&index); set.remove(index); }
                    _ => if index % 5 == 0 {
                        naive.retain(|i| *i > index);
                        set.remove_up_to(index);
                    }
                }
                prop_assert!((0..41).all(|i| set.contains(i) == naive.contains(&i)));
                prop_assert_eq!(set.last(), naive.last().copied());
                prop_assert_eq!(set.is_empty(), naive.is_empty());
            }
            let free: Vec<u64> = set.gaps(run(5, 35)).iter().flat_map(|r| r.first..=r.last).collect();
            let expected: Vec<u64> = (5..=35).filter(|i| !naive.contains(i)).collect();
            prop_assert_eq!(free, expected);
        }
    }
}
