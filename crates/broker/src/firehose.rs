//! The firehose: in virtual hosts with tracing, each message that is published or delivered goes to `amq.rabbitmq.trace`, too, with
//! headers that tell what happened, as in RabbitMQ. While no virtual host is traced, it costs one look at a flag.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use amqp_codec::BasicProperties;
use amqp_connection::Publish;
use bytes::Bytes;
use metadata::Machine;
use parking_lot::RwLock;
use types::{FieldTable, FieldValue, MessageRecord, QueueId, ShortStr, limits::NAME_BYTES_MAX};

use crate::{
    announce::Target,
    dead_letter::death,
    facts::Facts,
    listing,
    session::{
        Shared,
        route::{Route, RoutePart},
    },
};

const EXCHANGE: ShortStr = ShortStr::from_static("amq.rabbitmq.trace");

/// Which virtual hosts are traced.
#[derive(Debug, Default)]
pub(crate) struct Firehose {
    is_on: AtomicBool,
    vhosts: RwLock<BTreeSet<ShortStr>>,
}

impl Firehose {
    /// Whether any virtual host is traced.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Follows metadata.
    pub(crate) fn follow(&self, machine: &Machine) {
        let traced = machine.vhosts().filter(|vhost| vhost.tracing);
        let traced: BTreeSet<ShortStr> = traced.map(|vhost| vhost.name.clone()).collect();
        self.is_on.store(!traced.is_empty(), Ordering::Relaxed);
        *self.vhosts.write() = traced;
    }

    fn traces(&self, vhost: &ShortStr) -> bool {
        self.vhosts.read().contains(vhost)
    }
}

/// A message as its client has published it.
struct Traced<'a> {
    exchange: &'a ShortStr,
    routing_key: &'a ShortStr,
    properties: &'a Bytes,
}

impl Shared {
    /// A message was published.
    pub(crate) fn tap_in(&self, channel: u16, publish: &Publish, route: &Route) {
        let (exchange, routing_key) = (&publish.exchange, &publish.routing_key);
        let traced = Traced { exchange, routing_key, properties: &publish.properties };
        self.tap("publish", exchange, &traced, publish.body.pieces(), |facts| {
            facts.text("vhost", &self.vhost);
            self.origin(facts, channel);
            let queues = route.parts.iter().flat_map(RoutePart::destinations);
            let names = queues.filter_map(|queue| self.queue_name(queue));
            facts.push(
                "routed_queues",
                FieldValue::Array(names.map(|name| FieldValue::LongStr(name.bytes())).collect()),
            );
        });
    }

    /// A message was delivered.
    pub(crate) fn tap_out(&self, channel: u16, queue: QueueId, redelivered: bool, message: &MessageRecord) {
        let Some(name) = self.queue_name(queue) else { return };
        let MessageRecord { exchange, routing_key, properties, body } = message;
        let traced = Traced { exchange, routing_key, properties };
        self.tap("deliver", &name, &traced, std::slice::from_ref(body), |facts| {
            facts.push("redelivered", FieldValue::I32(i32::from(redelivered)));
            facts.text("vhost", &self.vhost);
            self.origin(facts, channel);
        });
    }

    fn tap(&self, verb: &str, of: &ShortStr, traced: &Traced<'_>, body: &[Bytes], more: impl FnOnce(&mut Facts)) {
        // What is traced is not traced again.
        if *traced.exchange == EXCHANGE || !self.broker.firehose().traces(&self.vhost) {
            return;
        }
        let mut key = [verb.as_bytes(), b".", of.as_bytes()].concat();
        // A key has at most 255 bytes; RabbitMQ would fail to encode a longer one.
        key.truncate(NAME_BYTES_MAX);
        let routing_key = &Bytes::from(key);
        let target = Target { vhost: &self.vhost, exchange: &EXCHANGE, routing_key };
        let Some(announcer) = self.broker.announcer() else { return };
        announcer.publish(&self.broker, target, body, || {
            let mut facts = Facts::default();
            describe(&mut facts, traced);
            facts.text("node", &self.broker.config().node_name);
            more(&mut facts);
            BasicProperties { headers: Some(facts.into_table()), ..BasicProperties::default() }.to_bytes()
        });
    }

    fn origin(&self, facts: &mut Facts, channel: u16) {
        facts.string("connection", &listing::connection_name(self.peer, self.local));
        facts.push("channel", FieldValue::I32(i32::from(channel)));
        facts.text("user", &self.user_name());
    }

    fn queue_name(&self, queue: QueueId) -> Option<ShortStr> {
        self.broker.metadata().read().queue_by_id(queue).map(|queue| queue.name.clone())
    }
}

fn describe(facts: &mut Facts, traced: &Traced<'_>) {
    let properties = BasicProperties::decode(traced.properties.clone()).unwrap_or_default();
    let headers = properties.headers.as_ref();
    let keys = std::iter::once(traced.routing_key.clone());
    let keys = keys.chain(headers.into_iter().flat_map(|headers| death::keys(headers, "CC")));
    facts.text("exchange_name", traced.exchange);
    facts.push("routing_keys", FieldValue::Array(keys.map(|key| FieldValue::LongStr(key.bytes())).collect()));
    facts.push("properties", FieldValue::Table(table(properties)));
}

/// The properties that are there, as RabbitMQ names and types them.
fn table(properties: BasicProperties) -> FieldTable {
    let mut facts = Facts::default();
    let text = |facts: &mut Facts, name: &'static str, value: &Option<ShortStr>| {
        if let Some(value) = value {
            facts.text(name, value);
        }
    };
    text(&mut facts, "content_type", &properties.content_type);
    text(&mut facts, "content_encoding", &properties.content_encoding);
    if let Some(headers) = properties.headers {
        facts.push("headers", FieldValue::Table(headers));
    }
    for (name, value) in [("delivery_mode", properties.delivery_mode), ("priority", properties.priority)] {
        if let Some(value) = value {
            facts.push(name, FieldValue::I32(i32::from(value)));
        }
    }
    text(&mut facts, "correlation_id", &properties.correlation_id);
    text(&mut facts, "reply_to", &properties.reply_to);
    text(&mut facts, "expiration", &properties.expiration);
    text(&mut facts, "message_id", &properties.message_id);
    if let Some(seconds) = properties.timestamp {
        let wide = i64::try_from(seconds).unwrap_or(i64::MAX);
        facts.push("timestamp", i32::try_from(wide).map_or(FieldValue::I64(wide), FieldValue::I32));
    }
    text(&mut facts, "type", &properties.type_);
    text(&mut facts, "user_id", &properties.user_id);
    text(&mut facts, "app_id", &properties.app_id);
    text(&mut facts, "cluster_id", &properties.cluster_id);
    facts.into_table()
}
