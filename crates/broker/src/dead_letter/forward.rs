//! The way of dead letters: rewritten, routed, gathered per target group, submitted.

use std::collections::BTreeMap;

use bytes::Bytes;
use metadata::Machine;
use queue::{Command, DeadLetter, DeadLetterSource, Delay, EnqueueOptions};
use replication::{ChunkReplies, DeadLetterBatch};
use routing::{Message, RouteOutcome, Routes, Table};
use tokio::time::Instant;
use tracing::{debug, error};
use types::{Blob, GroupId, MessageRecord, QueueId, RecordParts, SeqRange, SessionId, ShortStr};

use super::{
    Input,
    death::{self, Rewritten},
    pending::{Chunk, Fate, Finished, Pending, Source, Verdict},
    retry::Retries,
    settings::Settings,
};
use crate::{
    batch::Batch,
    broker::Broker,
    metrics,
    properties::RawProperties,
    session::{
        ranges,
        route::{Asks, Route},
    },
};

/// A chunk that has grown beyond this is complete. As much as a group takes into one log entry. Unit: bytes.
const CHUNK_BYTES: usize = 1024 * 1024;

/// The state of the task.
#[derive(Debug)]
pub(crate) struct Worker {
    session: SessionId,
    pending: Pending,
    retries: Retries,
    routes: Routes,
}

/// A chunk in the making.
struct Draft {
    batch: Batch,
    letters: Vec<(u64, Vec<QueueId>)>,
}

impl Worker {
    pub(crate) fn new(session: SessionId) -> Self {
        Worker { session, pending: Pending::default(), retries: Retries::default(), routes: Routes::new() }
    }

    /// Acts on what has come.
    pub(crate) fn take(&mut self, broker: &Broker, input: Input) {
        match input {
            Input::Letters(group, batch) => self.forward(broker, group, batch),
            Input::Replied(token, replies) => self.replied(broker, token, &replies),
            Input::TopologyChanged => self.retries.hasten(Instant::now()),
            Input::Closed => {}
        }
    }

    /// Puts back what has waited long enough.
    pub(crate) fn retry(&mut self, broker: &Broker, now: Instant) {
        let mut numbers: BTreeMap<(GroupId, QueueId), Vec<u64>> = BTreeMap::new();
        for waiting in self.retries.take_due(now) {
            numbers.entry((waiting.group, waiting.queue)).or_default().push(waiting.number);
        }
        for ((group, queue), numbers) in numbers {
            metrics::dead_letters_retried(numbers.len());
            self.tell(broker, group, Command::RetryDead { queue, ranges: ranges_of(numbers) });
        }
    }

    /// When there is something to put back.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        self.retries.next()
    }

    fn forward(&mut self, broker: &Broker, group: GroupId, batch: DeadLetterBatch) {
        let DeadLetterBatch { queue, letters } = batch;
        let (mut drafts, mut finished) = (Vec::new(), Vec::new());
        {
            let machine = broker.metadata().read();
            let table = broker.tables().read();
            let settings = Settings::of(&machine, queue);
            let at_least_once = settings.as_ref().is_some_and(|settings| settings.at_least_once);
            let source = Source { group, queue, at_least_once };
            for (letter, record) in letters {
                let Some(id) = self.pending.begin(source, letter) else { continue };
                let is_dead_letter = MessageRecord::is_dead_letter(&record);
                let (Some(settings), Ok(message)) = (&settings, MessageRecord::decode(record)) else {
                    finished.extend(self.pending.unrouted(id));
                    continue;
                };
                let key = settings.routing_key.as_ref();
                let Some(mut rewritten) = death::rewrite(&message, is_dead_letter, &settings.queue, &letter, key)
                else {
                    error!(queue_id = %queue, number = letter.number, "a stored message cannot be read");
                    finished.extend(self.pending.unrouted(id));
                    continue;
                };
                let route = self.route(&machine, &table, settings, &letter, &rewritten);
                let delay = if route.is_delayed() { rewritten.take_delay_ms() } else { None };
                let options = EnqueueOptions { priority: rewritten.priority, ..EnqueueOptions::default() };
                let asks = Asks { options, delay: delay.map_or(Delay::None, Delay::For) };
                let parts = RecordParts {
                    exchange: settings.exchange.as_bytes(),
                    routing_key: rewritten.routing_keys.first().map(ShortStr::as_bytes).unwrap_or_default(),
                    properties: &rewritten.properties,
                    body: std::slice::from_ref(&message.body),
                };
                finished.extend(self.gather(&mut drafts, id, route, &parts, asks));
            }
        }
        for draft in drafts {
            self.submit(broker, queue, draft);
        }
        self.settle(broker, finished);
    }

    /// Where the letter goes, without queues that it would only come back from.
    fn route(
        &mut self,
        machine: &Machine,
        table: &Table,
        settings: &Settings,
        letter: &DeadLetter,
        rewritten: &Rewritten,
    ) -> Route {
        let keys: Vec<Bytes> = rewritten.routing_keys.iter().map(ShortStr::bytes).collect();
        let Some((first, more_keys)) = keys.split_first() else { return Route::default() };
        let message = Message {
            more_keys,
            properties: &RawProperties(&rewritten.properties),
            random: rand::random(),
            ..Message::with_key(first)
        };
        let (vhost, exchange) = (settings.vhost.as_bytes(), settings.exchange.as_bytes());
        if table.route(vhost, exchange, &message, &mut self.routes) == RouteOutcome::NoSuchExchange {
            return Route::default();
        }
        let mut route = Route::of(&self.routes);
        if letter.reason != queue::DeathReason::Rejected {
            route.parts.retain_mut(|part| part.retain(|queue| !is_cycle(machine, settings, rewritten, queue)));
        }
        route
    }

    /// Adds the letter to the chunks of its targets. Returns it when there is nothing to wait for.
    fn gather(
        &mut self,
        drafts: &mut Vec<Draft>,
        id: u64,
        route: Route,
        parts: &RecordParts<'_>,
        asks: Asks,
    ) -> Option<Finished> {
        if route.parts.is_empty() {
            return self.pending.unrouted(id);
        }
        let mut is_sent = false;
        for mut part in route.parts {
            if !part.retain(|queue| !self.pending.has_reached(id, queue)) {
                continue;
            }
            is_sent = true;
            self.pending.expect(id);
            let draft = draft_of(drafts, part.group);
            draft.batch.push(&part, parts, true, asks);
            draft.letters.push((id, part.runs(asks).map(|(queue, _)| queue).collect()));
        }
        if is_sent { None } else { self.pending.finish(id) }
    }

    fn submit(&mut self, broker: &Broker, source: QueueId, draft: Draft) {
        let Draft { batch, letters } = draft;
        let group = batch.group;
        let (mut enqueue, blob) = batch.finish();
        let numbers = letters.iter().filter_map(|(id, _)| self.pending.number_of(*id));
        enqueue.source = Some(DeadLetterSource { queue: source, numbers: numbers.collect() });
        let at_least_once = letters.first().is_some_and(|(id, _)| self.pending.is_at_least_once(*id));
        let again = at_least_once.then(|| (enqueue.clone(), blob.clone()));
        let token = self.pending.sent(Chunk { group, letters, again });
        broker.groups().submit(group, self.session, token, vec![Command::Enqueue(enqueue)], blob);
    }

    fn replied(&mut self, broker: &Broker, token: u64, replies: &ChunkReplies) {
        match self.pending.answered(token, replies) {
            Some(Verdict::Finished(finished)) => self.settle(broker, finished),
            Some(Verdict::Again(chunk)) => {
                let Some((enqueue, blob)) = chunk.again.clone() else { return };
                let group = chunk.group;
                let token = self.pending.sent(chunk);
                broker.groups().submit(group, self.session, token, vec![Command::Enqueue(enqueue)], blob);
            }
            None => {}
        }
    }

    /// Tells the sources what has become of their letters.
    fn settle(&mut self, broker: &Broker, finished: Vec<Finished>) {
        let now = Instant::now();
        let mut done: BTreeMap<(GroupId, QueueId), Vec<u64>> = BTreeMap::new();
        for Finished { source, number, reason, fate } in finished {
            match fate {
                Fate::Delivered => {
                    metrics::dead_lettered(reason);
                    self.retries.delivered(source.queue);
                }
                Fate::Dropped => metrics::dead_letter_dropped(reason),
                Fate::Failed => {
                    self.retries.add(now, source.queue, source.group, number);
                    continue;
                }
            }
            done.entry((source.group, source.queue)).or_default().push(number);
        }
        for ((group, queue), numbers) in done {
            self.tell(broker, group, Command::SettleDead { queue, ranges: ranges_of(numbers) });
        }
    }

    fn tell(&mut self, broker: &Broker, group: GroupId, command: Command) {
        let token = self.pending.token();
        broker.groups().submit(group, self.session, token, vec![command], Blob::default());
    }
}

/// The group's chunk that is not complete yet.
fn draft_of(drafts: &mut Vec<Draft>, group: GroupId) -> &mut Draft {
    let open = drafts.iter().rposition(|draft| draft.batch.group == group && draft.batch.bytes() < CHUNK_BYTES);
    let at = open.unwrap_or_else(|| {
        drafts.push(Draft { batch: Batch::new(group), letters: Vec::new() });
        drafts.len() - 1
    });
    &mut drafts[at]
}

fn is_cycle(machine: &Machine, settings: &Settings, rewritten: &Rewritten, target: QueueId) -> bool {
    let is_cycle = machine.queue_by_id(target).is_some_and(|target| rewritten.is_cycle(&target.name));
    if is_cycle {
        let (vhost, queue) = (&settings.vhost, &settings.queue);
        debug!(%vhost, %queue, target_id = %target, "a dead letter does not go round in a circle");
    }
    is_cycle
}

fn ranges_of(mut numbers: Vec<u64>) -> Vec<SeqRange> {
    numbers.sort_unstable();
    let mut list = Vec::new();
    for number in numbers {
        ranges::add(&mut list, SeqRange::one(number));
    }
    list
}
