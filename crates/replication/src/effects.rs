//! Acts on what a leading queue machine decided: loads records, hands answers and deliveries to sessions here or on other nodes,
//! then lets go of blobs that nobody needs any more.
//!
//! One task per group, in log order. Apply holds back while too much waits here.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use queue::{ChunkReply, ChunkResult, DeadLetters, Delivery, Outcome, Reply};
use storage::LogStore;
use tokio::sync::Notify;
use types::{Blob, GroupId, MessageRef, NodeId};

use crate::{
    api::{Answer, DeadLetterBatch, DeliveredRecord, PeekedRecords, SessionDelivery, Sessions},
    blocking,
    client::{AnswerResult, Answered, GroupClient},
    entry_cache::EntryCache,
    metrics,
    transport::{Peers, wire},
};

/// Outcomes that may wait; one per log entry, so together they refer to no more than that many entries' bodies.
const WAITING_MAX: usize = 64;

/// Deliveries of which the bodies are in memory together when they are issued again.
const PIECE_DELIVERIES: usize = 64;

/// What a leading machine wants done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// This node leads in that term: tell everybody.
    Lead(u64),
    /// An entry's outcome.
    Outcome(Outcome),
}

/// Effects in log order, on their way to the group's task.
#[derive(Debug, Default)]
pub(crate) struct EffectQueue {
    waiting: Mutex<Waiting>,
    wake: Notify,
    drained: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Waiting {
    effects: VecDeque<Effect>,
    /// The task has taken effects and is not through with them.
    busy: bool,
}

impl EffectQueue {
    pub(crate) fn push(&self, effect: Effect) {
        self.waiting.lock().effects.push_back(effect);
        self.wake.notify_one();
    }

    /// Queues what is issued again, in pieces: the bodies of all of it together may be more than fits into memory.
    pub(crate) fn push_pieces(&self, mut outcome: Outcome) {
        let letters = std::mem::take(&mut outcome.dead_letters);
        let mut deliveries = outcome.deliveries.into_iter().peekable();
        while deliveries.peek().is_some() {
            let deliveries = deliveries.by_ref().take(PIECE_DELIVERIES).collect();
            self.push(Effect::Outcome(Outcome { deliveries, ..Outcome::default() }));
        }
        for letters in letters {
            self.push(Effect::Outcome(Outcome { dead_letters: vec![letters], ..Outcome::default() }));
        }
    }

    /// Told when fewer wait, when so many do that no more should come. For one that waits.
    pub(crate) fn congested(&self) -> Option<Arc<Notify>> {
        (self.waiting.lock().effects.len() >= WAITING_MAX).then(|| Arc::clone(&self.drained))
    }

    /// Told when fewer wait, when not all were acted on. For one that waits.
    pub(crate) fn unsettled(&self) -> Option<Arc<Notify>> {
        let waiting = self.waiting.lock();
        (!waiting.effects.is_empty() || waiting.busy).then(|| Arc::clone(&self.drained))
    }

    fn take(&self) -> VecDeque<Effect> {
        let mut waiting = self.waiting.lock();
        waiting.busy = !waiting.effects.is_empty();
        let effects = std::mem::take(&mut waiting.effects);
        drop(waiting);
        self.drained.notify_one();
        effects
    }
}

/// Where the message bodies of one group are.
pub(crate) trait Blobs: Send + Sync {
    fn read(&self, index: u64) -> Result<Option<Bytes>, storage::Error>;
    fn delete(&self, indexes: Vec<u64>);
    /// Whether reads take no time.
    fn is_in_memory(&self) -> bool;
}

/// The bodies of a replicated group.
pub(crate) struct StoredBlobs {
    pub group: GroupId,
    pub store: Arc<dyn LogStore>,
}

impl Blobs for StoredBlobs {
    fn read(&self, index: u64) -> Result<Option<Bytes>, storage::Error> {
        self.store.read_blob(self.group, index)
    }

    fn delete(&self, indexes: Vec<u64>) {
        self.store.delete_blobs(self.group, indexes);
    }

    fn is_in_memory(&self) -> bool {
        self.store.is_in_memory()
    }
}

/// The task of one group.
pub(crate) struct Effects {
    pub group: GroupId,
    pub node: NodeId,
    pub queue: Arc<EffectQueue>,
    pub blobs: Arc<dyn Blobs>,
    pub cache: Arc<EntryCache>,
    pub sessions: Arc<dyn Sessions>,
    pub client: Arc<GroupClient>,
    pub peers: Arc<Peers>,
    /// Blobs that the outcome in hand refers to; a backlog is drained entry by entry, so the next may want the last ones again.
    pub blobs_at_hand: BTreeMap<u64, Blob>,
}

impl Effects {
    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let effects = self.queue.take();
            if effects.is_empty() {
                self.queue.wake.notified().await;
                continue;
            }
            for effect in effects {
                match effect {
                    Effect::Lead(term) => self.announce(term),
                    Effect::Outcome(outcome) => self.act(outcome).await,
                }
            }
        }
    }

    fn announce(&self, term: u64) {
        self.client.leader(self.node, term);
        self.peers.broadcast(&wire::leader(self.group, term));
    }

    async fn act(&mut self, mut outcome: Outcome) {
        // Confirms do not wait for the bodies of another queue's backlog; fetched messages must.
        let replies = std::mem::take(&mut outcome.replies);
        if replies.iter().any(has_fetched) {
            outcome.replies = replies;
            self.load(&outcome).await;
            self.answer(std::mem::take(&mut outcome.replies));
        } else {
            self.answer(replies);
            self.load(&outcome).await;
        }
        for delivery in outcome.deliveries {
            self.deliver(delivery);
        }
        for cancelled in outcome.cancelled {
            let consumer = cancelled.consumer;
            if consumer.session.node == self.node {
                self.sessions.cancelled(cancelled);
            } else {
                self.peers.forward(consumer.session.node, wire::cancelled(&cancelled));
            }
        }
        for letters in outcome.dead_letters {
            self.bury(letters);
        }
        if !outcome.ended.is_empty() {
            self.sessions.queues_ended(self.group, outcome.ended);
        }
        if !outcome.dead.is_empty() {
            self.blobs.delete(outcome.dead);
        }
    }

    /// Finds the blobs that the outcome refers to: in memory, or else in the store. They are held until the outcome is through,
    /// whatever the entry cache lets go of meanwhile.
    async fn load(&mut self, outcome: &Outcome) {
        let mut missing = Vec::new();
        let mut blobs = BTreeMap::new();
        for index in wanted(outcome) {
            match self.cache.blob(index).or_else(|| self.blobs_at_hand.remove(&index)) {
                Some(blob) => drop(blobs.insert(index, blob)),
                None => missing.push(index),
            }
        }
        self.blobs_at_hand = blobs;
        if missing.is_empty() {
            return;
        }
        let store = Arc::clone(&self.blobs);
        let read = move || missing.into_iter().map(|index| (index, store.read(index))).collect::<Vec<_>>();
        match blocking::read(self.blobs.is_in_memory(), read).await {
            Ok(blobs) => blobs.into_iter().for_each(|(index, blob)| self.keep(index, blob)),
            Err(error) => tracing::error!(group_id = %self.group, %error, "reading message bodies was interrupted"),
        }
    }

    fn keep(&mut self, index: u64, blob: Result<Option<Bytes>, storage::Error>) {
        match blob.map(|bytes| bytes.map(Blob::from_bytes)) {
            Ok(Some(Ok(blob))) => drop(self.blobs_at_hand.insert(index, blob)),
            Ok(Some(Err(error))) => {
                tracing::error!(group_id = %self.group, index, %error, "message bodies of a log entry are damaged");
            }
            Ok(None) => tracing::error!(group_id = %self.group, index, "message bodies of a log entry are missing"),
            Err(error) => tracing::error!(group_id = %self.group, index, %error, "message bodies could not be read"),
        }
    }

    fn record(&self, message: &MessageRef, last: &mut Option<(u64, Blob)>) -> Option<Bytes> {
        if last.as_ref().map(|(index, _)| *index) != Some(message.index) {
            *last = self.blobs_at_hand.get(&message.index).map(|blob| (message.index, blob.clone()));
        }
        last.as_ref()?.1.record(message.slot).ok()
    }

    fn answer(&self, replies: Vec<ChunkReply>) {
        let mut answers: Vec<(NodeId, Vec<Answered>)> = Vec::new();
        for reply in replies {
            let node = reply.producer.node;
            if node == NodeId::default() {
                continue; // The group's own commands are nobody's.
            }
            let answered = Answered { boot: reply.producer.boot, seq: reply.seq, result: self.result(reply.result) };
            match answers.iter_mut().find(|(to, _)| *to == node) {
                Some((_, list)) => list.push(answered),
                None => answers.push((node, vec![answered])),
            }
        }
        for (node, list) in answers {
            if node == self.node {
                self.client.answered(list);
            } else {
                self.peers.forward(node, wire::replies(self.group, list));
            }
        }
    }

    fn result(&self, result: ChunkResult) -> AnswerResult {
        let ChunkResult::Applied(replies) = result else { return AnswerResult::plain(result) };
        let mut last = None;
        let answers = replies.into_iter().map(|reply| match reply {
            Reply::Got(got) => Answer::Got(got, self.record(&got.message, &mut last).unwrap_or_default()),
            Reply::Peeked(peeked) => {
                // One that is dropped at this moment was not there any more.
                let records = peeked.messages.iter().filter_map(|message| self.record(message, &mut last)).collect();
                Answer::Peeked(PeekedRecords { records, next: peeked.next })
            }
            other => Answer::Reply(other),
        });
        AnswerResult::Applied(answers.collect())
    }

    /// Dead letters go to this node, which leads: it knows where they go.
    fn bury(&self, dead: DeadLetters) {
        let mut last = None;
        let mut letters = Vec::with_capacity(dead.messages.len());
        for letter in dead.messages {
            match self.record(&letter.message, &mut last) {
                Some(record) => letters.push((letter, record)),
                None => {
                    tracing::error!(group_id = %self.group, index = letter.message.index, "dead letter without its message body");
                }
            }
        }
        if !letters.is_empty() {
            self.sessions.dead_letters(self.group, DeadLetterBatch { queue: dead.queue, letters });
        }
    }

    fn deliver(&self, delivery: Delivery) {
        let mut last = None;
        let count = delivery.messages.len();
        let mut messages = Vec::with_capacity(count);
        for delivered in &delivery.messages {
            let Some(record) = self.record(&delivered.message, &mut last) else {
                // A gap here would shift every later number, so the rest of this delivery waits for a repeat.
                tracing::error!(group_id = %self.group, index = delivered.message.index, "delivery without its message body");
                break;
            };
            messages.push(DeliveredRecord {
                record,
                redelivered: delivered.redelivered,
                delivery_count: delivered.delivery_count,
            });
        }
        metrics::delivered(messages.len());
        let node = delivery.consumer.session.node;
        let delivery = SessionDelivery {
            consumer: delivery.consumer,
            queue: delivery.queue,
            first_seq: delivery.first_seq,
            messages,
        };
        if node == self.node {
            self.sessions.deliver(delivery);
        } else {
            self.peers.forward(node, wire::deliver(&delivery));
        }
    }
}

/// Whether the reply carries a message.
fn has_fetched(reply: &ChunkReply) -> bool {
    match &reply.result {
        ChunkResult::Applied(replies) => replies.iter().any(|reply| matches!(reply, Reply::Got(_) | Reply::Peeked(_))),
        ChunkResult::Duplicate | ChunkResult::Gap { .. } | ChunkResult::Fenced => false,
    }
}

/// Log entries whose messages the outcome sends out.
fn wanted(outcome: &Outcome) -> BTreeSet<u64> {
    let delivered = outcome.deliveries.iter().flat_map(|delivery| &delivery.messages);
    let fetched = outcome.replies.iter().flat_map(|reply| match &reply.result {
        ChunkResult::Applied(replies) => replies.as_slice(),
        ChunkResult::Duplicate | ChunkResult::Gap { .. } | ChunkResult::Fenced => &[],
    });
    let fetched = fetched.flat_map(|reply| match reply {
        Reply::Got(got) => std::slice::from_ref(&got.message),
        Reply::Peeked(peeked) => peeked.messages.as_slice(),
        _ => &[],
    });
    let fetched = fetched.map(|message| message.index);
    let dead = outcome.dead_letters.iter().flat_map(|letters| &letters.messages).map(|letter| letter.message.index);
    delivered.map(|delivered| delivered.message.index).chain(fetched).chain(dead).collect()
}
