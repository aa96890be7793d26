//! What a channel has gathered since the last flush: for each group one chunk of commands.
//!
//! A batch of publishes becomes one `Enqueue` with a run per queue, a batch of acks one `Settle` per consumer, wherever in the
//! batch they stand: enqueuing, settling and granting credit do not depend on each other's order. All other commands are
//! barriers that nothing moves across.

use std::sync::Arc;

use amqp_connection::Verb;
use bytes::Bytes;
use queue::{Command, Enqueue, EnqueueRun};
use types::{BlobBuilder, GroupId, QueueId, RecordParts, SeqRange};

use super::{
    chunk::PendingChunk,
    ranges,
    route::{Asks, Route, RoutePart},
};

/// Cost of a command in flight beside the messages, for the limit of bytes in flight. Unit: bytes.
const COMMAND_BYTES: usize = 64;

/// The chunks in the making of one channel.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// In the order in which the groups were first named. Few: linear search is fastest.
    chunks: Vec<ChunkDraft>,
    /// Empty builders with memory, for the next chunks of a busy channel.
    spare: Vec<BlobBuilder>,
}

/// One chunk in the making.
#[derive(Debug)]
pub(crate) struct ChunkDraft {
    pub(crate) group: GroupId,
    pub(crate) commands: Vec<Command>,
    pub(crate) blob: BlobBuilder,
    /// What is to happen when the answers come.
    pub(crate) pending: PendingChunk,
    /// Commands before this one are not added to.
    barrier: usize,
    /// Where the `Enqueue` after the barrier is.
    enqueue_at: Option<usize>,
    /// The route of the last message, what it asked for, and where its runs begin in the `Enqueue`.
    last_route: Option<(Arc<Route>, Asks, usize)>,
}

impl Outbox {
    /// Whether there is nothing to submit.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The group's chunk.
    pub(crate) fn chunk(&mut self, group: GroupId) -> &mut ChunkDraft {
        let at = match self.chunks.iter().position(|chunk| chunk.group == group) {
            Some(at) => at,
            None => {
                let blob = self.spare.pop().unwrap_or_default();
                self.chunks.push(ChunkDraft::new(group, blob));
                self.chunks.len() - 1
            }
        };
        &mut self.chunks[at]
    }

    /// All that was gathered belongs to a commit; returns how many chunks that is.
    pub(crate) fn mark_commit(&mut self) -> usize {
        for chunk in &mut self.chunks {
            chunk.pending.is_commit = true;
        }
        self.chunks.len()
    }

    /// Takes all chunks.
    pub(crate) fn take(&mut self) -> Vec<ChunkDraft> {
        std::mem::take(&mut self.chunks)
    }

    /// Gives a chunk's builder back, emptied, for its memory.
    pub(crate) fn recycle(&mut self, blob: BlobBuilder) {
        debug_assert!(blob.is_empty(), "a builder is emptied before it is used again");
        if self.spare.is_empty() {
            self.spare.push(blob);
        }
    }

    /// Gives memory back that only a busy channel needs.
    pub(crate) fn trim(&mut self) {
        self.spare = Vec::new();
        if self.chunks.is_empty() {
            self.chunks = Vec::new();
        }
    }
}

impl ChunkDraft {
    fn new(group: GroupId, blob: BlobBuilder) -> Self {
        ChunkDraft {
            group,
            commands: Vec::new(),
            blob,
            pending: PendingChunk::new(group),
            barrier: 0,
            enqueue_at: None,
            last_route: None,
        }
    }

    /// Adds a command that keeps its place; returns its position.
    pub(crate) fn push(&mut self, command: Command) -> usize {
        self.commands.push(command);
        self.barrier = self.commands.len();
        self.enqueue_at = None;
        self.last_route = None;
        self.barrier - 1
    }

    /// Adds a message for the queues of one part of its route; returns its slot, and its record's size. What counts for the
    /// limits of queues is its body, as in RabbitMQ. Unit: bytes.
    pub(crate) fn publish(
        &mut self,
        route: &Arc<Route>,
        part: &RoutePart,
        record: &RecordParts<'_>,
        asks: Asks,
    ) -> (u32, u32) {
        let slot = self.blob.push(record);
        let size = self.blob.record_len(slot).expect("the slot was just written");
        let at = match self.enqueue_at {
            Some(at) => at,
            None => {
                self.commands.push(Command::Enqueue(Enqueue { first_slot: slot, ..Enqueue::default() }));
                self.enqueue_at = Some(self.commands.len() - 1);
                self.commands.len() - 1
            }
        };
        let Command::Enqueue(enqueue) = &mut self.commands[at] else {
            unreachable!("the position is that of an enqueue")
        };
        enqueue.sizes.push(body_size(record.body));
        match &self.last_route {
            Some((last, asked, first_run)) if Arc::ptr_eq(last, route) && *asked == asks => {
                for run in &mut enqueue.runs[*first_run..] {
                    run.count += 1;
                }
            }
            _ => {
                let first_run = enqueue.runs.len();
                let runs = part.runs(asks);
                let runs = runs.map(|(queue, options)| EnqueueRun { queue, first_slot: slot, count: 1, options });
                enqueue.runs.extend(runs);
                self.pending.note_queues(part.destinations());
                self.last_route = Some((Arc::clone(route), asks, first_run));
            }
        }
        (slot, size)
    }

    /// Adds deliveries that a client is done with.
    pub(crate) fn settle(&mut self, verb: Verb, queue: QueueId, number: u32, range: SeqRange) {
        let open = self.commands[self.barrier..].iter_mut().rev();
        match open.filter_map(|command| ranges_of(command, verb, queue, number)).next() {
            Some(ranges) => ranges::add(ranges, range),
            None => self.commands.push(settle_command(verb, queue, number, vec![range])),
        }
    }

    /// Grants credit.
    pub(crate) fn credit(&mut self, queue: QueueId, number: u32, up_to: u64) {
        self.commands.push(Command::Credit { queue, number, up_to });
    }

    /// What the chunk will weigh in flight, besides its blob. Unit: bytes.
    pub(crate) fn command_bytes(&self) -> usize {
        self.commands.len() * COMMAND_BYTES
    }
}

/// The size of a message, as queues count it. Unit: bytes.
pub(crate) fn body_size(body: &[Bytes]) -> u32 {
    u32::try_from(body.iter().map(Bytes::len).sum::<usize>()).expect("bodies are limited far below 4 GiB")
}

fn settle_command(verb: Verb, queue: QueueId, number: u32, ranges: Vec<SeqRange>) -> Command {
    match verb {
        Verb::Ack => Command::Settle { queue, number, ranges },
        Verb::Discard => Command::Discard { queue, number, ranges },
        Verb::Requeue { failed } => Command::Return { queue, number, ranges, failed },
    }
}

/// The ranges of a command that says the same of the same consumer's deliveries.
fn ranges_of(command: &mut Command, verb: Verb, queue: QueueId, number: u32) -> Option<&mut Vec<SeqRange>> {
    let (q, n, ranges) = match (command, verb) {
        (Command::Settle { queue, number, ranges }, Verb::Ack)
        | (Command::Discard { queue, number, ranges }, Verb::Discard) => (queue, number, ranges),
        (Command::Return { queue, number, ranges, failed }, Verb::Requeue { failed: f }) if *failed == f => {
            (queue, number, ranges)
        }
        _ => return None,
    };
    (*q == queue && *n == number).then_some(ranges)
}
