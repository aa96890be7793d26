//! Answers of groups to the chunks of a channel.

use queue::{Overflow, Reply, SlotRange};
use replication::{Answer, ChunkReplies, queue_config};
use types::SeqRange;

use super::{
    channel::{Caller, Channel},
    chunk::PendingChunk,
    confirm::Fate,
    doubt::Doubt,
    shared::Context,
};
use crate::failure::Failure;

impl Channel {
    /// A chunk is answered: publishes are confirmed, the channel's operation goes on.
    pub(crate) fn replied(&mut self, cx: &mut Context<'_>, token: u64, replies: ChunkReplies) {
        let Some(mut chunk) = self.pending.remove(&token) else { return };
        let expected = std::mem::take(&mut chunk.expected);
        let NotTaken { rejected, missing } = not_taken(&replies);
        let fate = match replies {
            ChunkReplies::Applied(_) => Fate::Applied(&rejected),
            // Which of them were rejected is lost with the answers.
            ChunkReplies::AppliedUnanswered if may_reject(cx, &chunk) => Fate::Unknown,
            ChunkReplies::AppliedUnanswered => Fate::Applied(&[]),
            ChunkReplies::Unavailable => Fate::Unknown,
        };
        let (group, is_commit) = (chunk.group, chunk.is_commit);
        if missing.is_empty() || !Doubt::concerns(&chunk) {
            self.settle_chunk(cx, &chunk, fate);
        } else {
            self.doubt(cx, Doubt { chunk, rejected: rejected.clone(), missing });
        }
        if replies == ChunkReplies::Unavailable
            && expected.is_empty()
            && self.holding.contains(&group)
            && !self.has_failed
        {
            // Deliveries will not come, and what was settled may come again: the client must know.
            self.fail(
                cx,
                &Failure::internal(
                    "a queue of this channel does not answer: no majority of its replicas can be reached",
                ),
                Caller::default(),
            );
            return;
        }
        if is_commit {
            self.commit_answered(cx, fate);
        }
        self.go_on(cx, &expected, replies);
    }

    /// Tells a publisher what became of a chunk's messages, which are in flight no more.
    pub(crate) fn settle_chunk(&mut self, cx: &mut Context<'_>, chunk: &PendingChunk, fate: Fate<'_>) {
        cx.shared.in_flight_bytes -= chunk.bytes;
        self.confirm(cx, chunk, fate);
    }

    /// The operations that waited for a chunk's answers go on.
    fn go_on(&mut self, cx: &mut Context<'_>, expected: &[(usize, u64)], replies: ChunkReplies) {
        if expected.is_empty() {
            return;
        }
        match replies {
            ChunkReplies::Applied(answers) => {
                let mut answers = answers.into_iter().enumerate();
                for (at, operation) in expected {
                    match answers.find(|(position, _)| position == at) {
                        Some((_, answer)) => self.answered(cx, *operation, answer),
                        None => self.unanswered(cx, *operation),
                    }
                }
            }
            ChunkReplies::AppliedUnanswered => {
                expected.iter().for_each(|(_, operation)| self.answer_lost(cx, *operation));
            }
            ChunkReplies::Unavailable => expected.iter().for_each(|(_, operation)| self.unanswered(cx, *operation)),
        }
        self.advance(cx);
    }

    fn confirm(&mut self, cx: &mut Context<'_>, chunk: &PendingChunk, fate: Fate<'_>) {
        let verdicts = self.shared_confirms.answered(chunk, fate);
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

/// Whether a queue that the chunk's messages went to refuses messages when it is full.
fn may_reject(cx: &Context<'_>, chunk: &PendingChunk) -> bool {
    let machine = cx.shared.broker.metadata().read();
    let mut overflows = chunk.queues().map(|queue| queue_config(&machine, queue).overflow);
    overflows.any(|overflow| match overflow {
        Overflow::DropHead => false,
        Overflow::RejectPublish | Overflow::RejectPublishDlx => true,
    })
}

/// The messages of a chunk that a queue did not take. Slots ascend from command to command.
#[derive(Debug, Default)]
struct NotTaken {
    rejected: Vec<SlotRange>,
    missing: Vec<SlotRange>,
}

fn not_taken(replies: &ChunkReplies) -> NotTaken {
    let mut all = NotTaken::default();
    let ChunkReplies::Applied(answers) = replies else { return all };
    for answer in answers {
        if let Answer::Reply(Reply::NotTaken { rejected, missing }) = answer {
            all.rejected.extend_from_slice(rejected);
            all.missing.extend_from_slice(missing);
        }
    }
    all
}
