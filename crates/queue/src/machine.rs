//! The machine of one group: many queues, their consumers, the producers that are known, the entries that are needed.
//!
//! Entries come in through [`Machine::apply_entry`]; each command of an entry is a file under `commands`. Clones share what
//! is large, so a clone for a checkpoint is cheap while the original goes on.

pub(crate) mod deadlines;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use types::{ConsumerKey, NodeId, QueueId, Timestamp};

use crate::{
    Chunk, ChunkReply, ChunkResult, ConsumerInfo, DeadLetters, Delivered, Delivery, NodePresence, Outcome, Producer,
    QueueEnded, QueueStats,
    commands::{self, Scope},
    consumers::Consumer,
    live::{LiveCounts, Releaser},
    producers::Producers,
    queue::{Queue, Work},
    sessions::Sessions,
    sources::Sources,
};
use deadlines::Deadlines;

/// No deadline at all.
pub(crate) const NEVER: Timestamp = Timestamp(u64::MAX);

/// The most that one tick does: messages that it moves, and queues that it looks at. A few milliseconds.
const TICK_WORK_MAX: u64 = 10_000;

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
    /// Queues that were here and are over, until metadata has forgotten them: their ids are never used again.
    pub(crate) ended: BTreeSet<QueueId>,
    /// Whose dead letters came in.
    pub(crate) sources: Sources,
    pub(crate) deadlines: Deadlines,
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
    /// may not have come to it; and the dead letters on their way. Covers cancelled consumers that still hold messages, and `basic.get` (as consumer zero).
    /// Sequence numbers within a delivery are without gap, so a consumer may get several.
    pub fn reissue(&self, out: &mut Outcome) {
        for (queue, state) in &self.queues {
            for consumer in state.consumers.iter() {
                reissue_consumer(*queue, consumer, &mut out.deliveries);
            }
            let messages = state.letters.as_ref().map(|letters| letters.told()).unwrap_or_default();
            if !messages.is_empty() {
                out.dead_letters.push(DeadLetters { queue: *queue, messages });
            }
        }
    }

    /// The deliveries of [`Machine::reissue`] for sessions of one node.
    pub fn reissue_to(&self, node: NodeId, out: &mut Outcome) {
        for (queue, state) in &self.queues {
            for consumer in state.consumers.iter().filter(|consumer| consumer.key.session.node == node) {
                reissue_consumer(*queue, consumer, &mut out.deliveries);
            }
        }
    }

    /// When a [`Command::Tick`](crate::Command::Tick) is due next; `None` when nothing waits for time. It can be too early,
    /// then a tick corrects it; it is never too late.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| deadline)
    }

    /// Queues that were here and are over, ascending, until [`Command::Forget`](crate::Command::Forget).
    pub fn ended(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.ended.iter().copied()
    }

    /// Whether it is one of them.
    pub fn has_ended(&self, queue: QueueId) -> bool {
        self.ended.contains(&queue)
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

    /// Queues, of this group or others, whose dead letters came in, ascending, until [`Command::Forget`](crate::Command::Forget).
    pub fn sources(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.sources.iter().map(|(queue, _)| queue)
    }

    /// A queue's consumers that are attached or hold messages, by key.
    pub fn consumers(&self, queue: QueueId) -> impl Iterator<Item = ConsumerInfo> + '_ {
        let state = self.queues.get(&queue).into_iter();
        state.flat_map(|state| {
            let is_active = |key| !state.config.single_active_consumer || state.consumers.active() == Some(key);
            state.consumers.iter().map(move |consumer| ConsumerInfo {
                key: consumer.key,
                options: consumer.options,
                attached: consumer.attached,
                active: consumer.attached && is_active(consumer.key),
                held: consumer.held.count(),
            })
        })
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
            nodes.insert(node, NodePresence { node, boot: Some(boot), ..NodePresence::default() });
        }
        for (node, least, greatest) in self.sessions.nodes() {
            let presence = nodes.entry(node).or_insert_with(|| NodePresence { node, ..NodePresence::default() });
            presence.session_serial_min = Some(least);
            presence.session_serial_max = Some(greatest);
        }
        nodes.into_values().collect()
    }

    /// Works on a queue, after what is due there; whatever it gives up is released, and the queue is served at the end of the
    /// entry if it has to be. `None` when the queue is not here, or has just come to its end.
    pub(crate) fn with_queue<R>(
        &mut self,
        id: QueueId,
        out: &mut Outcome,
        work: impl FnOnce(&mut Queue, &mut Work<'_>) -> R,
    ) -> Option<R> {
        // What is due must not be seen by anybody any more, however much it is.
        self.with_queue_within(&mut u64::MAX.clone(), id, out, work)
    }

    fn with_queue_within<R>(
        &mut self,
        budget: &mut u64,
        id: QueueId,
        out: &mut Outcome,
        work: impl FnOnce(&mut Queue, &mut Work<'_>) -> R,
    ) -> Option<R> {
        let queue = Arc::make_mut(self.queues.get_mut(&id)?);
        let mut context = Work {
            id,
            now: self.time,
            releaser: Releaser::new(&mut self.live, &mut out.dead),
            sessions: &mut self.sessions,
            deliveries: &mut out.deliveries,
            cancelled: &mut out.cancelled,
            dead_letters: &mut out.dead_letters,
        };
        if queue.due_at <= self.time {
            queue.due(&mut context, budget);
            queue.drop_overflow(&mut context);
        }
        let result = queue.end.is_none().then(|| work(queue, &mut context));
        queue.drop_overflow(&mut context);
        context.releaser.finish();
        if !queue.marked && queue.wants_attention() {
            queue.marked = true;
            self.waiting.push(id);
        }
        if queue.due_at != queue.registered {
            self.deadlines.change(id, queue.registered, queue.due_at);
            queue.registered = queue.due_at;
        }
        if let Some(reason) = queue.end {
            self.remove_queue(id, out);
            out.ended.push(QueueEnded { queue: id, reason });
        }
        result
    }

    /// A queue is over: its messages go, its consumers are cancelled. Returns how many messages were ready.
    pub(crate) fn remove_queue(&mut self, id: QueueId, out: &mut Outcome) -> u64 {
        let Some(queue) = self.queues.remove(&id) else { return 0 };
        let mut releaser = Releaser::new(&mut self.live, &mut out.dead);
        queue.release_all(&mut releaser);
        releaser.finish();
        out.cancelled.extend(queue.cancelled(id));
        for session in queue.sessions() {
            self.sessions.remove(session, id);
        }
        self.deadlines.change(id, queue.registered, NEVER);
        self.ended.insert(id);
        queue.ready()
    }

    /// Does what is due, but no more than a bounded part of it.
    pub(crate) fn tick(&mut self, out: &mut Outcome) {
        let mut budget = TICK_WORK_MAX;
        while budget > 0
            && let Some((deadline, id)) = self.deadlines.first()
            && deadline <= self.time
        {
            budget -= 1;
            self.with_queue_within(&mut budget, id, out, |_, _| ());
        }
    }

    /// Adds a queue from a snapshot.
    pub(crate) fn restore_queue(&mut self, id: QueueId, mut queue: Queue) {
        queue.due_at = queue.next_due();
        queue.registered = queue.due_at;
        self.deadlines.change(id, NEVER, queue.due_at);
        self.queues.insert(id, Arc::new(queue));
    }

    /// What does not hold of the deadlines, if anything.
    pub(crate) fn check_deadlines(&self) -> Result<(), String> {
        let registered = self.queues.iter().map(|(id, queue)| (queue.registered, *id));
        if !self.deadlines.iter().eq(registered.filter(|(at, _)| *at != NEVER).collect::<BTreeSet<_>>()) {
            return Err("deadlines are not those of the queues".to_owned());
        }
        match self.queues.iter().find(|(_, queue)| queue.due_at > queue.next_due() || queue.registered != queue.due_at)
        {
            Some((id, _)) => Err(format!("queue {id}: its deadline is registered too late")),
            None => Ok(()),
        }
    }

    /// Serves a queue now, before a command that looks at its ready messages: what the command finds must not depend on
    /// which commands happened to share its entry.
    pub(crate) fn serve_first(&mut self, id: QueueId, out: &mut Outcome) {
        self.with_queue(id, out, |queue, work| {
            if queue.wants_service() {
                queue.serve(work);
            }
        });
    }

    fn apply_chunk(&mut self, scope: &Scope, chunk: &Chunk, out: &mut Outcome) -> ChunkResult {
        if let Err(refused) = self.producers.admit(chunk.producer, chunk.seq) {
            return refused;
        }
        ChunkResult::Applied(chunk.commands.iter().map(|command| commands::apply(self, scope, command, out)).collect())
    }

    fn serve_waiting(&mut self, out: &mut Outcome) {
        let mut waiting = std::mem::take(&mut self.waiting);
        for id in waiting.drain(..) {
            // A queue that was deleted meanwhile is passed over.
            self.with_queue(id, out, |queue, work| queue.attend(work));
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
