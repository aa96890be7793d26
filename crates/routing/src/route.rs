//! The way of one message through the table: default exchange, bindings, exchanges behind exchanges, alternate exchanges.

use crate::{
    exchange::{Exchange, ExchangeKind},
    message::Message,
    routes::Routes,
    table::{ExchangeInfo, Table, Vhost},
    walk::Walk,
};

/// Whether the exchange was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum RouteOutcome {
    /// It was; the queues are in the [`Routes`], which may be empty.
    Routed(Routed),
    /// There is no such exchange, or no such vhost.
    NoSuchExchange,
}

/// What else there is to know of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The exchange that the message was published to.
    pub exchange: ExchangeInfo,
    /// Until the table changes, any message that is published to this exchange with this routing key, and has no other, goes
    /// to the same queues: neither headers, nor properties, nor chance, nor where queues live had a part in it, at no exchange
    /// on the way. Not where an exchange delays or keeps a history, since headers decide whether it does.
    pub cacheable: bool,
}

impl Table {
    /// Finds the queues that a message goes to, each once, in an order that depends on nothing but the table.
    ///
    /// The message's properties are read only when an exchange on the way needs them. `routes` is emptied first; used again
    /// and again, it makes routing free of allocation (other than through headers exchanges).
    ///
    /// An exchange's alternate is asked when none of its bindings matches, as in RabbitMQ: a binding to an exchange that leads
    /// nowhere matches all the same.
    pub fn route(&self, vhost: &[u8], exchange: &[u8], message: &Message<'_>, routes: &mut Routes) -> RouteOutcome {
        routes.clear();
        let Some(vhost) = self.vhost(vhost) else { return RouteOutcome::NoSuchExchange };
        let walk = Walk::new(message);
        let info = if exchange.is_empty() {
            vhost.to_default(message, routes);
            ExchangeInfo::DEFAULT
        } else {
            let Some(first) = vhost.exchange(exchange) else { return RouteOutcome::NoSuchExchange };
            first.visit(&walk, routes);
            let is_delayed = routes.is_delayed();
            vhost.follow((exchange, is_delayed), &walk, routes);
            first.info()
        };
        routes.finish();
        RouteOutcome::Routed(Routed { exchange: info, cacheable: walk.depends_on_the_key_only() })
    }
}

impl Vhost {
    fn to_default(&self, message: &Message<'_>, routes: &mut Routes) {
        for key in message.keys() {
            if let Some(queue) = self.queue(key) {
                routes.push(queue);
            }
        }
    }

    /// Visits the exchanges that were found, and those found there, each once; and once more when the message gets there with a
    /// delay too.
    fn follow(&self, first: (&[u8], bool), walk: &Walk<'_>, routes: &mut Routes) {
        while let Some(name) = routes.next_exchange() {
            if (name.as_bytes(), routes.is_delayed()) == first {
                continue;
            }
            if name.is_empty() {
                self.to_default(walk.message, routes);
            } else if let Some(exchange) = self.exchange(name.as_bytes()) {
                exchange.visit(walk, routes);
            }
        }
    }
}

impl Exchange {
    fn visit(&self, walk: &Walk<'_>, routes: &mut Routes) {
        if self.delayed && walk.asks_for_delay() {
            routes.delay();
        }
        if let Some(history) = self.history
            && walk.may_be_kept()
        {
            routes.keep(history);
        }
        let before = routes.found();
        self.find(walk, routes);
        if routes.found() == before
            && let Some(alternate) = &self.alternate
        {
            routes.push_exchange(alternate);
        }
    }

    pub(crate) fn info(&self) -> ExchangeInfo {
        ExchangeInfo { kind: self.kind, internal: self.internal, delayed: self.delayed }
    }
}

impl ExchangeInfo {
    /// Of the default exchange.
    pub(crate) const DEFAULT: ExchangeInfo =
        ExchangeInfo { kind: ExchangeKind::Direct, internal: false, delayed: false };
}

#[cfg(test)]
mod tests;
