//! The backlog: ready messages that nobody was given yet, as runs of consecutive slots.
//!
//! Runs lie in segments of bounded size that are shared between clones of a machine. Taking from the head moves a cursor beside
//! the segments, and only the last segment is ever appended to, so a clone that is being written to disk costs at most a copy
//! of that one. Messages of one size cost nothing beyond their run; others four bytes each.
//!
//! Positions ascend, with gaps where a message is elsewhere. Times of expiry never descend, so that whatever is over lies at
//! the head; they cost eight bytes for each run, in segments that have any.

mod segment;

use std::{collections::VecDeque, sync::Arc};

use types::Timestamp;

use crate::{machine::NEVER, number};
use segment::Segment;

/// The greatest size of one message's record. Two gigabytes: a blob with more could not be written.
pub(crate) const SIZE_MAX: u32 = u32::MAX >> 1;

/// Messages in the order in which they came, none of them ever delivered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backlog {
    segments: VecDeque<Arc<Segment>>,
    /// Runs of the first segment that are used up.
    head_run: usize,
    /// Messages of the run after those that are taken.
    head_taken: u32,
    /// The priority of all messages.
    priority: u8,
    messages: u64,
    bytes: u64,
}

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
    /// Position of the first; the others follow without gap.
    pub(crate) position: u64,
    /// When their time is over.
    pub(crate) expires_at: Timestamp,
    /// Their priority.
    pub(crate) priority: u8,
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

    /// Some of the messages.
    pub(crate) fn part(&self, from: u32, count: u32) -> Self {
        let (at, end) = (number::index(from), number::index(from) + number::index(count));
        let sizes = match self.sizes {
            Sizes::Uniform(size) => Sizes::Uniform(size),
            Sizes::Each(sizes) => Sizes::Each(&sizes[at..end]),
        };
        let position = self.position + u64::from(from);
        Piece { first_slot: self.first_slot.wrapping_add(from), count, sizes, position, ..*self }
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

    /// The priority of all messages.
    pub(crate) fn priority(&self) -> u8 {
        self.priority
    }

    /// Makes an empty backlog one of another priority.
    pub(crate) fn set_priority(&mut self, priority: u8) {
        assert!(self.messages == 0, "messages keep their priority");
        self.priority = priority;
    }

    /// Whether messages with that time of expiry may follow those that are there.
    pub(crate) fn accepts(&self, expires_at: Timestamp) -> bool {
        expires_at == NEVER
            || self.messages == 0
            || self.segments.back().is_none_or(|last| last.tail_expiry() <= expires_at)
    }

    /// Appends messages, whose time of expiry is accepted and whose positions are behind all others.
    pub(crate) fn push(&mut self, piece: Piece<'_>) {
        assert!(piece.count > 0, "a piece has messages");
        self.messages += u64::from(piece.count);
        self.bytes += piece.bytes();
        if !self.segments.back().is_some_and(|last| last.has_room(piece.position)) {
            self.segments.push_back(Arc::new(Segment::new(piece.position)));
        }
        let last = Arc::make_mut(self.segments.back_mut().expect("one was pushed if there was none"));
        last.push(&piece);
    }

    /// Takes up to `most` messages from the head, as far as they are in one run; `None` when there are none.
    #[inline]
    pub(crate) fn take<R>(&mut self, most: u64, on_piece: impl FnOnce(&Piece<'_>) -> R) -> Option<R> {
        let segment = self.segments.front()?;
        let run_count = segment.count(self.head_run)?;
        let count = (run_count - self.head_taken).min(u32::try_from(most).unwrap_or(u32::MAX));
        let piece = segment.piece(self.head_run, self.head_taken, count, self.priority);
        self.messages -= u64::from(count);
        self.bytes -= piece.bytes();
        let result = on_piece(&piece);
        self.head_taken += count;
        if self.head_taken == run_count {
            self.next_run();
        }
        Some(result)
    }

    /// Position and time of expiry of the head.
    pub(crate) fn head(&self) -> Option<(u64, Timestamp)> {
        let (position, expires_at) = self.segments.front()?.head(self.head_run)?;
        Some((position + u64::from(self.head_taken), expires_at))
    }

    /// Moves all messages to later positions.
    pub(crate) fn shift(&mut self, by: u64) {
        self.segments.iter_mut().for_each(|segment| Arc::make_mut(segment).shift(by));
    }

    /// Tells of all messages in order, in pieces of one size that are as long as can be. Backlogs with the same messages give
    /// the same pieces.
    pub(crate) fn for_each_uniform(&self, mut on_piece: impl FnMut(&Piece<'static>, u32)) {
        let mut last: Option<(Piece<'static>, u32)> = None;
        let mut feed = |piece: Piece<'static>, size: u32| {
            if let Some((before, before_size)) = &mut last
                && before.index == piece.index
                && before.first_slot.checked_add(before.count) == Some(piece.first_slot)
                && before.position + u64::from(before.count) == piece.position
                && before.expires_at == piece.expires_at
                && *before_size == size
                && let Some(sum) = before.count.checked_add(piece.count)
            {
                before.count = sum;
                return;
            }
            if let Some((piece, size)) = last.replace((piece, size)) {
                on_piece(&piece, size);
            }
        };
        self.for_each_run(|piece| {
            let Piece { index, first_slot, count, position, expires_at, priority, .. } = piece;
            let uniform = |first_slot, count, position, size| {
                let sizes = Sizes::Uniform(size);
                Piece { index, first_slot, count, sizes, position, expires_at, priority }
            };
            match piece.sizes {
                Sizes::Uniform(size) => feed(uniform(first_slot, count, position, size), size),
                Sizes::Each(sizes) => {
                    for ((slot, position), size) in (first_slot..=u32::MAX).zip(position..).zip(sizes) {
                        feed(uniform(slot, 1, position, *size), *size);
                    }
                }
            }
        });
        if let Some((piece, size)) = last {
            on_piece(&piece, size);
        }
    }

    /// Tells of each run in order.
    pub(crate) fn for_each_run(&self, mut on_piece: impl FnMut(Piece<'_>)) {
        let mut first = self.head_run;
        let mut taken = self.head_taken;
        for segment in &self.segments {
            let mut run = first;
            while let Some(count) = segment.count(run) {
                on_piece(segment.piece(run, taken, count - taken, self.priority));
                taken = 0;
                run += 1;
            }
            first = 0;
        }
    }

    /// Tells of each run from that position on, in order, until it is told to stop. Passes over whole segments.
    pub(crate) fn for_each_run_from(&self, from: u64, mut on_piece: impl FnMut(Piece<'_>) -> bool) {
        for (at, segment) in self.segments.iter().enumerate() {
            let is_before = self.segments.get(at + 1).and_then(|next| next.head(0));
            if is_before.is_some_and(|(position, _)| position <= from) {
                continue;
            }
            let (mut run, mut taken) = if at == 0 { (self.head_run, self.head_taken) } else { (0, 0) };
            while let Some(count) = segment.count(run) {
                let piece = segment.piece(run, taken, count - taken, self.priority);
                let passed = u32::try_from(from.saturating_sub(piece.position)).unwrap_or(u32::MAX);
                if passed < piece.count && !on_piece(piece.part(passed, piece.count - passed)) {
                    return;
                }
                run += 1;
                taken = 0;
            }
        }
    }

    /// What does not hold, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (mut messages, mut bytes, mut empty) = (0, 0, false);
        let (mut end, mut expiry, mut ordered) = (0, Timestamp(0), true);
        self.for_each_run(|piece| {
            messages += u64::from(piece.count);
            bytes += piece.bytes();
            empty |= piece.count == 0;
            ordered &= piece.position >= end && piece.expires_at >= expiry;
            end = piece.position + u64::from(piece.count);
            expiry = piece.expires_at;
        });
        if !ordered {
            return Err("backlog is not in the order of position and time of expiry".to_owned());
        }
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
        if self.segments.front().is_none_or(|segment| self.head_run < segment.len()) {
            return;
        }
        self.head_run = 0;
        if self.segments.len() == 1
            && let Some(segment) = self.segments.front_mut().and_then(Arc::get_mut)
            && segment.is_small()
        {
            segment.clear();
            return;
        }
        self.segments.pop_front();
        if self.segments.is_empty() {
            self.segments = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests;
