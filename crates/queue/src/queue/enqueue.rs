//! Messages come into a queue.

use super::{Queue, Work};
use crate::{Delay, EnqueueOptions, Overflow, QueueConfig, SlotRange, backlog::Piece, machine::NEVER};

/// Where a queue has no greatest priority: RabbitMQ's for quorum queues.
const PRIORITY_MAX: u8 = 31;
/// And that of messages without.
pub(crate) const PRIORITY_DEFAULT: u8 = 4;

impl QueueConfig {
    /// What a message's priority is in the queue.
    fn effective_priority(&self, asked: Option<u8>) -> u8 {
        match self.max_priority {
            Some(max) => asked.unwrap_or(0).min(max),
            None => asked.unwrap_or(PRIORITY_DEFAULT).min(PRIORITY_MAX),
        }
    }
}

impl Queue {
    /// Takes in the messages of one run. Their positions, time of expiry and priority are given here. Adds to `rejected` the slots
    /// of those for which there is no room.
    pub(crate) fn enqueue<'p>(
        &mut self,
        pieces: impl Iterator<Item = Piece<'p>>,
        options: &EnqueueOptions,
        work: &mut Work<'_>,
        rejected: &mut Vec<SlotRange>,
    ) {
        let ttl_ms = self.config.message_ttl_ms.into_iter().chain(options.ttl_ms).min();
        let expires_at = ttl_ms.map_or(NEVER, |ttl_ms| work.now.plus_ms(ttl_ms));
        let priority = self.config.effective_priority(options.priority);
        let pieces = pieces.map(|piece| Piece { expires_at, priority, ..piece });
        let due = match options.delay {
            Delay::None => work.now,
            Delay::For(delay_ms) => work.now.plus_ms(delay_ms),
            Delay::Until(due) => due,
        };
        if due > work.now {
            pieces.for_each(|piece| self.park(&piece, due, options.ttl_ms));
            return;
        }
        if ttl_ms == Some(0) {
            for piece in pieces {
                self.counters.enqueued += u64::from(piece.count);
                self.pass_through(piece, work);
            }
            return;
        }
        self.lower_due(expires_at);
        let is_limited = self.is_limited();
        if is_limited {
            // What is dropped or rejected must not depend on which commands happened to share their entry.
            self.serve(work);
        }
        for piece in pieces {
            if is_limited && self.config.overflow != Overflow::DropHead {
                self.admit(&piece, work, rejected);
            } else {
                self.counters.enqueued += u64::from(piece.count);
                self.append(piece);
            }
        }
    }

    /// Puts messages at the tail.
    pub(super) fn append(&mut self, piece: Piece<'_>) {
        let position = self.next_position;
        self.next_position += u64::from(piece.count);
        self.lanes.push(Piece { position, ..piece });
    }

    /// Messages that have no time at all: those that no consumer takes at once are dead.
    pub(super) fn pass_through(&mut self, piece: Piece<'_>, work: &mut Work<'_>) {
        self.serve(work);
        self.append(piece);
        self.serve(work);
        self.expire(&mut u64::MAX.clone(), work);
    }
}
