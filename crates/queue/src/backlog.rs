//! The backlog: ready messages that nobody was given yet, as runs of consecutive slots.
//!
//! Runs lie in segments of bounded size that are shared between clones of a machine. Taking from the head moves a cursor beside
//! the segments, and only the last segment is ever appended to, so a clone that is being written to disk costs at most a copy
//! of that one. Messages of one size cost nothing beyond their run; others four bytes each.

use std::{collections::VecDeque, sync::Arc};

use crate::number;

/// Runs of a segment: 12 KiB.
const SEGMENT_RUNS_MAX: usize = 512;
/// A segment with that many sizes takes no more runs.
const SEGMENT_SIZES_MAX: usize = 64 * 1024;
/// What an emptied backlog keeps allocated for its next messages. An idle queue must stay small.
const KEPT_RUNS_MAX: usize = 16;
const KEPT_SIZES_MAX: usize = 128;
/// Up to so many equal sizes are written out to merge two runs that touch.
const WRITTEN_OUT_MAX: u32 = 64;
/// Marks a run whose messages have one size.
const UNIFORM: u32 = u32::MAX;

/// Messages in the order in which they came, none of them ever delivered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backlog {
    segments: VecDeque<Arc<Segment>>,
    /// Runs of the first segment that are used up.
    head_run: usize,
    /// Messages of the run after those that are taken.
    head_taken: u32,
    messages: u64,
    bytes: u64,
}

#[derive(Clone, Debug, Default)]
struct Segment {
    runs: Vec<Run>,
    sizes: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    index: u64,
    first_slot: u32,
    count: u32,
    /// Of each message, when `sizes_at` is [`UNIFORM`].
    size: u32,
    /// Where the messages' sizes start in the segment's.
    sizes_at: u32,
}

// What a message costs that is alone in its entry, besides its live count.
const _: () = assert!(size_of::<Run>() == 24);

/// Consecutive messages of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// The log entry.
    pub(crate) index: u64,
    /// Slot of the first.
    pub(crate) first_slot: u32,
    /// How many; not zero.
    pub(crate) count: u32,
    /// How large each is.
    pub(crate) sizes: Sizes<'a>,
}

/// Sizes of a piece's messages. Unit: bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sizes<'a> {
    /// All have this size.
    Uniform(u32),
    /// One for each message.
    Each(&'a [u32]),
}

impl Piece<'_> {
    /// Sum of the sizes. Unit: bytes.
    pub(crate) fn bytes(&self) -> u64 {
        match self.sizes {
            Sizes::Uniform(size) => u64::from(size) * u64::from(self.count),
            Sizes::Each(sizes) => sizes.iter().copied().map(u64::from).sum(),
        }
    }

    /// The size of the message that is `at` places after the first.
    pub(crate) fn size(&self, at: u32) -> u32 {
        match self.sizes {
            Sizes::Uniform(size) => size,
            Sizes::Each(sizes) => sizes[number::index(at)],
        }
    }
}

impl Backlog {
    /// How many messages.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// Sum of their sizes. Unit: bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends messages.
    pub(crate) fn push(&mut self, piece: Piece<'_>) {
        assert!(piece.count > 0, "a piece has messages");
        self.messages += u64::from(piece.count);
        self.bytes += piece.bytes();
        let has_room = self
            .segments
            .back()
            .is_some_and(|last| last.runs.len() < SEGMENT_RUNS_MAX && last.sizes.len() < SEGMENT_SIZES_MAX);
        if !has_room {
            self.segments.push_back(Arc::default());
        }
        let last = Arc::make_mut(self.segments.back_mut().expect("one was pushed if there was none"));
        if !last.extend(&piece) {
            last.push(&piece);
        }
    }

    /// Takes up to `most` messages from the head, as far as they are in one run; `None` when there are none.
    pub(crate) fn take<R>(&mut self, most: u64, on_piece: impl FnOnce(&Piece<'_>) -> R) -> Option<R> {
        let segment = self.segments.front()?;
        let run = segment.runs.get(self.head_run)?;
        let run_count = run.count;
        let count = (run_count - self.head_taken).min(u32::try_from(most).unwrap_or(u32::MAX));
        let piece = segment.piece(run, self.head_taken, count);
        self.messages -= u64::from(count);
        self.bytes -= piece.bytes();
        let result = on_piece(&piece);
        self.head_taken += count;
        if self.head_taken == run_count {
            self.next_run();
        }
        Some(result)
    }

    /// Drops all messages after telling of each run.
    pub(crate) fn clear(&mut self, mut on_run: impl FnMut(u64, u32)) {
        self.for_each_run(|piece| on_run(piece.index, piece.count));
        *self = Backlog::default();
    }

    /// Tells of all messages in order, in pieces of one size that are as long as can be. Backlogs with the same messages give
    /// the same pieces.
    pub(crate) fn for_each_uniform(&self, mut on_piece: impl FnMut(u64, u32, u32, u32)) {
        let mut last: Option<(u64, u32, u32, u32)> = None;
        let mut feed = |index: u64, slot: u32, count: u32, size: u32| {
            if let Some((last_index, last_slot, last_count, last_size)) = &mut last
                && *last_index == index
                && last_slot.checked_add(*last_count) == Some(slot)
                && *last_size == size
                && let Some(sum) = last_count.checked_add(count)
            {
                *last_count = sum;
                return;
            }
            if let Some((index, slot, count, size)) = last.replace((index, slot, count, size)) {
                on_piece(index, slot, count, size);
            }
        };
        self.for_each_run(|piece| match piece.sizes {
            Sizes::Uniform(size) => feed(piece.index, piece.first_slot, piece.count, size),
            Sizes::Each(sizes) => {
                for (slot, size) in (piece.first_slot..=u32::MAX).zip(sizes) {
                    feed(piece.index, slot, 1, *size);
                }
            }
        });
        if let Some((index, slot, count, size)) = last {
            on_piece(index, slot, count, size);
        }
    }

    /// Tells of each run in order.
    pub(crate) fn for_each_run(&self, mut on_piece: impl FnMut(Piece<'_>)) {
        let mut first = self.head_run;
        let mut taken = self.head_taken;
        for segment in &self.segments {
            for run in segment.runs.iter().skip(first) {
                on_piece(segment.piece(run, taken, run.count - taken));
                taken = 0;
            }
            first = 0;
        }
    }

    /// What does not hold, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (mut messages, mut bytes, mut empty) = (0, 0, false);
        self.for_each_run(|piece| {
            messages += u64::from(piece.count);
            bytes += piece.bytes();
            empty |= piece.count == 0;
        });
        if (messages, bytes) != (self.messages, self.bytes) {
            return Err(format!(
                "backlog counts {} messages and {} bytes but holds {messages} and {bytes}",
                self.messages, self.bytes
            ));
        }
        if empty { Err("backlog has an empty run".to_owned()) } else { Ok(()) }
    }

    fn next_run(&mut self) {
        self.head_run += 1;
        self.head_taken = 0;
        if self.segments.front().is_none_or(|segment| self.head_run < segment.runs.len()) {
            return;
        }
        self.head_run = 0;
        if self.segments.len() == 1
            && let Some(segment) = self.segments.front_mut().and_then(Arc::get_mut)
            && segment.runs.capacity() <= KEPT_RUNS_MAX
            && segment.sizes.capacity() <= KEPT_SIZES_MAX
        {
            segment.runs.clear();
            segment.sizes.clear();
            return;
        }
        self.segments.pop_front();
        if self.segments.is_empty() {
            self.segments = VecDeque::new();
        }
    }
}

impl Segment {
    fn piece(&self, run: &Run, from: u32, count: u32) -> Piece<'_> {
        let sizes = if run.sizes_at == UNIFORM {
            Sizes::Uniform(run.size)
        } else {
            let start = number::index(run.sizes_at) + number::index(from);
            Sizes::Each(&self.sizes[start..start + number::index(count)])
        };
        // A run ends within its blob, so its first slot plus a part of its length cannot overflow; wrapping spares a check
        // for the piece of no messages at the very end.
        Piece { index: run.index, first_slot: run.first_slot.wrapping_add(from), count, sizes }
    }

    fn push(&mut self, piece: &Piece<'_>) {
        let (size, sizes_at) = match piece.sizes {
            Sizes::Uniform(size) => (size, UNIFORM),
            Sizes::Each(sizes) => {
                let at = u32::try_from(self.sizes.len()).expect("a segment with many sizes takes no more runs");
                self.sizes.extend_from_slice(sizes);
                (0, at)
            }
        };
        self.runs.push(Run { index: piece.index, first_slot: piece.first_slot, count: piece.count, size, sizes_at });
    }

    /// Makes the last run longer, if the piece follows it in the same entry.
    fn extend(&mut self, piece: &Piece<'_>) -> bool {
        let Some(last) = self.runs.last_mut() else { return false };
        if last.index != piece.index || last.first_slot.checked_add(last.count) != Some(piece.first_slot) {
            return false;
        }
        let Some(count) = last.count.checked_add(piece.count) else { return false };
        if last.sizes_at == UNIFORM {
            if piece.sizes != Sizes::Uniform(last.size) {
                if last.count > WRITTEN_OUT_MAX || !piece.can_be_written_out() {
                    return false;
                }
                last.sizes_at = u32::try_from(self.sizes.len()).expect("a segment with many sizes takes no more runs");
                self.sizes.extend(std::iter::repeat_n(last.size, number::index(last.count)));
                piece.write_out(&mut self.sizes);
            }
        } else if piece.can_be_written_out() {
            piece.write_out(&mut self.sizes);
        } else {
            return false;
        }
        last.count = count;
        true
    }
}

impl Piece<'_> {
    fn can_be_written_out(&self) -> bool {
        match self.sizes {
            Sizes::Uniform(_) => self.count <= WRITTEN_OUT_MAX,
            Sizes::Each(_) => true,
        }
    }

    fn write_out(&self, sizes: &mut Vec<u32>) {
        match self.sizes {
            Sizes::Uniform(size) => sizes.extend(std::iter::repeat_n(size, number::index(self.count))),
            Sizes::Each(each) => sizes.extend_from_slice(each),
        }
    }
}

#[cfg(test)]
mod tests;
