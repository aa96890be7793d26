//! Messages that may not be delivered yet: published with a delay, or returned and to be tried again later.

use std::collections::BTreeMap;

use types::Timestamp;

use super::{Queue, Work, death::bury};
use crate::{
    DeathReason, DelayedRetry, RetryKind,
    backlog::{Piece, Sizes},
    held::Taken,
    lanes::Portion,
    machine::NEVER,
    number,
};

/// Messages that wait, by the time when they are due; those of one time in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delayed {
    parked: BTreeMap<(Timestamp, u64), Taken>,
    next_arrival: u64,
    bytes: u64,
}

/// The position of a message that never was in the queue: it will go to the tail. Its time to live, as a number of
/// milliseconds, is where others have their time of expiry.
const TAIL: u64 = u64::MAX;

impl Delayed {
    /// How many messages.
    pub(crate) fn count(&self) -> u64 {
        number::count(self.parked.len())
    }

    /// Sum of their sizes. Unit: bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When the first is due.
    pub(crate) fn next_due(&self) -> Timestamp {
        self.parked.first_key_value().map_or(NEVER, |((due, _), _)| *due)
    }

    /// All with the time when they are due, ascending, and whether they never were in the queue.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Timestamp, &Taken, bool)> {
        self.parked.iter().map(|((due, _), message)| (*due, message, message.position == TAIL))
    }

    /// Puts a message after others that are due at the same time.
    pub(crate) fn park(&mut self, due: Timestamp, message: Taken, is_new: bool) {
        let position = if is_new { TAIL } else { message.position };
        self.bytes += u64::from(message.size);
        self.parked.insert((due, self.next_arrival), Taken { position, ..message });
        self.next_arrival += 1;
    }

    fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, Taken)> {
        if self.next_due() > now {
            return None;
        }
        let ((due, _), message) = self.parked.pop_first()?;
        self.bytes -= u64::from(message.size);
        Some((due, message))
    }
}

impl DelayedRetry {
    /// How long a returned message waits. Unit: milliseconds.
    fn delay_ms(self, failed: bool, delivery_count: u32) -> u64 {
        let applies = match self.kind {
            RetryKind::All => true,
            RetryKind::Failed => failed,
            RetryKind::Returned => !failed,
        };
        if !applies {
            return 0;
        }
        let delay_ms = self.min_ms.saturating_mul(u64::from(delivery_count.max(1)));
        self.max_ms.map_or(delay_ms, |max_ms| delay_ms.min(max_ms))
    }
}

/// When a returned message may be delivered again, if it has to wait. It waits no longer than it lives.
pub(super) fn retry_at(
    retry: Option<DelayedRetry>,
    message: &Taken,
    failed: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    let delay_ms = retry?.delay_ms(failed, message.delivery_count);
    (delay_ms > 0).then(|| now.plus_ms(delay_ms).min(message.expires_at))
}

impl Queue {
    /// Messages come in that may not be delivered yet.
    pub(super) fn park(&mut self, piece: &Piece<'_>, due: Timestamp, ttl_ms: Option<u64>) {
        self.counters.enqueued += u64::from(piece.count);
        let delayed = self.delayed.get_or_insert_default();
        for at in 0..piece.count {
            let expires_at = ttl_ms.map_or(NEVER, Timestamp);
            delayed.park(due, Taken { expires_at, ..Taken::of_piece(piece, at) }, true);
        }
        self.lower_due(due);
    }

    /// Messages that are due come into the queue: at the tail, or where they were.
    pub(super) fn unpark(&mut self, budget: &mut u64, work: &mut Work<'_>) {
        while *budget > 0
            && let Some((due, message)) = self.delayed.as_mut().and_then(|delayed| delayed.pop_due(work.now))
        {
            *budget -= 1;
            if message.position == TAIL {
                self.arrive(&message, due, work);
            } else if message.expires_at <= work.now {
                self.counters.expired += 1;
                bury(&mut self.letters, &self.config, &Portion::One(&message), DeathReason::Expired, work);
            } else {
                self.lanes.insert(message);
            }
        }
        if self.delayed.as_ref().is_some_and(|delayed| delayed.count() == 0) {
            self.delayed = None;
        }
    }

    /// A message whose delay is over comes in: its time to live starts now.
    fn arrive(&mut self, message: &Taken, due: Timestamp, work: &mut Work<'_>) {
        let own_ttl_ms = Some(message.expires_at).filter(|ttl| *ttl != NEVER).map(|ttl| ttl.0);
        let ttl_ms = self.config.message_ttl_ms.into_iter().chain(own_ttl_ms).min();
        let piece = Piece {
            index: message.index,
            first_slot: message.slot,
            count: 1,
            sizes: Sizes::Uniform(message.size),
            position: 0,
            expires_at: ttl_ms.map_or(NEVER, |ttl_ms| due.plus_ms(ttl_ms)),
            priority: message.priority,
        };
        if ttl_ms == Some(0) {
            self.pass_through(piece, work);
        } else {
            self.append(piece);
        }
    }
}
