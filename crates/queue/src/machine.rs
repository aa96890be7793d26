//! The machine of one group: many queues, their consumers, the producers that are known, the entries that are needed.
//!
//! Entries come in through [`Machine::apply_entry`]; each command of an entry is a file under `commands`. Clones share what
//! is large, so a clone for a checkpoint is cheap while the original goes on.

use std::{collections::BTreeMap, sync::Arc};

use types::{ConsumerKey, NodeId, QueueId, Timestamp};

use crate::{
    Chunk, ChunkReply, ChunkResult, Delivered, Delivery, NodePresence, Outcome, Producer, QueueStats,
    commands::{self, Scope},
    consumers::Consumer,
    live::{LiveCounts, Releaser},
    producers::Producers,
    queue::Queue,
    sessions::Sessions,
};

/// Where in the log an entry is and when it was proposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// The entry's index. Grows from entry to entry, not always by one.
    pub index: u64,
    /// When its leader proposed it. The machine's time never goes back.
    pub proposed_at: Timestamp,
}

/// The queues of one group.
///
/// Never touched by time or chance: what it becomes depends on the entries alone. It is cheap to clone (about a pointer for
/// each queue), so a checkpoint is taken of a clone while the original goes on.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub(crate) time: Timestamp,
    /// The least index that may come.
    pub(crate) next_index: u64,
    pub(crate) queues: BTreeMap<QueueId, Arc<Queue>>,
    pub(crate) sessions: Sessions,
    pub(crate) producers: Producers,
    pub(crate) live: LiveCounts,
    /// Queues to be served at the end of the entry.
    pub(crate) waiting: Vec<QueueId>,
}

impl Machine {
    /// A machine without queues.
    pub fn new() -> Self {
        Machine::default()
    }

    /// Applies one log entry: its chunks in order, each with a reply; then serves consumers. Adds to `out` what came of it.
    ///
    /// The slots of a chunk start in the entry's blob where those of the chunk before end, whatever becomes of the chunks. An
    /// entry of which nothing is needed any more is reported dead once, which can be in the outcome that delivers from it.
    ///
    /// # Panics
    /// When `at.index` is not greater than that of the entry before.
    pub fn apply_entry(&mut self, at: At, chunks: &[Chunk], out: &mut Outcome) {
        assert!(at.index >= self.next_index, "entry {} comes again: {} is expected", at.index, self.next_index);
        self.next_index = at.index.saturating_add(1);
        self.time = self.time.max(at.proposed_at);
        self.live.open(at.index);
        let mut slots = 0;
        for chunk in chunks {
            let scope = Scope { index: at.index, session: chunk.session, slots_before: slots, slots: chunk.slots };
            slots += u64::from(chunk.slots);
            let result = self.apply_chunk(&scope, chunk, out);
            let Chunk { producer, seq, session, .. } = *chunk;
            out.replies.push(ChunkReply { producer, seq, session, result });
        }
        self.serve_waiting(out);
        self.live.close(slots > 0, &mut out.dead);
    }

    /// Deliveries of everything that sessions hold, as it was first sent: what a new leader sends again, since the old one
    /// may not have come to it. Covers cancelled consumers that still hold messages, and `basic.get` (as consumer zero).
    /// Sequence numbers within a delivery are without gap, so a consumer may get several.
    pub fn reissue(&self, out: &mut Outcome) {
        for (queue, state) in &self.queues {
            for consumer in state.consumers.iter() {
                reissue_consumer(*queue, consumer, &mut out.deliveries);
            }
        }
    }

    /// When a [`Command::Tick`](crate::Command::Tick) is due next; `None` when nothing waits for time.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    /// The greatest `proposed_at` of all entries.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Entries whose blob is still needed, ascending.
    pub fn live_indexes(&self) -> Vec<u64> {
        self.live.iter().map(|(index, _)| index).collect()
    }

    /// How many entries' blobs are still needed.
    pub fn live_entries(&self) -> u64 {
        self.live.entries()
    }

    /// How many messages are in queues, ready or held; a message in several queues counts in each.
    pub fn live_messages(&self) -> u64 {
        self.live.messages()
    }

    /// All queues, ascending.
    pub fn queues(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.queues.keys().copied()
    }

    /// A queue's depth and counters, `None` when it is not here.
    pub fn stats(&self, queue: QueueId) -> Option<QueueStats> {
        self.queues.get(&queue).map(|state| state.stats())
    }

    /// The incarnations whose chunks are accepted, one for each node that has any, ascending.
    pub fn producers(&self) -> Vec<Producer> {
        let accepted = |(node, known): (NodeId, crate::producers::NodeProducer)| {
            known.current.map(|current| Producer { node, boot: current.boot })
        };
        self.producers.iter().filter_map(accepted).collect()
    }

    /// The nodes that have sessions or producers here, ascending.
    pub fn nodes(&self) -> Vec<NodePresence> {
        let mut nodes: BTreeMap<NodeId, NodePresence> = BTreeMap::new();
        for Producer { node, boot } in self.producers() {
            nodes.insert(node, NodePresence { node, boot: Some(boot), session_serial_max: None });
        }
        for (node, serial) in self.sessions.nodes() {
            let presence = nodes.entry(node).or_insert_with(|| NodePresence { node, ..NodePresence::default() });
            presence.session_serial_max = Some(serial);
        }
        nodes.into_values().collect()
    }

    /// Works on a queue; whatever it gives up is released, and the queue is served at the end of the entry if it has to be.
    pub(crate) fn with_queue<R>(
        &mut self,
        id: QueueId,
        dead: &mut Vec<u64>,
        work: impl FnOnce(&mut Queue, &mut Releaser<'_>) -> R,
    ) -> Option<R> {
        let queue = Arc::make_mut(self.queues.get_mut(&id)?);
        let mut releaser = Releaser::new(&mut self.live, dead);
        let result = work(queue, &mut releaser);
        releaser.finish();
        if !queue.marked && queue.wants_service() {
            queue.marked = true;
            self.waiting.push(id);
        }
        Some(result)
    }

    /// Serves a queue now, before a command that looks at its ready messages: what the command finds must not depend on
    /// which commands happened to share its entry.
    pub(crate) fn serve_first(&mut self, id: QueueId, out: &mut Outcome) {
        let Outcome { deliveries, dead, .. } = out;
        if self.queues.get(&id).is_some_and(|queue| queue.wants_service()) {
            self.with_queue(id, dead, |queue, releaser| queue.serve(id, deliveries, releaser));
        }
    }

    fn apply_chunk(&mut self, scope: &Scope, chunk: &Chunk, out: &mut Outcome) -> ChunkResult {
        if let Err(refused) = self.producers.admit(chunk.producer, chunk.seq) {
            return refused;
        }
        ChunkResult::Applied(chunk.commands.iter().map(|command| commands::apply(self, scope, command, out)).collect())
    }

    fn serve_waiting(&mut self, out: &mut Outcome) {
        let Outcome { deliveries, dead, .. } = out;
        let mut waiting = std::mem::take(&mut self.waiting);
        for id in waiting.drain(..) {
            // A queue that was deleted meanwhile is passed over.
            self.with_queue(id, dead, |queue, releaser| {
                queue.serve(id, deliveries, releaser);
                queue.marked = false;
            });
        }
        self.waiting = waiting;
    }
}

fn reissue_consumer(queue: QueueId, consumer: &Consumer, deliveries: &mut Vec<Delivery>) {
    if consumer.options.no_ack && consumer.key.number != ConsumerKey::GET {
        // Nothing is held, but the session has to learn how far its deliveries went, or it never grants more.
        let first_seq = consumer.held.next_seq();
        deliveries.push(Delivery { consumer: consumer.key, queue, first_seq, messages: Vec::new() });
        return;
    }
    let mut next_seq = None;
    for (seq, held) in consumer.held.iter() {
        if next_seq != Some(seq) {
            deliveries.push(Delivery { consumer: consumer.key, queue, first_seq: seq, messages: Vec::new() });
        }
        next_seq = Some(seq + 1);
        let delivery = deliveries.last_mut().expect("one was pushed for the first message");
        let (redelivered, delivery_count) = (held.redelivered, held.delivery_count);
        delivery.messages.push(Delivered { message: held.message(), redelivered, delivery_count });
    }
}
