//! How many messages a queue takes.
//!
//! What a consumer takes at once never counts: a queue is served before a message is dropped or rejected.

use super::{Queue, Work, death::bury};
use crate::{
    DeadLetterStrategy, DeathReason, Overflow, SlotRange,
    backlog::{Piece, Sizes},
    lanes::{Portion, Side},
    number,
};

impl Queue {
    /// Whether it takes only so many messages.
    pub(super) fn is_limited(&self) -> bool {
        self.config.max_length.is_some() || self.config.max_length_bytes.is_some()
    }

    /// Drops the oldest messages (of the lowest priority first) as long as there are too many.
    pub(crate) fn drop_overflow(&mut self, work: &mut Work<'_>) {
        if !self.is_limited() || self.config.overflow != Overflow::DropHead || !self.is_over() {
            return;
        }
        self.serve(work);
        while self.is_over() {
            let Queue { lanes, letters, counters, config, .. } = self;
            let excess = config.max_length.map_or(0, |max| lanes.messages().saturating_sub(max));
            lanes.take(Side::Lowest, excess.max(1), |portion| {
                counters.dropped += portion.count();
                bury(letters, config, &portion, DeathReason::MaxLength, work);
            });
        }
    }

    /// Takes in as many messages as there is room for; rejects the others, slot by slot.
    pub(super) fn admit(&mut self, piece: &Piece<'_>, work: &mut Work<'_>, rejected: &mut Vec<SlotRange>) {
        self.serve(work);
        let mut from = 0;
        while from < piece.count {
            let left = piece.count - from;
            let taken_at_once = self.next_capacity().min(u64::from(left));
            let count = match self.room_for(&piece.part(from, left)) {
                0 => u32::try_from(taken_at_once).expect("no more than are left"),
                room => room,
            };
            if count > 0 {
                self.counters.enqueued += u64::from(count);
                self.append(piece.part(from, count));
                self.serve(work);
                from += count;
                continue;
            }
            let is_full = self.config.max_length.is_some_and(|max| self.length().0 >= max);
            let refused = piece.part(from, if is_full { left } else { 1 });
            rejected.push(SlotRange { first: refused.first_slot, count: refused.count });
            self.reject(&refused, work);
            from += refused.count;
        }
    }

    fn reject(&mut self, piece: &Piece<'_>, work: &mut Work<'_>) {
        self.counters.rejected += u64::from(piece.count);
        if self.config.overflow == Overflow::RejectPublishDlx {
            bury(&mut self.letters, &self.config, &Portion::Piece(piece), DeathReason::MaxLength, work);
        } else {
            work.releaser.release(piece.index, piece.count);
        }
    }

    /// What counts against the limits: messages and their bytes.
    fn length(&self) -> (u64, u64) {
        let (ready, bytes) = (self.lanes.messages(), self.lanes.bytes());
        // What drops make into dead letters must not make for more drops.
        if self.config.dead_letter != Some(DeadLetterStrategy::AtLeastOnce)
            || self.config.overflow == Overflow::DropHead
        {
            return (ready, bytes);
        }
        let (letters, letters_bytes) = self.dead_waiting();
        (ready + letters, bytes + letters_bytes)
    }

    pub(crate) fn is_over(&self) -> bool {
        let (length, bytes) = self.length();
        self.config.max_length.is_some_and(|max| length > max)
            || self.config.max_length_bytes.is_some_and(|max| bytes > max)
    }

    /// How many of the messages there is room for, from the first on.
    fn room_for(&self, piece: &Piece<'_>) -> u32 {
        let (length, bytes) = self.length();
        let by_length = self.config.max_length.map_or(u64::MAX, |max| max.saturating_sub(length));
        let by_bytes = match self.config.max_length_bytes {
            Some(max) => max.checked_sub(bytes).map_or(0, |left| fitting(piece, left)),
            None => piece.count,
        };
        by_bytes.min(u32::try_from(by_length).unwrap_or(u32::MAX))
    }
}

/// How many messages weigh no more than that, from the first on.
fn fitting(piece: &Piece<'_>, mut bytes: u64) -> u32 {
    match piece.sizes {
        Sizes::Uniform(0) => piece.count,
        Sizes::Uniform(size) => u32::try_from(bytes / u64::from(size)).unwrap_or(u32::MAX).min(piece.count),
        Sizes::Each(sizes) => {
            let fits = |size: &&u32| {
                let left = bytes.checked_sub(u64::from(**size));
                bytes = left.unwrap_or(bytes);
                left.is_some()
            };
            let count = number::count(sizes.iter().take_while(fits).count());
            u32::try_from(count).expect("no more than the piece has")
        }
    }
}
