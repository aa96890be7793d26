//! `basic.publish`: permission, route, and the way into the chunks of the groups.

use std::sync::Arc;

use amqp_codec::{ReplyCode, properties::PropertiesView};
use amqp_connection::Publish;
use auth::{Access, Kind};
use routing::{ExchangeKind, Message, RouteOutcome};
use types::{RecordParts, SeqRange};

use super::{
    channel::Channel,
    expiration, ranges,
    route::Route,
    shared::{Context, Shared},
};
use crate::{
    failure::{self, Failure},
    properties::RawProperties,
};

/// Bits of the property flags (AMQP 0-9-1 §4.2.6.1) whose properties are looked at.
const EXPIRATION_OR_REPLY_TO: u8 = 0x03; // of the first byte
const USER_ID: u8 = 0x10; // of the second byte

impl Channel {
    /// Takes a message.
    pub(crate) fn publish(&mut self, cx: &mut Context<'_>, publish: &Publish) -> Result<(), Failure> {
        cx.note_publisher();
        let version = cx.shared.tables_version();
        let route = match self.routes.get(version, &publish.exchange, &publish.routing_key) {
            Some(route) => route,
            None => self.find_route(cx.shared, publish)?,
        };
        if let [first, second, ..] = publish.properties[..]
            && (first & EXPIRATION_OR_REPLY_TO != 0 || second & USER_ID != 0)
        {
            check_properties(cx.shared, publish)?;
        }
        cx.shared.tally.published += 1;
        if cx.shared.broker.firehose().is_on() {
            cx.shared.tap_in(self.number, publish, &route);
        }
        if route.parts.is_empty() {
            self.unroutable(cx, publish);
        } else {
            self.enqueue(cx, &route, publish);
        }
        Ok(())
    }

    fn enqueue(&mut self, cx: &mut Context<'_>, route: &Arc<Route>, publish: &Publish) {
        let record = RecordParts {
            exchange: publish.exchange.as_bytes(),
            routing_key: publish.routing_key.as_bytes(),
            properties: &publish.properties,
            body: publish.body.pieces(),
        };
        let shared = match publish.confirm_seq {
            Some(number) if route.parts.len() > 1 => Some(self.shared_confirms.add(number, route)),
            Some(_) | None => None,
        };
        for part in &route.parts {
            let chunk = self.chunk(cx.shared, part.group);
            let bytes = chunk.publish(route, part, &record);
            if let Some(id) = shared {
                if chunk.pending.shared.last() != Some(&id) {
                    chunk.pending.shared.push(id);
                }
            } else if let Some(number) = publish.confirm_seq {
                ranges::add(&mut chunk.pending.confirms, SeqRange::one(number));
            }
            cx.shared.tally.published_bytes += u64::from(bytes);
        }
    }

    fn unroutable(&self, cx: &mut Context<'_>, publish: &Publish) {
        cx.shared.tally.unroutable += 1;
        if !self.is_open {
            return;
        }
        if publish.mandatory {
            cx.conn.return_message(self.number, ReplyCode::NoRoute, publish);
        }
        if let Some(number) = publish.confirm_seq {
            cx.shared.tally.confirmed += 1;
            cx.conn.confirm(self.number, SeqRange::one(number), true);
        }
    }

    /// Looks a route up, with the checks that it stands for: permission to write, the exchange is there and not internal.
    fn find_route(&mut self, shared: &mut Shared, publish: &Publish) -> Result<Arc<Route>, Failure> {
        shared.check(Access::Write, Kind::Exchange, &publish.exchange)?;
        let groups = shared.broker.groups();
        let message = Message {
            properties: &RawProperties(&publish.properties),
            random: rand::random(),
            is_local: &|queue| groups.is_leader(queue.group),
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
            RouteOutcome::Routed(routed) => (routed.exchange.kind == ExchangeKind::Topic, routed.cacheable),
        };
        if is_topic {
            shared.check_topic(Access::Write, &publish.exchange, &publish.routing_key)?;
        }
        let route = Route::new(shared.routes.queues().iter().map(|target| (target.queue, target.group)));
        if !cacheable {
            return Ok(self.uncached(route));
        }
        let route = Arc::new(route);
        self.routes.put(&publish.exchange, &publish.routing_key, &route);
        Ok(route)
    }

    /// A route that depends on more than the key is not cached, but often it is that of the message before, whose runs it can
    /// join.
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

fn check_properties(shared: &Shared, publish: &Publish) -> Result<(), Failure> {
    // The connection has checked the layout; what cannot be read is not there.
    let Ok(view) = PropertiesView::new(&publish.properties) else { return Ok(()) };
    if view.reply_to().is_some_and(|reply_to| reply_to == "amq.rabbitmq.reply-to") {
        // Nobody can consume from it yet.
        return Err(Failure::precondition("fast reply consumer does not exist"));
    }
    if let Some(expiration) = view.expiration() {
        expiration::check(&expiration)?;
    }
    if let Some(user_id) = view.user_id()
        && let Some(user) = &shared.user
        && user_id != user.name
        && !user.is_impersonator
    {
        let name = &user.name;
        return Err(Failure::precondition(format!(
            "user_id property set to '{user_id}' but authenticated user was '{name}'"
        )));
    }
    Ok(())
}
