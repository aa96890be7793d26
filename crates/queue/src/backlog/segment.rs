//! A part of a backlog: runs of consecutive slots, at most so many.

use types::Timestamp;

use super::{Piece, SIZE_MAX, Sizes};
use crate::{machine::NEVER, number};

/// Runs of a segment: 12 KiB.
const RUNS_MAX: usize = 512;
/// A segment with that many sizes takes no more runs.
const SIZES_MAX: usize = 64 * 1024;
/// What an emptied backlog keeps allocated for its next messages. An idle queue must stay small.
const KEPT_RUNS_MAX: usize = 16;
const KEPT_SIZES_MAX: usize = 128;
/// Up to so many equal sizes are written out to merge two runs that touch.
const WRITTEN_OUT_MAX: u32 = 64;
/// Marks a run whose messages have sizes of their own.
const APART: u32 = SIZE_MAX + 1;

/// Runs, and what they have apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    /// No message is at a position before.
    base: u64,
    runs: Vec<Run>,
    sizes: Vec<u32>,
    /// Of each run, when any has one.
    expiries: Vec<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    index: u64,
    first_slot: u32,
    count: u32,
    /// From the segment's base.
    position: u32,
    /// Of each message; with [`APART`]: where the messages' sizes start in the segment's.
    size: u32,
}

// What a message costs that is alone in its entry, besides its live count.
const _: () = assert!(size_of::<Run>() == 24);

impl Segment {
    /// One without runs.
    pub(super) fn new(base: u64) -> Self {
        Segment { base, ..Segment::default() }
    }

    /// How many runs.
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    /// How many messages a run has.
    pub(super) fn count(&self, run: usize) -> Option<u32> {
        self.runs.get(run).map(|run| run.count)
    }

    /// Whether it takes messages at that position.
    pub(super) fn has_room(&self, position: u64) -> bool {
        let in_reach = self.runs.is_empty() || position - self.base <= u64::from(u32::MAX);
        in_reach && self.runs.len() < RUNS_MAX && self.sizes.len() < SIZES_MAX
    }

    /// When the time of the last messages is over.
    pub(super) fn tail_expiry(&self) -> Timestamp {
        self.expiries.last().copied().unwrap_or(NEVER)
    }

    /// Position and time of expiry of a run's first message.
    pub(super) fn head(&self, run: usize) -> Option<(u64, Timestamp)> {
        let position = self.base + u64::from(self.runs.get(run)?.position);
        Some((position, self.expiry(run)))
    }

    /// Part of a run.
    #[inline]
    pub(super) fn piece(&self, run: usize, from: u32, count: u32, priority: u8) -> Piece<'_> {
        let expires_at = self.expiry(run);
        let run = &self.runs[run];
        let sizes = if run.size & APART == 0 {
            Sizes::Uniform(run.size)
        } else {
            let start = number::index(run.size & !APART) + number::index(from);
            Sizes::Each(&self.sizes[start..start + number::index(count)])
        };
        // A run ends within its blob, so its first slot plus a part of its length cannot overflow; wrapping spares a check
        // for the piece of no messages at the very end.
        let first_slot = run.first_slot.wrapping_add(from);
        let position = self.base + u64::from(run.position) + u64::from(from);
        Piece { index: run.index, first_slot, count, sizes, position, expires_at, priority }
    }

    /// Appends messages; there must be room.
    pub(super) fn push(&mut self, piece: &Piece<'_>) {
        if self.runs.is_empty() {
            self.base = piece.position;
        }
        let position = u32::try_from(piece.position - self.base).expect("there is room for that position");
        if self.extend(piece, position) {
            return;
        }
        let size = match piece.sizes {
            Sizes::Uniform(size) => size,
            Sizes::Each(sizes) => {
                let at = self.apart();
                self.sizes.extend_from_slice(sizes);
                at
            }
        };
        if piece.expires_at != NEVER || !self.expiries.is_empty() {
            self.expiries.resize(self.runs.len(), NEVER);
            self.expiries.push(piece.expires_at);
        }
        self.runs.push(Run { index: piece.index, first_slot: piece.first_slot, count: piece.count, position, size });
    }

    /// Whether its memory is worth keeping.
    pub(super) fn is_small(&self) -> bool {
        self.runs.capacity() <= KEPT_RUNS_MAX
            && self.sizes.capacity() <= KEPT_SIZES_MAX
            && self.expiries.capacity() <= KEPT_RUNS_MAX
    }

    /// Drops all runs.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.sizes.clear();
        self.expiries.clear();
    }

    /// Moves all messages to later positions.
    pub(super) fn shift(&mut self, by: u64) {
        self.base += by;
    }

    /// How many sizes it has apart.
    #[cfg(test)]
    pub(super) fn sizes_len(&self) -> usize {
        self.sizes.len()
    }

    #[inline]
    fn expiry(&self, run: usize) -> Timestamp {
        self.expiries.get(run).copied().unwrap_or(NEVER)
    }

    /// Where the next sizes are, as a run says it.
    fn apart(&self) -> u32 {
        APART | u32::try_from(self.sizes.len()).expect("a segment with many sizes takes no more runs")
    }

    /// Makes the last run longer, if the piece follows it in the same entry.
    fn extend(&mut self, piece: &Piece<'_>, position: u32) -> bool {
        let (at, tail_expiry) = (self.apart(), self.tail_expiry());
        let Some(last) = self.runs.last_mut() else { return false };
        if last.index != piece.index
            || last.first_slot.checked_add(last.count) != Some(piece.first_slot)
            || last.position.checked_add(last.count) != Some(position)
            || tail_expiry != piece.expires_at
        {
            return false;
        }
        let Some(count) = last.count.checked_add(piece.count) else { return false };
        if last.size & APART == 0 {
            if piece.sizes != Sizes::Uniform(last.size) {
                if last.count > WRITTEN_OUT_MAX || !can_be_written_out(piece) {
                    return false;
                }
                self.sizes.extend(std::iter::repeat_n(last.size, number::index(last.count)));
                last.size = at;
                write_out(piece, &mut self.sizes);
            }
        } else if can_be_written_out(piece) {
            write_out(piece, &mut self.sizes);
        } else {
            return false;
        }
        last.count = count;
        true
    }
}

fn can_be_written_out(piece: &Piece<'_>) -> bool {
    match piece.sizes {
        Sizes::Uniform(_) => piece.count <= WRITTEN_OUT_MAX,
        Sizes::Each(_) => true,
    }
}

fn write_out(piece: &Piece<'_>, sizes: &mut Vec<u32>) {
    match piece.sizes {
        Sizes::Uniform(size) => sizes.extend(std::iter::repeat_n(size, number::index(piece.count))),
        Sizes::Each(each) => sizes.extend_from_slice(each),
    }
}
