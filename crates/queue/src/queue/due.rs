//! What happens in a queue because time passes.

use types::Timestamp;

use super::{Queue, Work};
use crate::{EndReason, machine::NEVER};

impl Queue {
    /// Does what is due, as far as the budget goes; then knows when there is something to do next.
    pub(crate) fn due(&mut self, work: &mut Work<'_>, budget: &mut u64) {
        self.time_out(work);
        self.unpark(budget, work);
        self.expire(budget, work);
        if let Some(letters) = &mut self.letters {
            letters.due(work.now, budget);
        }
        if self.lease_end() <= work.now {
            self.end = Some(EndReason::Expired);
        }
        self.due_at = self.next_due();
    }

    /// When there is something to do next.
    pub(crate) fn next_due(&self) -> Timestamp {
        let delayed = self.delayed.as_ref().map_or(NEVER, |delayed| delayed.next_due());
        let retries = self.letters.as_ref().map_or(NEVER, |letters| letters.next_due());
        self.lease_end().min(self.lanes.next_expiry()).min(delayed).min(retries).min(self.consumers.next_timeout())
    }

    /// There is something to do at that time.
    pub(super) fn lower_due(&mut self, at: Timestamp) {
        self.due_at = self.due_at.min(at);
    }

    /// When the queue is over unless somebody uses it.
    pub(super) fn lease_end(&self) -> Timestamp {
        match self.config.expires_ms {
            Some(expires_ms) if self.consumers.attached() == 0 => self.used_at.plus_ms(expires_ms),
            Some(_) | None => NEVER,
        }
    }
}
