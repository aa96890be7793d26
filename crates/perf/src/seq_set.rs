//! A set of sequence numbers that are added roughly in order: which messages were confirmed, which were received.
//!
//! Everything below `base` is in the set; above it lies a bitmap. A billion messages in order need one word; one that is
//! missing costs a bit for each that follows it.

use std::collections::VecDeque;

/// How far above the first missing number a number may lie. 2^33 bits are 1 GiB.
const AHEAD_MAX: u64 = 1 << 33;

/// What adding a number found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It was not there.
    New,
    /// It was there already.
    Again,
    /// It lies too far ahead to be remembered.
    TooFar,
}

/// A set of sequence numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeqSet {
    /// A multiple of 64.
    base: u64,
    words: VecDeque<u64>,
    len: u64,
}

impl SeqSet {
    /// All numbers below `end`.
    pub(crate) fn below(end: u64) -> Self {
        let base = end / 64 * 64;
        let words = if end == base { VecDeque::new() } else { VecDeque::from([(1 << (end - base)) - 1]) };
        SeqSet { base, words, len: end }
    }

    pub(crate) fn add(&mut self, seq: u64) -> Added {
        let Some(ahead) = seq.checked_sub(self.base) else {
            return Added::Again;
        };
        if ahead >= AHEAD_MAX {
            return Added::TooFar;
        }
        let at = crate::units::index(ahead / 64);
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        let bit = 1 << (ahead % 64);
        let word = &mut self.words[at];
        if *word & bit != 0 {
            return Added::Again;
        }
        *word |= bit;
        self.len += 1;
        while self.words.front() == Some(&u64::MAX) {
            self.words.pop_front();
            self.base += 64;
        }
        Added::New
    }

    /// How many numbers it holds.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// One more than its largest number; zero when it is empty.
    pub(crate) fn end(&self) -> u64 {
        let last = self.words.iter().enumerate().rev().find(|(_, word)| **word != 0);
        match last {
            Some((at, word)) => self.base + 64 * crate::units::count(at) + 64 - u64::from(word.leading_zeros()),
            None => self.base,
        }
    }

    /// How many numbers below its largest it does not hold.
    pub(crate) fn holes(&self) -> u64 {
        self.end() - self.len
    }

    /// How many of its numbers the other set lacks.
    pub(crate) fn missing_in(&self, other: &SeqSet) -> u64 {
        let end = self.base + 64 * crate::units::count(self.words.len());
        let mut missing = 0;
        let mut at = other.base;
        while at < end {
            missing += u64::from((self.word(at) & !other.word(at)).count_ones());
            at += 64;
        }
        missing
    }

    /// The 64 numbers from `at`, a multiple of 64.
    fn word(&self, at: u64) -> u64 {
        match at.checked_sub(self.base) {
            Some(ahead) => self.words.get(crate::units::index(ahead / 64)).copied().unwrap_or(0),
            None => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn set(numbers: impl IntoIterator<Item = u64>) -> SeqSet {
        let mut set = SeqSet::default();
        for number in numbers {
            set.add(number);
        }
        set
    }

    #[test]
    fn numbers_in_order_leave_no_bitmap_behind() {
        let set = set(0..64_000);
        assert_eq!((set.len(), set.end(), set.holes()), (64_000, 64_000, 0));
        assert!(set.words.is_empty());
    }

    #[test]
    fn all_below_a_number_is_what_adding_them_gives() {
        for end in [0, 1, 63, 64, 65, 1000] {
            let below = SeqSet::below(end);
            assert_eq!((below.len(), below.end(), below.holes()), (end, end, 0));
            assert_eq!((below.missing_in(&set(0..end)), set(0..end).missing_in(&below)), (0, 0));
        }
    }

    #[test]
    fn a_number_is_new_once() {
        let mut set = SeqSet::default();
        assert_eq!(set.add(5), Added::New);
        assert_eq!(set.add(5), Added::Again);
        for number in 0..200 {
            set.add(number);
        }
        assert_eq!(set.add(5), Added::Again, "below the base, too");
    }

    #[test]
    fn a_wild_number_is_refused_and_costs_nothing() {
        let mut set = SeqSet::default();
        assert_eq!(set.add(u64::MAX), Added::TooFar);
        assert_eq!((set.len(), set.words.len()), (0, 0));
    }

    #[test]
    fn holes_are_counted_below_the_largest_number() {
        let set = set([0, 1, 5, 130]);
        assert_eq!((set.end(), set.holes()), (131, 127));
    }

    #[test]
    fn missing_numbers_agree_with_a_plain_set() {
        let cases: [(Vec<u64>, Vec<u64>); 5] = [
            ((0..1000).collect(), (0..1000).filter(|n| n % 97 != 3).collect()),
            ((0..10).collect(), (0..500).collect()),
            ((0..500).collect(), (0..10).collect()),
            ((0..300).filter(|n| n % 2 == 0).collect(), (0..300).filter(|n| n % 3 == 0).collect()),
            (vec![], vec![1, 2]),
        ];
        for (ours, theirs) in cases {
            let plain: BTreeSet<u64> = ours.iter().copied().collect();
            let expected = plain.difference(&theirs.iter().copied().collect()).count();
            assert_eq!(set(ours).missing_in(&set(theirs)), crate::units::count(expected));
        }
    }
}
