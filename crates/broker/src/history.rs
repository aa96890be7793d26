//! Changes of metadata that are not done before something else is: an `x-recent-history` exchange has the queue in which it keeps its
//! messages, and what is bound to it has got those.
//!
//! The messages are looked at and stay where they are, so that any number of bindings may be made at once, on any node. They are
//! given to the new destination a page at a time, and the next page is asked for when its groups have answered.

use std::collections::BTreeMap;

use amqp_codec::properties::PropertiesView;
use bytes::Bytes;
use metadata::{Change, Command as Declare, ExchangeKind, Reply as Declared, Target};
use queue::{Command, Delay, EnqueueOptions};
use replication::{Answer, ChunkReplies, MetadataUnavailable, PeekedRecords, queue_config};
use routing::{Message, RouteOutcome, Routes};
use tracing::warn;
use types::{Blob, FieldTable, GroupId, MessageRecord, QueueId, RecordParts, ShortStr};

use crate::{
    batch::Batch,
    broker::Broker,
    dead_letter::death,
    placement,
    properties::RawProperties,
    session::{
        expiration,
        route::{Asks, Route},
        wishes,
    },
};

/// Bodies of a page. As much as a group takes into one log entry. Unit: bytes.
const PAGE_BYTES: u64 = 1024 * 1024;

/// What follows from a change that was made.
#[derive(Debug)]
pub(crate) enum Follow {
    /// Nothing.
    Nothing,
    /// An exchange with a history has come into metadata.
    Create { vhost: ShortStr, exchange: ShortStr },
    /// Something was bound to an exchange with a history.
    Replay { vhost: ShortStr, exchange: ShortStr, destination: Target },
}

impl Follow {
    /// What follows from the command. One that declares an exchange with a history is told where to keep it.
    pub(crate) fn of(broker: &Broker, command: &mut Declare) -> Follow {
        match command {
            Declare::DeclareExchange(c) if c.kind == ExchangeKind::RecentHistory.as_str() => {
                let machine = broker.metadata().read();
                c.history = placement::choose(broker.groups(), &machine, &FieldTable::default());
                Follow::Create { vhost: c.vhost.clone(), exchange: c.name.clone() }
            }
            Declare::Bind(c) => {
                let machine = broker.metadata().read();
                match machine.history(c.vhost.as_bytes(), c.source.as_bytes()) {
                    Some(_) => Follow::Replay {
                        vhost: c.vhost.clone(),
                        exchange: c.source.clone(),
                        destination: c.destination.clone(),
                    },
                    None => Follow::Nothing,
                }
            }
            _ => Follow::Nothing,
        }
    }

    /// Does it, when the change has changed something.
    pub(crate) async fn act(self, broker: &Broker, reply: &Declared) -> Result<(), MetadataUnavailable> {
        if *reply != Declared::Done(Change::Created) {
            return Ok(());
        }
        match self {
            Follow::Nothing => Ok(()),
            Follow::Create { vhost, exchange } => broker.create_history(&vhost, &exchange).await,
            Follow::Replay { vhost, exchange, destination } => broker.replay(&vhost, &exchange, &destination).await,
        }
    }
}

impl Broker {
    async fn create_history(&self, vhost: &ShortStr, exchange: &ShortStr) -> Result<(), MetadataUnavailable> {
        let create = {
            let machine = self.metadata().read();
            let history = machine.history(vhost.as_bytes(), exchange.as_bytes());
            history.map(|queue| (queue.group, queue.id, queue_config(&machine, queue.id)))
        };
        let Some((group, queue, config)) = create else { return Ok(()) };
        self.ask_group(group, Command::CreateQueue { queue, config }, Blob::default()).await.map(drop)
    }

    /// Gives the messages that an exchange has kept to what was bound to it, the oldest first: as many as it keeps, though more
    /// come meanwhile.
    async fn replay(
        &self,
        vhost: &ShortStr,
        exchange: &ShortStr,
        destination: &Target,
    ) -> Result<(), MetadataUnavailable> {
        let Some((group, queue, mut left)) = self.history(vhost, exchange) else { return Ok(()) };
        let mut from = Some(0);
        while let Some(position) = from
            && left > 0
        {
            let PeekedRecords { mut records, next } = self.peek(group, queue, position).await?;
            records.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= u64::try_from(records.len()).unwrap_or(left);
            self.give(vhost, destination, records).await?;
            from = next;
        }
        Ok(())
    }

    /// Where an exchange keeps its messages, and how many.
    fn history(&self, vhost: &ShortStr, exchange: &ShortStr) -> Option<(GroupId, QueueId, u64)> {
        let machine = self.metadata().read();
        let queue = machine.history(vhost.as_bytes(), exchange.as_bytes())?;
        Some((queue.group, queue.id, queue_config(&machine, queue.id).max_length.unwrap_or_default()))
    }

    async fn peek(&self, group: GroupId, queue: QueueId, from: u64) -> Result<PeekedRecords, MetadataUnavailable> {
        loop {
            let peek = Command::Peek { queue, from, bytes_max: PAGE_BYTES };
            match self.ask_group(group, peek, Blob::default()).await? {
                Some(Answer::Peeked(peeked)) => return Ok(peeked),
                // It is gone, with its exchange.
                Some(Answer::Reply(_) | Answer::Got(..)) => return Ok(PeekedRecords::default()),
                // A leader has died with the answer.
                None => {}
            }
        }
    }

    /// Gives messages to a queue, or to where an exchange routes them. Its groups have answered then.
    async fn give(
        &self,
        vhost: &ShortStr,
        destination: &Target,
        records: Vec<Bytes>,
    ) -> Result<(), MetadataUnavailable> {
        let mut batches: BTreeMap<GroupId, Batch> = BTreeMap::new();
        let mut routes = Routes::new();
        for record in records {
            let is_dead_letter = MessageRecord::is_dead_letter(&record);
            let Ok(message) = MessageRecord::decode(record) else {
                warn!(%vhost, "a stored message cannot be read");
                continue;
            };
            let route = self.route_kept(vhost, destination, &message, &mut routes);
            let mut asks = Asks { options: options_of(&message.properties), delay: Delay::None };
            let mut properties = message.properties.clone();
            if route.is_delayed()
                && let Some((delay_ms, passed)) = wishes::take_delay(&properties)
            {
                asks.delay = Delay::For(delay_ms);
                properties = passed;
            }
            let parts = RecordParts {
                exchange: message.exchange.as_bytes(),
                routing_key: message.routing_key.as_bytes(),
                properties: &properties,
                body: std::slice::from_ref(&message.body),
            };
            for part in &route.parts {
                let batch = batches.entry(part.group).or_insert_with(|| Batch::new(part.group));
                batch.push(part, &parts, is_dead_letter, asks);
            }
        }
        for (group, batch) in batches {
            let (enqueue, blob) = batch.finish();
            self.ask_group(group, Command::Enqueue(enqueue), blob).await?;
        }
        Ok(())
    }

    fn route_kept(&self, vhost: &ShortStr, to: &Target, message: &MessageRecord, routes: &mut Routes) -> Route {
        let table = self.tables().read();
        let exchange = match to {
            Target::Queue(name) => return Route::to(table.queue(vhost.as_bytes(), name.as_bytes())),
            Target::Exchange(name) => name,
        };
        let properties = RawProperties(&message.properties);
        let headers = routing::Properties::headers(&properties).unwrap_or_default();
        let more_keys: Vec<Bytes> = death::keys(&headers, "CC").iter().map(ShortStr::bytes).collect();
        let message = Message {
            more_keys: &more_keys,
            properties: &properties,
            random: rand::random(),
            ..Message::with_key(message.routing_key.as_bytes())
        };
        match table.route(vhost.as_bytes(), exchange.as_bytes(), &message, routes) {
            RouteOutcome::Routed(_) => Route::of(routes),
            RouteOutcome::NoSuchExchange => Route::default(),
        }
    }

    /// The group's answer to the one command; `None` when it was lost, though the command was applied.
    async fn ask_group(
        &self,
        group: GroupId,
        command: Command,
        blob: Blob,
    ) -> Result<Option<Answer>, MetadataUnavailable> {
        let (session, answer) = self.registry().open_waiter();
        self.groups().submit(group, session, 0, vec![command], blob);
        match answer.await {
            Ok(ChunkReplies::Applied(answers)) => Ok(answers.into_iter().next()),
            Ok(ChunkReplies::AppliedUnanswered) => Ok(None),
            Ok(ChunkReplies::Unavailable) | Err(_) => Err(MetadataUnavailable),
        }
    }
}

/// What a message asks of its queues, as it lies in the history.
fn options_of(properties: &Bytes) -> EnqueueOptions {
    let Ok(view) = PropertiesView::new(properties) else { return EnqueueOptions::default() };
    EnqueueOptions {
        priority: view.priority(),
        ttl_ms: view.expiration().and_then(|expiration| expiration::parse(&expiration).ok()),
        delay: wishes::delivery_time(&view).map_or(Delay::None, Delay::Until),
    }
}
