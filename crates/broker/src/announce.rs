//! Messages that the broker itself publishes: copies for the firehose, and events. At most once: nobody waits for their
//! confirms, and when too much of them is under way, more are dropped.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use queue::Command;
use routing::{Message, RouteOutcome, Routes};
use types::{RecordParts, SessionId, ShortStr};

use crate::{
    batch::Batch,
    broker::Broker,
    session::route::{Asks, Route},
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
            || (routes.is_empty() && routes.histories().is_empty())
            || self.in_flight.load(Ordering::Relaxed) > IN_FLIGHT_MAX
        {
            return;
        }
        let properties = properties();
        let parts = RecordParts { exchange: exchange.as_bytes(), routing_key, properties: &properties, body };
        for part in &Route::of(&routes).parts {
            let mut batch = Batch::new(part.group);
            batch.push(part, &parts, false, Asks::default());
            let token = u64::try_from(batch.bytes()).unwrap_or(u64::MAX);
            let (enqueue, blob) = batch.finish();
            self.in_flight.fetch_add(token, Ordering::Relaxed);
            broker.groups().submit(part.group, self.session, token, vec![Command::Enqueue(enqueue)], blob);
        }
    }
}
