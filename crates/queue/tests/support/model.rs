//! A naive model of the machine: lists, searched from the front, and nothing shared with it but the words of its contract.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use queue::{
    At, CancelReason, Cancelled, Chunk, ChunkReply, ChunkResult, Command, ConsumerOptions, DeadLetterStrategy,
    DeathReason, Delay, Delivered, EndReason, Enqueue, EnqueueOptions, Got, Overflow, PEEKED_MAX, Peeked, QueueConfig,
    Refusal, Reply, RetryKind, SlotRange,
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
    /// When it was given to its holder.
    pub since: u64,
}

#[derive(Clone, Debug)]
pub struct Consumer {
    pub key: ConsumerKey,
    pub options: ConsumerOptions,
    pub credit: u64,
    pub attached: bool,
    pub next_seq: u64,
    pub held: Vec<(u64, Message)>,
    pub order: u64,
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
    pub dropped: u64,
    pub given_up: u64,
    pub rejected: u64,
    pub letters: Letters,
    pub parked: Vec<Parked>,
    next_place: u64,
    /// The single active consumer.
    pub active: Option<ConsumerKey>,
    next_order: u64,
    now: u64,
}

/// A message that may not be delivered yet.
#[derive(Clone, Debug)]
pub struct Parked {
    due: u64,
    pub message: Message,
    /// Of one that was never in the queue: what it asked for.
    new: Option<EnqueueOptions>,
}

/// Messages that died.
#[derive(Clone, Debug, Default)]
pub struct Letters {
    pub made: [u64; 4],
    pub settled: u64,
    pub dropped: u64,
    pub told_up_to: u64,
    pub last_number: u64,
    pub pending: Vec<(u64, Letter)>,
    pub retries: Vec<(u64, Letter)>,
}

/// A message, the reason of its death and when it died.
pub type Letter = (Message, DeathReason, u64);

/// What was told of a letter: queue, number, where it is, why and when it died, failed deliveries.
pub type Told = (QueueId, u64, MessageRef, DeathReason, u64, u32);

/// Fenced boot; current boot and last chunk.
pub type Producer = (Option<u64>, Option<(u64, u64)>);

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub now: u64,
    pub ended: BTreeSet<QueueId>,
    /// Greatest number, and those up to there that were refused.
    pub sources: BTreeMap<QueueId, (u64, BTreeSet<u64>)>,
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
    pub dead_letters: Vec<Told>,
    pub dead: BTreeSet<u64>,
}

impl Queue {
    fn peek(&self, from: u64, bytes_max: u64) -> Peeked {
        let mut all: Vec<_> = self.ready.iter().filter(|message| message.place >= from).collect();
        all.sort_by_key(|message| message.place);
        let mut bytes = 0;
        let fits = all.iter().take(PEEKED_MAX).take_while(|message| {
            bytes += u64::from(message.size);
            bytes <= bytes_max
        });
        let count = fits.count().max(1).min(all.len());
        Peeked {
            messages: all[..count].iter().map(|message| message.reference).collect(),
            next: all.get(count).map(|message| message.place),
        }
    }
}

impl Consumer {
    fn new(key: ConsumerKey, options: ConsumerOptions, attached: bool) -> Self {
        Consumer { key, options, credit: options.initial_credit, attached, next_seq: 1, held: Vec::new(), order: 0 }
    }

    fn has_capacity(&self) -> bool {
        if self.options.prefetch == 0 || self.options.no_ack {
            self.attached && self.next_seq <= self.credit
        } else {
            self.attached && self.held.len() < self.options.prefetch as usize
        }
    }

    /// When it has held a message for too long.
    fn timeout_at(&self) -> Option<u64> {
        let (_, oldest) = self.held.first().filter(|_| self.attached)?;
        Some(oldest.since + self.options.timeout_ms?.max(1))
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
        let only = self.choose();
        let may_get =
            |consumer: &&Consumer| consumer.has_capacity() && only.is_none_or(|only| only == Some(consumer.key));
        let able: Vec<_> = self.consumers.iter().filter(may_get).map(|consumer| consumer.key).collect();
        self.turns.retain(|key| able.contains(key));
        self.turns.extend(able.into_iter().filter(|key| !self.turns.contains(key)).collect::<Vec<_>>());
    }

    /// Who may get messages; `None`: all.
    fn choose(&mut self) -> Option<Option<ConsumerKey>> {
        if !self.config.single_active_consumer {
            self.active = None;
            return None;
        }
        let attached: Vec<&Consumer> = self.consumers.iter().filter(|consumer| consumer.attached).collect();
        let best = attached.iter().min_by_key(|consumer| (Reverse(consumer.options.priority), consumer.order));
        let active = attached.iter().find(|consumer| Some(consumer.key) == self.active);
        let (Some(best), active) = (best, active.copied()) else {
            self.active = None;
            return Some(None);
        };
        let active = active.unwrap_or(best);
        let waits = best.options.priority > active.options.priority;
        let (chosen, may_get) = match waits {
            true if active.held.is_empty() => (best.key, true),
            true => (active.key, false),
            false => (active.key, true),
        };
        self.active = Some(chosen);
        Some(may_get.then_some(chosen))
    }

    /// Takes who is next out of the turns.
    fn next_turn(&mut self) -> ConsumerKey {
        let priority = |key: &ConsumerKey| self.consumers.iter().find(|it| it.key == *key).unwrap().options.priority;
        let highest = self.turns.iter().map(priority).max();
        let next = self.turns.iter().position(|key| Some(priority(key)) == highest).unwrap();
        self.turns.remove(next)
    }

    fn serve(&mut self, id: QueueId, effects: &mut Effects) {
        while !self.ready.is_empty() && !self.turns.is_empty() {
            let message = Message { since: self.now, ..self.ready.remove(0) };
            let key = self.next_turn();
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
        for range in ranges {
            consumer.held.retain(|(seq, message)| {
                let is_named = range.first <= *seq && *seq <= range.last;
                taken.extend(is_named.then_some(*message));
                !is_named
            });
        }
        taken
    }

    fn put_back(&mut self, messages: Vec<Message>, failed: bool, now: u64) {
        for message in messages {
            let delivery_count = message.delivery_count + u32::from(failed);
            let message = Message { redelivered: true, delivery_count, ..message };
            if failed && self.config.delivery_limit.is_some_and(|limit| delivery_count > limit) {
                self.given_up += 1;
                self.bury(message, DeathReason::DeliveryLimit, now);
            } else if message.expires_at <= now {
                self.expired += 1;
                self.bury(message, DeathReason::Expired, now);
            } else if let Some(delay) = self.retry_delay(failed, delivery_count) {
                let due = (now + delay).min(message.expires_at);
                self.parked.push(Parked { due, message, new: None });
            } else {
                self.ready.push(message);
            }
        }
    }

    fn retry_delay(&self, failed: bool, count: u32) -> Option<u64> {
        let retry = self.config.delayed_retry?;
        let applies = retry.kind == RetryKind::All || (retry.kind == RetryKind::Failed) == failed;
        let delay = retry.min_ms * u64::from(count.max(1));
        Some(delay.min(retry.max_ms.unwrap_or(delay))).filter(|delay| applies && *delay > 0)
    }

    /// Messages whose delay is over come in.
    fn unpark(&mut self, id: QueueId, now: u64, effects: &mut Effects) {
        self.parked.sort_by_key(|parked| parked.due);
        while self.parked.first().is_some_and(|parked| parked.due <= now) {
            let Parked { due, message, new } = self.parked.remove(0);
            let Some(options) = new else {
                if message.expires_at <= now {
                    self.expired += 1;
                    self.bury(message, DeathReason::Expired, now);
                } else {
                    self.ready.push(message);
                    self.sort();
                }
                continue;
            };
            let ttl = [self.config.message_ttl_ms, options.ttl_ms].into_iter().flatten().min();
            if ttl == Some(0) {
                self.serve(id, effects);
            }
            let expires_at = ttl.map_or(u64::MAX, |ttl| due + ttl);
            let message = Message { place: self.next_place, expires_at, ..message };
            self.next_place += 1;
            self.ready.push(message);
            self.sort();
            if ttl == Some(0) {
                self.serve(id, effects);
                self.expire(now);
            }
        }
    }

    fn bury(&mut self, message: Message, reason: DeathReason, now: u64) {
        if self.config.dead_letter.is_some() {
            self.letters.made[reason as usize] += 1;
            self.letters.last_number += 1;
            self.letters.pending.push((self.letters.last_number, (message, reason, now)));
        }
    }

    /// Messages whose time is over die.
    fn expire(&mut self, now: u64) {
        let (mut over, ready): (Vec<_>, _) =
            self.ready.iter().partition(|message: &&Message| message.expires_at <= now);
        self.ready = ready;
        over.sort_by_key(|message| (message.expires_at, message.place));
        for message in over {
            self.expired += 1;
            self.bury(message, DeathReason::Expired, now);
        }
    }

    /// What counts against the limits.
    fn length(&self) -> (u64, u64) {
        let mut messages: Vec<&Message> = self.ready.iter().collect();
        let counts_letters = self.config.dead_letter == Some(DeadLetterStrategy::AtLeastOnce);
        if counts_letters && self.config.overflow != Overflow::DropHead {
            messages.extend(self.letters.all());
        }
        (messages.len() as u64, messages.iter().map(|message| u64::from(message.size)).sum())
    }

    fn has_room(&self, more: u64, more_bytes: u64) -> bool {
        let (length, bytes) = self.length();
        self.config.max_length.is_none_or(|max| length + more <= max)
            && self.config.max_length_bytes.is_none_or(|max| bytes + more_bytes <= max)
    }

    /// Drops messages as long as there are too many.
    fn bound(&mut self, id: QueueId, now: u64, effects: &mut Effects) {
        self.sort();
        if self.config.overflow != Overflow::DropHead || self.has_room(0, 0) {
            return;
        }
        self.serve(id, effects);
        while !self.has_room(0, 0) {
            let lowest = self.ready.iter().map(|message| message.priority).min();
            let first = self.ready.iter().position(|message| Some(message.priority) == lowest).unwrap();
            let message = self.ready.remove(first);
            self.dropped += 1;
            self.bury(message, DeathReason::MaxLength, now);
        }
    }

    /// Messages come in. Returns which of them were rejected.
    fn enqueue(
        &mut self,
        id: QueueId,
        messages: Vec<Message>,
        options: &EnqueueOptions,
        now: u64,
        effects: &mut Effects,
    ) -> Vec<MessageRef> {
        let ttl = [self.config.message_ttl_ms, options.ttl_ms].into_iter().flatten().min();
        let priority = match self.config.max_priority {
            Some(max) => options.priority.unwrap_or(0).min(max),
            None => options.priority.unwrap_or(4).min(31),
        };
        let due = match options.delay {
            Delay::None => now,
            Delay::For(delay) => now + delay,
            Delay::Until(due) => due.0,
        };
        if due > now {
            let messages = messages.into_iter().map(|message| Message { priority, ..message });
            let parked: Vec<_> = messages.map(|message| Parked { due, message, new: Some(*options) }).collect();
            self.enqueued.extend(parked.iter().map(|parked| parked.message));
            self.parked.extend(parked);
            return Vec::new();
        }
        let expires_at = ttl.map_or(u64::MAX, |ttl| now + ttl);
        let is_limited = self.config.max_length.is_some() || self.config.max_length_bytes.is_some();
        let rejects = is_limited && self.config.overflow != Overflow::DropHead && ttl != Some(0);
        if is_limited || ttl == Some(0) {
            self.serve(id, effects);
        }
        let mut rejected = Vec::new();
        for message in messages {
            let message = Message { place: self.next_place, priority, expires_at, ..message };
            self.sort();
            if rejects && !self.has_room(1, u64::from(message.size)) && self.turns.is_empty() {
                self.rejected += 1;
                rejected.push(message.reference);
                if self.config.overflow == Overflow::RejectPublishDlx {
                    self.bury(message, DeathReason::MaxLength, now);
                }
                continue;
            }
            self.next_place += 1;
            self.enqueued.push(message);
            self.ready.push(message);
            self.sort();
            if rejects || ttl == Some(0) {
                self.serve(id, effects);
            }
        }
        if ttl == Some(0) {
            self.expire(now);
        }
        rejected
    }

    /// Does what is due.
    fn due(&mut self, id: QueueId, now: u64, effects: &mut Effects) {
        self.consumers.sort_by_key(|consumer| consumer.key);
        while let Some(consumer) = self.consumers.iter_mut().find(|it| it.timeout_at().is_some_and(|at| at <= now)) {
            let (key, after_ms) = (consumer.key, consumer.options.timeout_ms.unwrap());
            let held = std::mem::take(&mut consumer.held);
            self.detach(key, now);
            self.put_back(held.into_iter().map(|(_, message)| message).collect(), false, now);
            effects.cancelled.insert((key, id, after_ms));
            self.sort();
        }
        self.sort();
        self.unpark(id, now, effects);
        self.expire(now);
        let (due, retries) = self.letters.retries.iter().partition(|(due, _)| *due <= now);
        self.letters.retries = retries;
        for (_, letter) in due {
            self.letters.last_number += 1;
            self.letters.pending.push((self.letters.last_number, letter));
        }
        if self.attached() == 0 && self.config.expires_ms.is_some_and(|ms| self.used_at + ms <= now) {
            self.end = Some(EndReason::Expired);
        }
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<u64> {
        let end = self.config.expires_ms.filter(|_| self.attached() == 0).map(|ms| self.used_at + ms);
        let expiries = self.ready.iter().map(|message| message.expires_at).filter(|at| *at < u64::MAX);
        let retries = self.letters.retries.iter().map(|(due, _)| *due);
        let timeouts = self.consumers.iter().filter_map(Consumer::timeout_at);
        end.into_iter()
            .chain(expiries)
            .chain(retries)
            .chain(timeouts)
            .chain(self.parked.iter().map(|parked| parked.due))
            .min()
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

impl Letters {
    pub fn all(&self) -> impl Iterator<Item = &Message> {
        self.pending.iter().chain(&self.retries).map(|(_, (message, _, _))| message)
    }

    /// What the leader was told of and has not answered.
    pub fn told(&self, id: QueueId) -> Vec<Told> {
        let told = self.pending.iter().filter(|(number, _)| *number <= self.told_up_to);
        told.map(|(number, (message, reason, died_at))| {
            (id, *number, message.reference, *reason, *died_at, message.delivery_count)
        })
        .collect()
    }

    /// Tells of more, up to 256 that have no answer. Their sizes are too small here to matter.
    fn tell(&mut self) {
        let on_their_way = self.pending.iter().filter(|(number, _)| *number <= self.told_up_to).count();
        let news = self.pending.iter().map(|(number, _)| *number).filter(|number| *number > self.told_up_to);
        self.told_up_to = news.take(256_usize.saturating_sub(on_their_way)).last().unwrap_or(self.told_up_to);
    }

    fn clear(&mut self) {
        self.dropped += self.all().count() as u64;
        self.pending.clear();
        self.retries.clear();
        self.told_up_to = self.last_number;
    }

    /// Takes those that are in the ranges and were told of.
    fn answered(&mut self, ranges: &[SeqRange]) -> Vec<Letter> {
        let mut answered = Vec::new();
        for range in ranges {
            let is_named = |number: u64| range.first <= number && number <= range.last && number <= self.told_up_to;
            answered.extend(self.pending.iter().filter(|(number, _)| is_named(*number)).map(|(_, letter)| *letter));
            self.pending.retain(|(number, _)| !is_named(*number));
        }
        answered
    }
}

impl Model {
    pub fn apply_entry(&mut self, at: At, chunks: &[Chunk]) -> Effects {
        let index = at.index;
        self.now = self.now.max(at.proposed_at.0);
        self.queues.values_mut().for_each(|queue| queue.now = self.now);
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
                        let now = self.now;
                        self.queues.iter_mut().for_each(|(id, queue)| queue.bound(*id, now, &mut effects));
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
            let before = queue.letters.told_up_to;
            queue.letters.tell();
            effects.dead_letters.extend(queue.letters.told(*id).into_iter().filter(|told| told.1 > before));
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
            for message in queue
                .ready
                .iter()
                .chain(held)
                .chain(queue.letters.all())
                .chain(queue.parked.iter().map(|parked| &parked.message))
            {
                *references.entry(message.reference.index).or_insert(0) += 1;
            }
        }
        references
    }

    /// A queue, when what is due in it is done.
    fn at(&mut self, id: QueueId, effects: &mut Effects) -> Option<&mut Queue> {
        let now = self.now;
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.due(id, now, effects);
            queue.bound(id, now, effects);
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
                let new = || Queue { config: config.clone(), used_at: self.now, now: self.now, ..Queue::default() };
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
                if config.dead_letter.is_none() {
                    queue.letters.clear();
                }
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
                self.sources.retain(|queue, _| !queues.contains(queue));
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
                let now = self.now;
                if let Some(queue) = self.at(*queue, effects) {
                    for message in queue.take(chunk.consumer(*number), ranges) {
                        queue.discarded += 1;
                        queue.bury(message, DeathReason::Rejected, now);
                    }
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
                queue.letters.clear();
                queue.purged += messages;
                Reply::Purged { messages }
            }),
            Command::Inspect { queue } => self.looking_at(*queue, effects, |queue, _| Reply::Depth {
                messages: queue.ready.len() as u64,
                consumers: queue.attached() as u32,
            }),
            Command::Peek { queue, from, bytes_max } => {
                self.looking_at(*queue, effects, |queue, _| Reply::Peeked(queue.peek(*from, *bytes_max)))
            }
            Command::CloseSession => {
                self.close(|session| session == chunk.session, effects);
                Reply::Done
            }
            Command::NodeDown { node, boot, sessions_up_to } => self.node_down(*node, *boot, *sessions_up_to, effects),
            Command::SettleDead { queue, ranges } => {
                if let Some(queue) = self.at(*queue, effects) {
                    queue.letters.settled += queue.letters.answered(ranges).len() as u64;
                }
                Reply::Done
            }
            Command::RetryDead { queue, ranges } => {
                let due = self.now + 1000;
                if let Some(queue) = self.at(*queue, effects) {
                    let letters = queue.letters.answered(ranges);
                    queue.letters.retries.extend(letters.into_iter().map(|letter| (due, letter)));
                }
                Reply::Done
            }
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
            if if_empty && !(queue.ready.is_empty() && queue.parked.is_empty()) {
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
        let number_of = |slot: u32| {
            let source = enqueue.source.as_ref()?;
            let at = slot.checked_sub(enqueue.first_slot)?;
            Some((source.queue, *source.numbers.get(at as usize)?))
        };
        let sources = self.sources.clone();
        let is_known = |slot| {
            let Some((source, number)) = number_of(slot) else { return false };
            sources.get(&source).is_some_and(|(up_to, refused)| number <= *up_to && !refused.contains(&number))
        };
        let (mut rejected, mut missing) = (BTreeSet::new(), BTreeSet::new());
        for run in &enqueue.runs {
            let end = u64::from(run.first_slot) + u64::from(run.count);
            let is_whole = enqueue.source.is_none();
            if end > u64::from(if is_whole { chunk.slots } else { u32::MAX }) {
                continue;
            }
            // Of dead letters, those that came before are cut out; what is left must lie within the chunk.
            let mut parts: Vec<Vec<u32>> = vec![Vec::new()];
            for slot in (run.first_slot..=u32::MAX).take_while(|slot| u64::from(*slot) < end).take(1000) {
                if is_known(slot) {
                    parts.push(Vec::new());
                } else {
                    parts.last_mut().unwrap().push(slot);
                }
            }
            for part in parts.into_iter().filter(|part| part.last().is_some_and(|last| *last < chunk.slots)) {
                let message = |slot: u32| Message {
                    reference: MessageRef { index, slot: base + slot },
                    size: slot
                        .checked_sub(enqueue.first_slot)
                        .and_then(|at| enqueue.sizes.get(at as usize))
                        .copied()
                        .unwrap_or(0),
                    ..Message::default()
                };
                let Some(queue) = self.at(run.queue, effects) else {
                    missing.extend(part);
                    continue;
                };
                let refused =
                    queue.enqueue(run.queue, part.into_iter().map(message).collect(), &run.options, now, effects);
                queue.bound(run.queue, now, effects);
                rejected.extend(refused.into_iter().map(|message| message.slot - base));
            }
        }
        let numbered = enqueue.source.iter().flat_map(|source| (enqueue.first_slot..).zip(&source.numbers));
        for (slot, _) in numbered {
            let Some((queue, number)) = number_of(slot).filter(|_| !is_known(slot)) else { continue };
            let (up_to, refused) = self.sources.entry(queue).or_default();
            *up_to = number.max(*up_to);
            refused.remove(&number);
            refused.extend(rejected.contains(&slot).then_some(number));
        }
        if rejected.is_empty() && missing.is_empty() {
            return Reply::Done;
        }
        Reply::NotTaken { rejected: ranges_of(&rejected), missing: ranges_of(&missing) }
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
        queue.next_order += 1;
        queue.consumers.push(Consumer { order: queue.next_order, ..Consumer::new(key, options, true) });
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
                if let Some(queue) = self.at(id, effects) {
                    queue.close(session, now);
                    queue.bound(id, now, effects);
                }
            }
        }
    }

    fn get(&mut self, id: QueueId, session: SessionId, no_ack: bool, effects: &mut Effects) -> Reply {
        let now = self.now;
        self.looking_at(id, effects, |queue, _| {
            if queue.config.single_active_consumer {
                return Reply::Refused(Refusal::SingleActiveConsumer);
            }
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

fn ranges_of(slots: &BTreeSet<u32>) -> Vec<SlotRange> {
    let mut ranges: Vec<SlotRange> = Vec::new();
    for slot in slots {
        match ranges.last_mut() {
            Some(last) if last.first + last.count == *slot => last.count += 1,
            _ => ranges.push(SlotRange { first: *slot, count: 1 }),
        }
    }
    ranges
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
