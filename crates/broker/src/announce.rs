//! Messages that the broker itself publishes: copies for the firehose, and events. At most once: nobody waits for their
//! confirms, and when too much of them is under way, more are dropped.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use queue::{Command, Enqueue, EnqueueRun};
use routing::{Message, RouteOutcome, Routes};
use types::{BlobBuilder, RecordParts, SessionId, ShortStr};

use crate::{
    broker::Broker,
    session::{outbox::body_size, route::Route},
};

/// What may be under way; beyond it messages are dropped. As much as a connection may have. Unit: bytes.
const IN_FLIGHT_MAX: u64 = 8 * 1024 * 1024;

/// The broker's own publisher.
#[derive(Debug)]
pub(crate) struct Announcer {
    session: SessionId,
    in_flight: Arc<AtomicU64>,
}

/// Where a message is published to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) vhost: &'a ShortStr,
    pub(crate) exchange: &'a ShortStr,
    pub(crate) routing_key: &'a Bytes,
}

impl Announcer {
    /// Answers to `session` are counted by `in_flight`: their tokens are the bytes that are not under way any more.
    pub(crate) fn new(session: SessionId, in_flight: Arc<AtomicU64>) -> Self {
        Announcer { session, in_flight }
    }

    /// Publishes a message, if there is a queue for it; its properties are made only then.
    pub(crate) fn publish(
        &self,
        broker: &Broker,
        target: Target<'_>,
        body: &[Bytes],
        properties: impl FnOnce() -> Bytes,
    ) {
        let Target { vhost, exchange, routing_key } = target;
        let mut routes = Routes::new();
        let table = broker.tables().read();
        let outcome = table.route(vhost.as_bytes(), exchange.as_bytes(), &Message::with_key(routing_key), &mut routes);
        drop(table);
        if outcome == RouteOutcome::NoSuchExchange
            || routes.is_empty()
            || self.in_flight.load(Ordering::Relaxed) > IN_FLIGHT_MAX
        {
            return;
        }
        let properties = properties();
        let parts = RecordParts { exchange: exchange.as_bytes(), routing_key, properties: &properties, body };
        let route = Route::new(routes.queues().iter().map(|target| (target.queue, target.group)));
        for part in &route.parts {
            let mut blob = BlobBuilder::default();
            let slot = blob.push(&parts);
            let size = blob.record_len(slot).expect("the slot was just written");
            let runs = part.queues.iter().map(|queue| EnqueueRun {
                queue: *queue,
                first_slot: slot,
                count: 1,
                ..EnqueueRun::default()
            });
            let enqueue =
                Enqueue { first_slot: slot, sizes: vec![body_size(body)], runs: runs.collect(), source: None };
            let token = u64::from(size);
            self.in_flight.fetch_add(token, Ordering::Relaxed);
            broker.groups().submit(part.group, self.session, token, vec![Command::Enqueue(enqueue)], blob.finish());
        }
    }
}
