//! Messages die before anybody has settled them.

use super::{Queue, Work};
use crate::{DeathReason, lanes::Portion};

impl Queue {
    /// Messages that are in the queue no more are dead.
    pub(super) fn die(&mut self, messages: Portion<'_>, reason: DeathReason, work: &mut Work<'_>) {
        match reason {
            DeathReason::Rejected => self.counters.discarded += messages.count(),
            DeathReason::Expired => self.counters.expired += messages.count(),
            DeathReason::MaxLength | DeathReason::DeliveryLimit => {}
        }
        work.releaser.release(messages.index(), messages.references());
    }

    /// Ready messages whose time is over die, at most so many.
    pub(super) fn expire(&mut self, budget: &mut u64, work: &mut Work<'_>) {
        let Queue { lanes, counters, .. } = self;
        while *budget > 0 {
            let expired = lanes.take_expired(work.now, *budget, |portion| {
                counters.expired += portion.count();
                work.releaser.release(portion.index(), portion.references());
                portion.count()
            });
            let Some(count) = expired else { break };
            *budget -= count;
        }
    }
}
