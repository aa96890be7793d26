//! Since when consumers hold their messages, where they may do so only for a time.

use std::collections::VecDeque;

use types::Timestamp;

use super::{Consumer, Consumers};
use crate::machine::NEVER;

/// When a consumer was given its messages: sequence numbers from which on a time holds, with that time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    pub(crate) marks: VecDeque<(u64, Timestamp)>,
}

impl Consumer {
    /// It is being given messages from its next sequence number on. Says when the time for them is over.
    pub(crate) fn mark_time(&mut self, now: Timestamp) -> Timestamp {
        let (Some(times), Some(timeout_ms)) = (&mut self.times, self.options.timeout_ms) else { return NEVER };
        let oldest = self.held.first().unwrap_or_else(|| self.held.next_seq());
        while times.marks.get(1).is_some_and(|(seq, _)| *seq <= oldest) {
            times.marks.pop_front();
        }
        if times.marks.back().is_none_or(|(_, at)| *at != now) {
            times.marks.push_back((self.held.next_seq(), now));
        }
        now.plus_ms(timeout_ms.max(1))
    }

    /// When it has held a message for too long.
    fn timeout_at(&self) -> Timestamp {
        let (Some(times), Some(timeout_ms)) = (&self.times, self.options.timeout_ms) else { return NEVER };
        let Some(oldest) = self.held.first().filter(|_| self.attached) else { return NEVER };
        let since = times.marks.iter().take_while(|(seq, _)| *seq <= oldest).last();
        since.map_or(NEVER, |(_, at)| at.plus_ms(timeout_ms.max(1)))
    }
}

impl Consumers {
    /// When the first consumer has held a message for too long.
    pub(crate) fn next_timeout(&self) -> Timestamp {
        if !self.timed {
            return NEVER;
        }
        self.iter().map(Consumer::timeout_at).min().unwrap_or(NEVER)
    }

    /// A consumer that has held a message for too long.
    pub(crate) fn timed_out(&self, now: Timestamp) -> Option<u32> {
        if !self.timed {
            return None;
        }
        self.by_key.values().copied().find(|slot| self.get(*slot).timeout_at() <= now)
    }
}
