//! How many bytes of a group's log lie between two indexes, about: what it takes to read them again, and what they hold on disk.
//!
//! Marks are kept for every so many entries, since this node was started; what is older counts nothing.

use std::collections::VecDeque;

/// Entries between two marks.
const STEP: u64 = 64;
/// Marks that are kept, at most: they cover twice what a leader keeps of its log for others.
const MARKS_MAX: usize = 16 * 1024;

/// Sizes of the newest entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogSize {
    /// Index of an entry, and what all before it have, ascending.
    marks: VecDeque<(u64, Size)>,
    /// All entries since the start.
    total: Size,
}

/// Bytes of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Commands, which are there until the log is purged.
    pub heads: u64,
    /// Commands and message bodies.
    pub all: u64,
}

impl LogSize {
    /// An entry was appended.
    pub(crate) fn append(&mut self, index: u64, head: usize, blob: usize) {
        // What is appended again after a truncation counts again; that is rare and does no harm.
        while self.marks.back().is_some_and(|(last, _)| *last >= index) {
            self.marks.pop_back();
        }
        if self.marks.back().is_none_or(|(last, _)| index >= last + STEP) {
            self.marks.push_back((index, self.total));
            if self.marks.len() > MARKS_MAX {
                self.marks.pop_front();
            }
        }
        let (head, blob) = (wide(head), wide(blob));
        self.total.heads += head;
        self.total.all += head + blob;
    }

    /// What entries after this one have.
    pub(crate) fn after(&self, index: u64) -> Size {
        let next = self.marks.partition_point(|(mark, _)| *mark <= index);
        let before = match next.checked_sub(1) {
            Some(at) => self.marks[at].1,
            None => self.marks.front().map_or(self.total, |(_, size)| *size),
        };
        Size { heads: self.total.heads - before.heads, all: self.total.all - before.all }
    }

    /// The lowest index after which the heads have no more than so many bytes.
    pub(crate) fn heads_within(&self, bytes: u64) -> u64 {
        let from = self.total.heads.saturating_sub(bytes);
        let at = self.marks.partition_point(|(_, size)| size.heads < from);
        match self.marks.get(at) {
            Some((mark, _)) if at > 0 => *mark,
            Some(_) => 0,
            None => self.marks.back().map_or(0, |(mark, _)| *mark),
        }
    }
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_after_an_entry_are_known_to_within_a_step() {
        let mut size = LogSize::default();
        (1..=1000).for_each(|index| size.append(index, 10, 90));
        let after = size.after(500);
        assert!((5000..=5000 + STEP * 10).contains(&after.heads), "{after:?}");
        assert_eq!(after.all, after.heads * 10);
        assert_eq!(size.after(5000).heads, (1000 % STEP) * 10, "the step that is not full");
    }

    #[test]
    fn what_was_there_before_the_start_counts_nothing() {
        let mut size = LogSize::default();
        assert_eq!(size.after(7), Size::default());
        (1_000_000..1_000_100).for_each(|index| size.append(index, 1, 0));
        assert_eq!(size.after(5).heads, 100);
        assert_eq!(size.heads_within(1000), 0, "all of it fits");
    }

    #[test]
    fn the_tail_of_so_many_bytes_starts_at_an_index_and_is_bounded() {
        let mut size = LogSize::default();
        (1..=100_000).for_each(|index| size.append(index, 10, 0));
        let from = size.heads_within(50_000);
        assert!((95_000..=95_000 + STEP).contains(&from), "{from}");
        assert!(size.after(from).heads <= 50_000);
        (100_001..=3_000_000).for_each(|index| size.append(index, 10, 0));
        assert!(size.marks.len() <= MARKS_MAX);
    }

    #[test]
    fn entries_that_were_truncated_leave_no_marks() {
        let mut size = LogSize::default();
        (1..=1000).for_each(|index| size.append(index, 10, 0));
        (100..=200).for_each(|index| size.append(index, 10, 0));
        assert!(size.marks.iter().all(|(mark, _)| *mark <= 200));
    }
}
