//! The dead letters of one queue: numbered as their messages die, told to the leader within a window, kept until they have
//! reached all queues that they go to.

use std::collections::{BTreeMap, VecDeque};

use types::{MessageRef, QueueId, SeqRange, Timestamp};

use crate::{DeadLetter, DeadLetters, DeathReason, held::Taken, lanes::Portion, machine::NEVER, number};

/// So many may be on their way at once: more keeps no target busier.
const WINDOW_LETTERS: u64 = 256;
/// And so much. Unit: bytes.
const WINDOW_BYTES: u64 = 4 * 1024 * 1024;
/// What could not be delivered is tried again after that time.
pub(crate) const RETRY_AFTER_MS: u64 = 1000;

/// Messages that have died in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letters {
    /// The next letter's.
    pub(crate) next_number: u64,
    /// The leader was told of those up to there.
    pub(crate) told_up_to: u64,
    /// By number.
    pub(crate) pending: BTreeMap<u64, Letter>,
    /// What could not be delivered, with the time when it gets a new number, ascending.
    pub(crate) retries: VecDeque<(Timestamp, Letter)>,
    /// What ever happened.
    pub(crate) counters: LetterCounters,
    bytes: u64,
    outstanding: u64,
    outstanding_bytes: u64,
}

/// What ever happened to dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LetterCounters {
    /// Came, by reason.
    pub(crate) made: [u64; 4],
    /// Have reached all queues that they go to.
    pub(crate) settled: u64,
    /// Were purged, or the queue has no use for them any more.
    pub(crate) dropped: u64,
}

/// A dead message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// The log entry.
    pub(crate) index: u64,
    /// When it died.
    pub(crate) died_at: Timestamp,
    /// The slot in the entry's blob.
    pub(crate) slot: u32,
    /// Size of the record. Unit: bytes.
    pub(crate) size: u32,
    /// Deliveries that failed.
    pub(crate) delivery_count: u32,
    /// Why it died.
    pub(crate) reason: DeathReason,
}

const _: () = assert!(size_of::<Letter>() == 32);

impl Default for Letters {
    fn default() -> Self {
        Letters {
            next_number: 1,
            told_up_to: 0,
            pending: BTreeMap::new(),
            retries: VecDeque::new(),
            counters: LetterCounters::default(),
            bytes: 0,
            outstanding: 0,
            outstanding_bytes: 0,
        }
    }
}

impl Letters {
    /// How many wait, on their way or not.
    pub(crate) fn count(&self) -> u64 {
        number::count(self.pending.len() + self.retries.len())
    }

    /// Sum of their sizes. Unit: bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Messages have died.
    pub(crate) fn add(&mut self, messages: &Portion<'_>, reason: DeathReason, now: Timestamp) {
        self.counters.made[reason_index(reason)] += messages.count();
        match messages {
            Portion::One(message) => self.push(letter(message, reason, now)),
            Portion::Piece(piece) => {
                for at in 0..piece.count {
                    self.push(letter(&Taken::of_piece(piece, at), reason, now));
                }
            }
        }
    }

    /// Whether the leader has to be told of letters.
    pub(crate) fn has_news(&self) -> bool {
        self.told_up_to + 1 < self.next_number
            && self.outstanding < WINDOW_LETTERS
            && self.outstanding_bytes < WINDOW_BYTES
            && self.pending.last_key_value().is_some_and(|(last, _)| *last > self.told_up_to)
    }

    /// Tells of letters as far as the window goes.
    pub(crate) fn tell(&mut self, queue: QueueId, out: &mut Vec<DeadLetters>) {
        if !self.has_news() {
            return;
        }
        let mut messages = Vec::new();
        for (number, letter) in self.pending.range(self.told_up_to + 1..) {
            if self.outstanding >= WINDOW_LETTERS || self.outstanding_bytes >= WINDOW_BYTES {
                break;
            }
            messages.push(letter.as_told(*number));
            self.outstanding += 1;
            self.outstanding_bytes += u64::from(letter.size);
            self.told_up_to = *number;
        }
        out.push(DeadLetters { queue, messages });
    }

    /// What the leader was told of and has not answered.
    pub(crate) fn told(&self) -> Vec<DeadLetter> {
        self.pending.range(..=self.told_up_to).map(|(number, letter)| letter.as_told(*number)).collect()
    }

    /// Letters have reached all queues that they go to.
    pub(crate) fn settle(&mut self, ranges: &[SeqRange], mut on_letter: impl FnMut(&Letter)) {
        for letter in self.answered(ranges) {
            self.counters.settled += 1;
            self.bytes -= u64::from(letter.size);
            on_letter(&letter);
        }
    }

    /// Letters could not be delivered. Says when they are due again, if there are any.
    pub(crate) fn retry(&mut self, ranges: &[SeqRange], now: Timestamp) -> Timestamp {
        let due = now.plus_ms(RETRY_AFTER_MS);
        let letters = self.answered(ranges);
        self.retries.extend(letters.into_iter().map(|letter| (due, letter)));
        self.next_due()
    }

    /// When letters get a new number.
    pub(crate) fn next_due(&self) -> Timestamp {
        self.retries.front().map_or(NEVER, |(due, _)| *due)
    }

    /// Letters whose time has come get a new number.
    pub(crate) fn due(&mut self, now: Timestamp, budget: &mut u64) {
        while *budget > 0
            && self.next_due() <= now
            && let Some((_, letter)) = self.retries.pop_front()
        {
            *budget -= 1;
            self.bytes -= u64::from(letter.size);
            self.push(letter);
        }
    }

    /// Drops all.
    pub(crate) fn clear(&mut self, on_reference: impl FnMut(u64, u32)) {
        self.for_each_reference(on_reference);
        self.counters.dropped += self.count();
        self.pending.clear();
        self.retries.clear();
        (self.bytes, self.outstanding, self.outstanding_bytes) = (0, 0, 0);
        self.told_up_to = self.next_number - 1;
    }

    /// Tells of all references to entries.
    pub(crate) fn for_each_reference(&self, mut on_reference: impl FnMut(u64, u32)) {
        let retries = self.retries.iter().map(|(_, letter)| letter);
        self.pending.values().chain(retries).for_each(|letter| on_reference(letter.index, 1));
    }

    /// What was in a snapshot; its sums are taken here.
    pub(crate) fn restored(mut self) -> Self {
        let sizes =
            |letters: &mut dyn Iterator<Item = &Letter>| letters.map(|letter| u64::from(letter.size)).sum::<u64>();
        self.bytes = sizes(&mut self.pending.values().chain(self.retries.iter().map(|(_, letter)| letter)));
        self.outstanding = number::count(self.pending.range(..=self.told_up_to).count());
        self.outstanding_bytes = sizes(&mut self.pending.range(..=self.told_up_to).map(|(_, letter)| letter));
        self
    }

    /// What does not hold, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        if *self != self.clone().restored() {
            return Err("sums of dead letters are wrong".to_owned());
        }
        let counters = &self.counters;
        let parts = [self.count(), counters.settled, counters.dropped];
        let made = counters.made.into_iter().try_fold(0, u64::checked_add);
        if made.is_none() || made != parts.into_iter().try_fold(0, u64::checked_add) {
            return Err(format!("{made:?} dead letters came, but there are {parts:?}"));
        }
        let last = self.pending.last_key_value().map_or(0, |(last, _)| *last);
        if last >= self.next_number || self.told_up_to >= self.next_number || self.pending.contains_key(&0) {
            return Err("a dead letter has a number that is still to come".to_owned());
        }
        if !self.retries.iter().is_sorted_by_key(|(due, _)| *due) {
            return Err("dead letters do not come again in order".to_owned());
        }
        Ok(())
    }

    fn push(&mut self, letter: Letter) {
        self.bytes += u64::from(letter.size);
        self.pending.insert(self.next_number, letter);
        self.next_number += 1;
    }

    /// Takes out letters that the leader was told of.
    fn answered(&mut self, ranges: &[SeqRange]) -> Vec<Letter> {
        let mut answered = Vec::new();
        for range in ranges {
            let last = range.last.min(self.told_up_to);
            while range.first <= last
                && let Some((&number, _)) = self.pending.range(range.first..=last).next()
            {
                answered.extend(self.pending.remove(&number));
            }
        }
        self.outstanding -= number::count(answered.len());
        self.outstanding_bytes -= answered.iter().map(|letter| u64::from(letter.size)).sum::<u64>();
        answered
    }
}

impl Letter {
    fn as_told(&self, number: u64) -> DeadLetter {
        let Letter { index, died_at, slot, delivery_count, reason, .. } = *self;
        DeadLetter { number, message: MessageRef { index, slot }, reason, died_at, delivery_count }
    }
}

/// Where a reason is counted, and how a snapshot names it.
pub(crate) fn reason_index(reason: DeathReason) -> usize {
    match reason {
        DeathReason::Rejected => 0,
        DeathReason::Expired => 1,
        DeathReason::MaxLength => 2,
        DeathReason::DeliveryLimit => 3,
    }
}

fn letter(message: &Taken, reason: DeathReason, died_at: Timestamp) -> Letter {
    let Taken { index, slot, size, delivery_count, .. } = *message;
    Letter { index, died_at, slot, size, delivery_count, reason }
}
