//! Messages die before anybody has settled them.

use types::SeqRange;

use super::{Queue, Work};
use crate::{DeathReason, QueueConfig, lanes::Portion, letters::Letters};

/// Messages that are in the queue no more are dead: they are dead letters, where the queue has a use for them.
pub(super) fn bury(
    letters: &mut Option<Box<Letters>>,
    config: &QueueConfig,
    messages: &Portion<'_>,
    reason: DeathReason,
    work: &mut Work<'_>,
) {
    match config.dead_letter {
        Some(_) => letters.get_or_insert_default().add(messages, reason, work.now),
        None => work.releaser.release(messages.index(), messages.references()),
    }
}

impl Queue {
    /// Ready messages whose time is over die, at most so many.
    pub(super) fn expire(&mut self, budget: &mut u64, work: &mut Work<'_>) {
        let Queue { lanes, counters, letters, config, .. } = self;
        while *budget > 0 {
            let expired = lanes.take_expired(work.now, *budget, |portion| {
                counters.expired += portion.count();
                bury(letters, config, &portion, DeathReason::Expired, work);
                portion.count()
            });
            let Some(count) = expired else { break };
            *budget -= count;
        }
    }

    /// Dead letters have reached all queues that they go to.
    pub(crate) fn settle_dead(&mut self, ranges: &[SeqRange], work: &mut Work<'_>) {
        if let Some(letters) = &mut self.letters {
            letters.settle(ranges, |letter| work.releaser.release(letter.index, 1));
        }
    }

    /// Dead letters could not be delivered.
    pub(crate) fn retry_dead(&mut self, ranges: &[SeqRange], work: &mut Work<'_>) {
        if let Some(letters) = &mut self.letters {
            let due = letters.retry(ranges, work.now);
            self.lower_due(due);
        }
    }

    /// Dead letters that wait, and their bytes.
    pub(super) fn dead_waiting(&self) -> (u64, u64) {
        self.letters.as_ref().map_or((0, 0), |letters| (letters.count(), letters.bytes()))
    }
}
