//! A naive model of the machine: lists, searched from the front, and nothing shared with it but the words of its contract.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use queue::{
    At, CancelReason, Cancelled, Chunk, ChunkReply, ChunkResult, Command, ConsumerOptions, Delivered, EndReason,
    Enqueue, EnqueueOptions, Got, QueueConfig, Refusal, Reply,
};
use types::{ConsumerKey, MessageRef, NodeId, QueueId, SeqRange, SessionId};

/// A message of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Message {
    /// Where it is among the queue's messages.
    pub place: u64,
    pub reference: MessageRef,
    pub size: u32,
    pub redelivered: bool,
    pub delivery_count: u32,
    pub priority: u8,
    pub expires_at: u64,
}

#[derive(Clone, Debug)]
pub struct Consumer {
    pub key: ConsumerKey,
    pub options: ConsumerOptions,
    pub credit: u64,
    pub attached: bool,
    pub next_seq: u64,
    pub held: Vec<(u64, Message)>,
}

#[derive(Clone, Debug, Default)]
pub struct Queue {
    pub config: QueueConfig,
    pub used_at: u64,
    pub end: Option<EndReason>,
    pub enqueued: Vec<Message>,
    /// By priority and place.
    pub ready: Vec<Message>,
    pub consumers: Vec<Consumer>,
    /// Who can be given a message, in the order of service.
    pub turns: Vec<ConsumerKey>,
    pub settled: u64,
    pub discarded: u64,
    pub purged: u64,
    pub expired: u64,
    next_place: u64,
}

/// Fenced boot; current boot and last chunk.
pub type Producer = (Option<u64>, Option<(u64, u64)>);

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub now: u64,
    pub ended: BTreeSet<QueueId>,
    pub queues: BTreeMap<QueueId, Queue>,
    pub producers: BTreeMap<NodeId, Producer>,
    /// Entries with a blob that is not dead yet.
    pub blobs: BTreeSet<u64>,
}

/// What an entry brought about. One row for each delivered message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    pub replies: Vec<ChunkReply>,
    pub deliveries: Vec<(ConsumerKey, QueueId, u64, Delivered)>,
    pub cancelled: BTreeSet<(ConsumerKey, QueueId, u64)>,
    pub ended: BTreeSet<(QueueId, bool)>,
    pub dead: BTreeSet<u64>,
}

impl Consumer {
    fn new(key: ConsumerKey, options: ConsumerOptions, attached: bool) -> Self {
        Consumer { key, options, credit: options.initial_credit, attached, next_seq: 1, held: Vec::new() }
    }

    fn has_capacity(&self) -> bool {
        if self.options.prefetch == 0 || self.options.no_ack {
            self.attached && self.next_seq <= self.credit
        } else {
            self.attached && self.held.len() < self.options.prefetch as usize
        }
    }
}

impl Queue {
    fn find(&mut self, key: ConsumerKey) -> Option<&mut Consumer> {
        self.consumers.iter_mut().find(|consumer| consumer.key == key)
    }

    fn attached(&self) -> usize {
        self.consumers.iter().filter(|consumer| consumer.attached).count()
    }

    fn sort(&mut self) {
        self.ready.sort_by_key(|message| (Reverse(message.priority), message.place));
        self.consumers.sort_by_key(|consumer| consumer.key);
        self.consumers.retain(|consumer| {
            consumer.attached || !consumer.held.is_empty() || consumer.key.number == ConsumerKey::GET
        });
        let able: Vec<_> = self.consumers.iter().filter(|c| c.has_capacity()).map(|c| c.key).collect();
        self.turns.retain(|key| able.contains(key));
        self.turns.extend(able.into_iter().filter(|key| !self.turns.contains(key)).collect::<Vec<_>>());
    }

    fn serve(&mut self, id: QueueId, effects: &mut Effects) {
        while !self.ready.is_empty() && !self.turns.is_empty() {
            let message = self.ready.remove(0);
            let key = self.turns.remove(0);
            let consumer = self.find(key).unwrap();
            effects.deliveries.push((key, id, consumer.next_seq, delivered(&message)));
            if !consumer.options.no_ack {
                consumer.held.push((consumer.next_seq, message));
            }
            consumer.next_seq += 1;
            let (goes_on, no_ack) = (consumer.has_capacity(), consumer.options.no_ack);
            self.settled += u64::from(no_ack);
            if goes_on {
                self.turns.push(key);
            }
        }
    }

    /// Takes from a consumer what it holds in the ranges.
    fn take(&mut self, key: ConsumerKey, ranges: &[SeqRange]) -> Vec<Message> {
        let Some(consumer) = self.find(key) else { return Vec::new() };
        let mut taken = Vec::new();
        consumer.held.retain(|(seq, message)| {
            let is_named = ranges.iter().any(|range| range.first <= *seq && *seq <= range.last);
            if is_named {
                taken.push(*message);
            }
            !is_named
        });
        taken
    }

    fn put_back(&mut self, messages: Vec<Message>, failed: bool, now: u64) {
        self.ready.extend(messages.into_iter().map(|message| Message {
            redelivered: true,
            delivery_count: message.delivery_count + u32::from(failed),
            ..message
        }));
        self.expire(now);
    }

    /// Messages whose time is over die.
    fn expire(&mut self, now: u64) {
        let before = self.ready.len();
        self.ready.retain(|message| message.expires_at > now);
        self.expired += (before - self.ready.len()) as u64;
    }

    /// A message comes in.
    fn enqueue(&mut self, id: QueueId, message: Message, options: &EnqueueOptions, now: u64, effects: &mut Effects) {
        let ttl = [self.config.message_ttl_ms, options.ttl_ms].into_iter().flatten().min();
        let priority = match self.config.max_priority {
            Some(max) => options.priority.unwrap_or(0).min(max),
            None => options.priority.unwrap_or(4).min(31),
        };
        let expires_at = ttl.map_or(u64::MAX, |ttl| now + ttl);
        let message = Message { place: self.next_place, priority, expires_at, ..message };
        self.next_place += 1;
        self.enqueued.push(message);
        if ttl == Some(0) {
            self.serve(id, effects);
        }
        self.ready.push(message);
        self.sort();
        if ttl == Some(0) {
            self.serve(id, effects);
            self.expire(now);
        }
    }

    /// Does what is due.
    fn due(&mut self, now: u64) {
        self.expire(now);
        if self.attached() == 0 && self.config.expires_ms.is_some_and(|ms| self.used_at + ms <= now) {
            self.end = Some(EndReason::Expired);
        }
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<u64> {
        let end = self.config.expires_ms.filter(|_| self.attached() == 0).map(|ms| self.used_at + ms);
        let expiries = self.ready.iter().map(|message| message.expires_at).filter(|at| *at < u64::MAX);
        end.into_iter().chain(expiries).min()
    }

    fn detach(&mut self, key: ConsumerKey, now: u64) {
        let Some(consumer) = self.find(key).filter(|consumer| consumer.attached) else { return };
        consumer.attached = false;
        if self.attached() == 0 {
            self.used_at = now;
            self.end = self.config.auto_delete.then_some(EndReason::LastConsumer);
        }
    }

    fn close(&mut self, session: SessionId, now: u64) {
        for key in self.consumers.iter().map(|consumer| consumer.key).collect::<Vec<_>>() {
            if key.session == session {
                self.detach(key, now);
            }
        }
        for consumer in std::mem::take(&mut self.consumers) {
            if consumer.key.session == session {
                self.put_back(consumer.held.into_iter().map(|(_, message)| message).collect(), true, now);
            } else {
                self.consumers.push(consumer);
            }
        }
    }
}

impl Model {
    pub fn apply_entry(&mut self, at: At, chunks: &[Chunk]) -> Effects {
        let index = at.index;
        self.now = self.now.max(at.proposed_at.0);
        let mut effects = Effects::default();
        let mut base = 0;
        for chunk in chunks {
            if chunk.slots > 0 {
                self.blobs.insert(index);
            }
            let result = match self.admit(chunk) {
                Some(refused) => refused,
                None => {
                    let mut replies = Vec::new();
                    for command in &chunk.commands {
                        replies.push(self.apply(index, base, chunk, command, &mut effects));
                        self.end_queues(&mut effects);
                        self.queues.values_mut().for_each(Queue::sort);
                    }
                    ChunkResult::Applied(replies)
                }
            };
            base += chunk.slots;
            let (producer, seq, session) = (chunk.producer, chunk.seq, chunk.session);
            effects.replies.push(ChunkReply { producer, seq, session, result });
        }
        for (id, queue) in &mut self.queues {
            queue.serve(*id, &mut effects);
            queue.sort();
        }
        let needed = self.references();
        effects.dead = self.blobs.iter().copied().filter(|blob| !needed.contains_key(blob)).collect();
        self.blobs.retain(|blob| needed.contains_key(blob));
        // Stable: what one consumer gets from a queue stays in order.
        effects.deliveries.sort_by_key(|(key, queue, _, _)| (*key, *queue));
        effects
    }

    /// How many messages refer to each entry.
    pub fn references(&self) -> BTreeMap<u64, u64> {
        let mut references = BTreeMap::new();
        for queue in self.queues.values() {
            let held = queue.consumers.iter().flat_map(|consumer| consumer.held.iter().map(|(_, message)| message));
            for message in queue.ready.iter().chain(held) {
                *references.entry(message.reference.index).or_insert(0) += 1;
            }
        }
        references
    }

    /// A queue, when what is due in it is done.
    fn at(&mut self, id: QueueId, effects: &mut Effects) -> Option<&mut Queue> {
        let now = self.now;
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.due(now);
        }
        self.end_queues(effects);
        self.queues.get_mut(&id)
    }

    fn end_queues(&mut self, effects: &mut Effects) {
        let ended: Vec<_> = self.queues.iter().filter_map(|(id, queue)| Some((*id, queue.end?))).collect();
        for (id, reason) in ended {
            self.remove(id, effects);
            effects.ended.insert((id, reason == EndReason::Expired));
        }
    }

    fn remove(&mut self, id: QueueId, effects: &mut Effects) {
        let queue = self.queues.remove(&id).unwrap();
        self.ended.insert(id);
        let attached = queue.consumers.iter().filter(|consumer| consumer.attached);
        effects.cancelled.extend(attached.map(|consumer| (consumer.key, id, 0)));
    }

    fn admit(&mut self, chunk: &Chunk) -> Option<ChunkResult> {
        let (node, boot) = (chunk.producer.node, chunk.producer.boot);
        if node == NodeId(0) {
            return None;
        }
        let known = self.producers.entry(node).or_default();
        if known.0 >= Some(boot) || known.1.is_some_and(|(current, _)| boot < current) {
            return Some(ChunkResult::Fenced);
        }
        let last = known.1.filter(|(current, _)| *current == boot).map_or(0, |(_, last)| last);
        if chunk.seq <= last {
            Some(ChunkResult::Duplicate)
        } else if chunk.seq > last + 1 {
            Some(ChunkResult::Gap { expected: last + 1 })
        } else {
            known.1 = Some((boot, chunk.seq));
            None
        }
    }

    #[allow(clippy::too_many_lines, reason = "one short arm for each command")]
    fn apply(&mut self, index: u64, base: u32, chunk: &Chunk, command: &Command, effects: &mut Effects) -> Reply {
        match command {
            Command::CreateQueue { queue, config } => {
                let new = || Queue { config: config.clone(), used_at: self.now, ..Queue::default() };
                if !self.ended.contains(queue) {
                    self.queues.entry(*queue).or_insert_with(new);
                }
                self.done_if_there(*queue, effects, |_, _| ())
            }
            Command::ConfigureQueue { queue, config } => self.done_if_there(*queue, effects, |queue, now| {
                if queue.config.expires_ms != config.expires_ms {
                    queue.used_at = now;
                }
                queue.config = config.clone();
            }),
            Command::Touch { queue } => {
                self.done_if_there(*queue, effects, |queue, now| queue.used_at = now);
                Reply::Done
            }
            Command::Tick => {
                for id in self.queues.keys().copied().collect::<Vec<_>>() {
                    self.at(id, effects);
                }
                Reply::Done
            }
            Command::Forget { queues } => {
                self.ended.retain(|queue| !queues.contains(queue));
                Reply::Done
            }
            Command::DeleteQueue { queue, if_unused, if_empty } => self.delete(*queue, *if_unused, *if_empty, effects),
            Command::Enqueue(enqueue) => self.enqueue(index, base, chunk, enqueue, effects),
            Command::Attach { queue, number, options } => {
                self.attach(*queue, chunk.consumer(*number), *options, effects)
            }
            Command::Detach { queue, number } => self.detach(*queue, chunk.consumer(*number), effects),
            Command::Credit { queue, number, up_to } => {
                let consumer = self.at(*queue, effects).and_then(|queue| queue.find(chunk.consumer(*number)));
                consumer.into_iter().for_each(|consumer| consumer.credit = consumer.credit.max(*up_to));
                Reply::Done
            }
            Command::Settle { queue, number, ranges } => {
                if let Some(queue) = self.at(*queue, effects) {
                    queue.settled += queue.take(chunk.consumer(*number), ranges).len() as u64;
                }
                Reply::Done
            }
            Command::Discard { queue, number, ranges } => {
                if let Some(queue) = self.at(*queue, effects) {
                    queue.discarded += queue.take(chunk.consumer(*number), ranges).len() as u64;
                }
                Reply::Done
            }
            Command::Return { queue, number, ranges, failed } => {
                let now = self.now;
                if let Some(queue) = self.at(*queue, effects) {
                    let messages = queue.take(chunk.consumer(*number), ranges);
                    queue.put_back(messages, *failed, now);
                }
                Reply::Done
            }
            Command::Get { queue, no_ack } => self.get(*queue, chunk.session, *no_ack, effects),
            Command::Purge { queue } => self.looking_at(*queue, effects, |queue, _| {
                let messages = queue.ready.len() as u64;
                queue.ready.clear();
                queue.purged += messages;
                Reply::Purged { messages }
            }),
            Command::Inspect { queue } => self.looking_at(*queue, effects, |queue, _| Reply::Depth {
                messages: queue.ready.len() as u64,
                consumers: queue.attached() as u32,
            }),
            Command::CloseSession => {
                self.close(|session| session == chunk.session, effects);
                Reply::Done
            }
            Command::NodeDown { node, boot, sessions_up_to } => self.node_down(*node, *boot, *sessions_up_to, effects),
            Command::SettleDead { .. } | Command::RetryDead { .. } => Reply::Done,
        }
    }

    fn done_if_there(&mut self, id: QueueId, effects: &mut Effects, change: impl FnOnce(&mut Queue, u64)) -> Reply {
        let now = self.now;
        match self.at(id, effects) {
            Some(queue) => {
                change(queue, now);
                Reply::Done
            }
            None => Reply::Refused(Refusal::NoSuchQueue),
        }
    }

    /// A command that looks at ready messages finds those that no consumer can have.
    fn looking_at(
        &mut self,
        id: QueueId,
        effects: &mut Effects,
        look: impl FnOnce(&mut Queue, &mut Effects) -> Reply,
    ) -> Reply {
        let Some(queue) = self.at(id, effects) else { return Reply::Refused(Refusal::NoSuchQueue) };
        queue.serve(id, effects);
        look(queue, effects)
    }

    fn delete(&mut self, id: QueueId, if_unused: bool, if_empty: bool, effects: &mut Effects) -> Reply {
        let reply = self.looking_at(id, effects, |queue, _| {
            if if_unused && queue.attached() > 0 {
                return Reply::Refused(Refusal::InUse);
            }
            if if_empty && !queue.ready.is_empty() {
                return Reply::Refused(Refusal::NotEmpty);
            }
            Reply::Deleted { messages: queue.ready.len() as u64 }
        });
        if matches!(reply, Reply::Deleted { .. }) {
            self.remove(id, effects);
        }
        reply
    }

    fn enqueue(&mut self, index: u64, base: u32, chunk: &Chunk, enqueue: &Enqueue, effects: &mut Effects) -> Reply {
        let now = self.now;
        for run in &enqueue.runs {
            if run.count == 0 || u64::from(run.first_slot) + u64::from(run.count) > u64::from(chunk.slots) {
                continue;
            }
            let Some(queue) = self.at(run.queue, effects) else { continue };
            for slot in run.first_slot..run.first_slot + run.count {
                let size = slot.checked_sub(enqueue.first_slot).and_then(|at| enqueue.sizes.get(at as usize));
                let message = Message {
                    reference: MessageRef { index, slot: base + slot },
                    size: size.copied().unwrap_or(0),
                    ..Message::default()
                };
                queue.enqueue(run.queue, message, &run.options, now, effects);
            }
        }
        Reply::Done
    }

    fn attach(&mut self, id: QueueId, key: ConsumerKey, options: ConsumerOptions, effects: &mut Effects) -> Reply {
        let Some(queue) = self.at(id, effects) else { return Reply::Refused(Refusal::NoSuchQueue) };
        if key.number == ConsumerKey::GET {
            return Reply::Refused(Refusal::ExclusiveUse);
        }
        if queue.find(key).is_some() {
            return Reply::Done;
        }
        let one_is_exclusive = queue.consumers.iter().any(|other| other.attached && other.options.exclusive);
        if one_is_exclusive || options.exclusive && queue.attached() > 0 {
            return Reply::Refused(Refusal::ExclusiveUse);
        }
        queue.consumers.push(Consumer::new(key, options, true));
        Reply::Done
    }

    fn detach(&mut self, id: QueueId, key: ConsumerKey, effects: &mut Effects) -> Reply {
        let now = self.now;
        let Some(queue) = self.at(id, effects) else { return Reply::Detached { consumers: 0, queue_ended: false } };
        queue.detach(key, now);
        Reply::Detached { consumers: queue.attached() as u32, queue_ended: queue.end.is_some() }
    }

    /// Closes sessions.
    fn close(&mut self, is_over: impl Fn(SessionId) -> bool, effects: &mut Effects) {
        let now = self.now;
        for id in self.queues.keys().copied().collect::<Vec<_>>() {
            let keys = self.queues[&id].consumers.iter().map(|consumer| consumer.key.session);
            for session in keys.filter(|session| is_over(*session)).collect::<Vec<_>>() {
                self.at(id, effects).into_iter().for_each(|queue| queue.close(session, now));
            }
        }
    }

    fn get(&mut self, id: QueueId, session: SessionId, no_ack: bool, effects: &mut Effects) -> Reply {
        let now = self.now;
        self.looking_at(id, effects, |queue, _| {
            queue.used_at = now;
            if queue.ready.is_empty() {
                return Reply::Empty;
            }
            let message = queue.ready.remove(0);
            let remaining = queue.ready.len() as u64;
            let key = ConsumerKey { session, number: ConsumerKey::GET };
            if queue.find(key).is_none() {
                queue.consumers.push(Consumer::new(key, ConsumerOptions::default(), false));
            }
            queue.settled += u64::from(no_ack);
            let consumer = queue.find(key).unwrap();
            let seq = consumer.next_seq;
            consumer.next_seq += 1;
            if !no_ack {
                consumer.held.push((seq, message));
            }
            let Delivered { message, redelivered, delivery_count } = delivered(&message);
            Reply::Got(Got { seq, message, redelivered, delivery_count, remaining })
        })
    }

    fn node_down(&mut self, node: NodeId, boot: u64, sessions_up_to: u64, effects: &mut Effects) -> Reply {
        let known = self.producers.entry(node).or_default();
        known.0 = known.0.max(Some(boot));
        known.1 = known.1.filter(|(current, _)| Some(*current) > known.0);
        self.close(|session| session.node == node && session.serial <= sessions_up_to, effects);
        Reply::Done
    }
}

/// What is compared of a cancelled consumer.
pub fn cancelled(cancelled: &Cancelled) -> (ConsumerKey, QueueId, u64) {
    let after_ms = match cancelled.reason {
        CancelReason::QueueGone => 0,
        CancelReason::Timeout { after_ms } => after_ms,
    };
    (cancelled.consumer, cancelled.queue, after_ms)
}

pub fn delivered(message: &Message) -> Delivered {
    Delivered { message: message.reference, redelivered: message.redelivered, delivery_count: message.delivery_count }
}
