//! Answers of groups to the chunks of a channel.

use replication::ChunkReplies;
use types::SeqRange;

use super::{
    channel::{Caller, Channel},
    chunk::PendingChunk,
    shared::Context,
};
use crate::failure::Failure;

impl Channel {
    /// A chunk is answered: publishes are confirmed, the channel's operation goes on.
    pub(crate) fn replied(&mut self, cx: &mut Context<'_>, token: u64, replies: ChunkReplies) {
        let Some(mut chunk) = self.pending.remove(&token) else { return };
        cx.shared.in_flight_bytes -= chunk.bytes;
        let is_done = replies != ChunkReplies::Unavailable;
        self.confirm(cx, &mut chunk, is_done);
        if !is_done && self.holding.contains(&chunk.group) && !self.has_failed {
            // Deliveries will not come, and what was settled may come again: the client must know.
            self.fail(cx, &Failure::internal("the queue is not available"), Caller::default());
            return;
        }
        let Some(expected) = chunk.expected else { return };
        match replies {
            ChunkReplies::Applied(answers) => match answers.into_iter().nth(expected) {
                Some(answer) => self.answered(cx, answer),
                None => self.unanswered(cx),
            },
            ChunkReplies::AppliedUnanswered => self.answer_lost(cx),
            ChunkReplies::Unavailable => self.unanswered(cx),
        }
    }

    /// Tells a publisher what became of a chunk's messages.
    fn confirm(&mut self, cx: &mut Context<'_>, chunk: &mut PendingChunk, is_done: bool) {
        let verdicts = self.shared_confirms.answered(chunk, is_done);
        let count = |ranges: &[SeqRange]| ranges.iter().map(|range| range.count()).sum::<u64>();
        cx.shared.tally.confirmed += count(&verdicts.done);
        cx.shared.tally.refused += count(&verdicts.failed);
        if !self.is_open {
            return;
        }
        for range in verdicts.done {
            cx.conn.confirm(self.number, range, true);
        }
        for range in verdicts.failed {
            cx.conn.confirm(self.number, range, false);
        }
    }
}
