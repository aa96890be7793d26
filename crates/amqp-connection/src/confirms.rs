//! Publisher confirms of one channel: numbers the publishes, and turns the broker's answers, in whatever order they come, into
//! few `basic.ack` and `basic.nack`.
//!
//! An answer with `multiple` stands for every number up to its own that the client has no answer for yet. So the numbers are
//! looked at in order from the first unanswered one: as long as there is no gap, each run of acks (or nacks) needs one frame.
//! Beyond the first gap every number needs a frame of its own.

use types::SeqRange;

/// One `basic.ack` or `basic.nack` to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The publish's number.
    pub(crate) seq: u64,
    /// Also for all numbers before it that have no answer yet.
    pub(crate) multiple: bool,
    /// `basic.ack`, otherwise `basic.nack`.
    pub(crate) ok: bool,
}

/// A channel in confirm mode.
#[derive(Debug)]
pub(crate) struct Confirms {
    /// The next publish's number.
    next: u64,
    /// The first number that the client has no answer for.
    floor: u64,
    /// Numbers above the floor that the client has an answer for; ascending, not touching each other nor the floor.
    answered: Vec<SeqRange>,
    /// The broker's answers that are not sent yet, in the order in which they came; what touches its predecessor is merged.
    pending: Vec<(SeqRange, bool)>,
}

impl Confirms {
    /// `confirm.select`: numbers start at 1.
    pub(crate) fn new() -> Self {
        Confirms { next: 1, floor: 1, answered: Vec::new(), pending: Vec::new() }
    }

    /// The number of the next publish.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Numbers whose fate is known. Those that were never given, and those that have an answer, are passed over.
    pub(crate) fn settle(&mut self, range: SeqRange, ok: bool) {
        let range = SeqRange { first: range.first.max(self.floor), last: range.last.min(self.next - 1) };
        if range.first > range.last {
            return;
        }
        if let Some((last, last_ok)) = self.pending.last_mut()
            && *last_ok == ok
            && last.last + 1 == range.first
        {
            last.last = range.last;
        } else {
            self.pending.push((range, ok));
        }
    }

    /// Whether there is something to send.
    pub(crate) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Publishes that the client has no answer for.
    pub(crate) fn unanswered(&self) -> u64 {
        let answered: u64 = self.answered.iter().map(|range| range.count()).sum();
        self.next - self.floor - answered
    }

    /// Hands out what is to be sent, in order.
    pub(crate) fn flush(&mut self, mut send: impl FnMut(Answer)) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_by_key(|(range, _)| range.first);
        let mut run: Option<Run> = None;
        for (range, ok) in pending.drain(..) {
            self.raise_floor();
            let range = SeqRange { first: range.first.max(self.floor), last: range.last };
            if range.first > range.last {
                continue;
            }
            if let Some(done) = run.take_if(|run| run.ok != ok || range.first > self.floor) {
                send(done.answer());
            }
            if range.first == self.floor {
                let count = range.count() + run.map_or(0, |run| run.count);
                run = Some(Run { ok, last: range.last, count });
                self.floor = range.last + 1;
            } else {
                for seq in range.first..=range.last {
                    if self.mark_answered(seq) {
                        send(Answer { seq, multiple: false, ok });
                    }
                }
            }
        }
        self.raise_floor();
        if let Some(done) = run {
            send(done.answer());
        }
        self.pending = pending;
    }

    /// Gives memory back that is not needed.
    pub(crate) fn shrink(&mut self) {
        self.pending.shrink_to_fit();
        self.answered.shrink_to_fit();
    }

    /// Moves the floor over numbers that have an answer.
    fn raise_floor(&mut self) {
        let mut gone = 0;
        while let Some(range) = self.answered.get(gone).filter(|range| range.first <= self.floor) {
            self.floor = self.floor.max(range.last + 1);
            gone += 1;
        }
        self.answered.drain(..gone);
    }

    /// Notes a number above the floor; says whether it is new.
    fn mark_answered(&mut self, seq: u64) -> bool {
        let at = self.answered.partition_point(|range| range.first <= seq);
        let touches_next = self.answered.get(at).is_some_and(|next| next.first == seq + 1);
        let before = at.checked_sub(1).and_then(|before| self.answered.get(before)).copied();
        if before.is_some_and(|before| before.last >= seq) {
            return false;
        }
        let touches_before = before.is_some_and(|before| before.last + 1 == seq);
        match (touches_before, touches_next) {
            (true, true) => self.answered[at - 1].last = self.answered.remove(at).last,
            (true, false) => self.answered[at - 1].last = seq,
            (false, true) => self.answered[at].first = seq,
            (false, false) => self.answered.insert(at, SeqRange::one(seq)),
        }
        true
    }
}

/// Numbers without gap, from the first unanswered one on, that get the same answer.
#[derive(Clone, Copy)]
struct Run {
    ok: bool,
    last: u64,
    /// How many of them had no answer before.
    count: u64,
}

impl Run {
    fn answer(self) -> Answer {
        Answer { seq: self.last, multiple: self.count > 1, ok: self.ok }
    }
}

#[cfg(test)]
mod tests;
