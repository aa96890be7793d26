//! `basic.publish`: permission, route, wishes, and the way into the chunks of the groups.

use std::sync::Arc;

use amqp_codec::ReplyCode;
use amqp_connection::Publish;
use auth::{Access, Kind};
use bytes::Bytes;
use routing::{ExchangeKind, Message, RouteOutcome};
use types::{GroupId, RecordParts, SeqRange, ShortStr};

use super::{
    channel::Channel,
    route::{Asks, Route},
    shared::{Context, Shared},
    wishes::{self, Wishes},
};
use crate::{
    failure::{self, Failure},
    properties::RawProperties,
    reply_to,
};

/// A message that was checked, and where it goes.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) route: Arc<Route>,
    /// What it asks of its queues.
    pub(crate) asks: Asks,
    /// What is stored in place of the properties that came.
    pub(crate) properties: Option<Bytes>,
}

impl Channel {
    /// Takes a message.
    pub(crate) fn publish(&mut self, cx: &mut Context<'_>, publish: &Publish) -> Result<(), Failure> {
        cx.note_publisher();
        let version = cx.shared.tables_version();
        let route = match self.routes.get(version, &publish.exchange, &publish.routing_key) {
            Some(route) => route,
            None => self.find_route(cx.shared, publish, &[])?,
        };
        let routed = if wishes::asks_something(&publish.properties) {
            self.route_wishes(cx.shared, publish, route)?
        } else {
            Routed { route, asks: Asks::default(), properties: None }
        };
        if !routed.route.is_routed && self.is_in_doubt(cx, publish) {
            // Nobody is told: it is looked for again.
            return Err(Failure::not_found("queue for the message"));
        }
        cx.shared.tally.published += 1;
        if publish.transactional {
            return self.keep_publish(cx.shared, publish, routed);
        }
        self.send_on(cx, publish, &routed);
        Ok(())
    }

    /// Gives a message to its queues, or tells that there are none.
    pub(crate) fn send_on(&mut self, cx: &mut Context<'_>, publish: &Publish, routed: &Routed) {
        if cx.shared.broker.firehose().is_on() {
            cx.shared.tap_in(self.number, publish, &routed.route);
        }
        if !routed.route.is_routed {
            self.unroutable(cx, publish);
        }
        if routed.route.parts.is_empty() {
            self.confirm_at_once(cx, publish);
        } else {
            self.enqueue(cx, publish, routed);
        }
    }

    fn enqueue(&mut self, cx: &mut Context<'_>, publish: &Publish, routed: &Routed) {
        let Routed { route, asks, properties } = routed;
        let record = RecordParts {
            exchange: publish.exchange.as_bytes(),
            routing_key: publish.routing_key.as_bytes(),
            properties: properties.as_ref().unwrap_or(&publish.properties),
            body: publish.body.pieces(),
        };
        let shared = match publish.confirm_seq {
            Some(number) if route.parts.len() > 1 => Some(self.shared_confirms.add(number, route)),
            Some(_) | None => None,
        };
        for part in &route.parts {
            let chunk = self.chunk(cx.shared, part.group);
            let (slot, bytes) = chunk.publish(route, part, &record, *asks);
            match (publish.confirm_seq, shared) {
                (Some(number), Some(id)) => chunk.pending.number_shared(id, slot, number),
                (Some(number), None) => chunk.pending.number(slot, number),
                (None, _) => {}
            }
            cx.shared.tally.published_bytes += u64::from(bytes);
        }
    }

    fn unroutable(&self, cx: &mut Context<'_>, publish: &Publish) {
        cx.shared.tally.unroutable += 1;
        if self.is_open && publish.mandatory {
            cx.conn.return_message(self.number, ReplyCode::NoRoute, publish);
        }
    }

    /// Nobody has to answer for the message.
    fn confirm_at_once(&self, cx: &mut Context<'_>, publish: &Publish) {
        if let Some(number) = publish.confirm_seq
            && self.is_open
        {
            cx.shared.tally.confirmed += 1;
            cx.conn.confirm(self.number, SeqRange::one(number), true);
        }
    }

    /// What a message's properties add to its route.
    fn route_wishes(
        &mut self,
        shared: &mut Shared,
        publish: &Publish,
        mut route: Arc<Route>,
    ) -> Result<Routed, Failure> {
        let wishes = Wishes::read(shared, publish, self.reply_name.as_ref())?;
        if !wishes.more_keys.is_empty() {
            route = self.find_route(shared, publish, &wishes.more_keys)?;
        }
        let (asks, properties) = wishes.settle(&publish.properties, route.is_delayed());
        Ok(Routed { route, asks, properties })
    }

    /// Looks a route up, with the checks that it stands for: permission to write, the exchange is there and not internal.
    fn find_route(
        &mut self,
        shared: &mut Shared,
        publish: &Publish,
        more_keys: &[Bytes],
    ) -> Result<Arc<Route>, Failure> {
        shared.check(Access::Write, Kind::Exchange, &publish.exchange)?;
        let groups = shared.broker.groups();
        let here = GroupId::local(shared.broker.config().node);
        let message = Message {
            more_keys,
            properties: &RawProperties(&publish.properties),
            random: rand::random(),
            is_local: &|queue| queue.group == here || groups.is_leader(queue.group),
            ..Message::with_key(publish.routing_key.as_bytes())
        };
        let table = shared.broker.tables().read();
        let (vhost, exchange) = (shared.vhost.as_bytes(), publish.exchange.as_bytes());
        let outcome = table.route(vhost, exchange, &message, &mut shared.routes);
        drop(table);
        let named = || failure::exchange(&publish.exchange, &shared.vhost);
        let (is_topic, cacheable) = match outcome {
            RouteOutcome::NoSuchExchange => return Err(Failure::not_found(named())),
            RouteOutcome::Routed(routed) if routed.exchange.internal => {
                return Err(Failure::access_refused(format!("cannot publish to internal {}", named())));
            }
            RouteOutcome::Routed(routed) => {
                (routed.exchange.kind == ExchangeKind::Topic, routed.cacheable && more_keys.is_empty())
            }
        };
        if is_topic {
            shared.check_topic(Access::Write, &publish.exchange, &publish.routing_key)?;
            for key in more_keys.iter().filter_map(|key| ShortStr::from_bytes(key.clone()).ok()) {
                shared.check_topic(Access::Write, &publish.exchange, &key)?;
            }
        }
        let mut route = Route::of(&shared.routes);
        let has_replies = publish.exchange.is_empty() && add_replies(shared, &mut route, publish, more_keys);
        if !cacheable || has_replies {
            return Ok(self.uncached(route));
        }
        let route = Arc::new(route);
        self.routes.put(&publish.exchange, &publish.routing_key, &route);
        Ok(route)
    }

    /// A route that depends on more than exchange and key is not cached, but often it is that of the message before, whose
    /// runs it can join.
    fn uncached(&mut self, route: Route) -> Arc<Route> {
        match &self.last_route {
            Some(last) if **last == route => Arc::clone(last),
            _ => {
                let route = Arc::new(route);
                self.last_route = Some(Arc::clone(&route));
                route
            }
        }
    }
}

/// Adds the direct reply-to queues that routing keys name; whether any key is such a name. A reply whose asker is gone counts as
/// routed.
fn add_replies(shared: &Shared, route: &mut Route, publish: &Publish, more_keys: &[Bytes]) -> bool {
    let keys = std::iter::once(publish.routing_key.as_bytes()).chain(more_keys.iter().map(|key| &key[..]));
    let mut has_any = false;
    for target in keys.filter_map(reply_to::target) {
        has_any = true;
        route.is_routed = true;
        // To a node that is gone, or was made up, nothing is sent.
        let is_up = |group: GroupId| group.local_node().is_some_and(|node| shared.broker.groups().is_node_up(node));
        if let Some((queue, group)) = target.filter(|(_, group)| is_up(*group)) {
            route.add(queue, group);
        }
    }
    has_any
}
