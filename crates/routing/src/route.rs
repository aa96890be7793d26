//! The way of one message through the table: default exchange, bindings, exchanges behind exchanges, alternate exchanges.

use std::cell::{Cell, OnceCell};

use types::FieldTable;

use crate::{
    exchange::Exchange,
    routes::Routes,
    table::{Table, Vhost},
};

/// Whether the exchange was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum RouteOutcome {
    /// It was; the queues are in the [`Routes`], which may be empty.
    Routed,
    /// There is no such exchange, or no such vhost.
    NoSuchExchange,
}

impl Table {
    /// Finds the queues that a message goes to, each once, in an order that depends on nothing but the table.
    ///
    /// `headers` is called at most once, and only when a headers exchange is on the way. `routes` is emptied first; used again
    /// and again, it makes routing free of allocation (other than through headers exchanges).
    ///
    /// An exchange's alternate is asked when none of its bindings matches, as in RabbitMQ: a binding to an exchange that leads
    /// nowhere matches all the same.
    pub fn route(
        &self,
        vhost: &[u8],
        exchange: &[u8],
        routing_key: &[u8],
        headers: impl FnOnce() -> Option<FieldTable>,
        routes: &mut Routes,
    ) -> RouteOutcome {
        routes.clear();
        let Some(vhost) = self.vhost(vhost) else { return RouteOutcome::NoSuchExchange };
        if exchange.is_empty() {
            vhost.to_default(routing_key, routes);
            return RouteOutcome::Routed;
        }
        let Some(first) = vhost.exchange(exchange) else { return RouteOutcome::NoSuchExchange };
        let headers = Lazy { make: Cell::new(Some(headers)), made: OnceCell::new() };
        first.visit(routing_key, &headers, routes);
        if routes.has_exchanges() {
            vhost.follow(exchange, routing_key, &headers, routes);
        }
        routes.finish();
        RouteOutcome::Routed
    }
}

impl Vhost {
    fn to_default(&self, routing_key: &[u8], routes: &mut Routes) {
        if let Some(queue) = self.queue(routing_key) {
            routes.push(queue);
        }
    }

    /// Visits the exchanges that were found, and those found there, each once.
    fn follow<H>(&self, first: &[u8], routing_key: &[u8], headers: &Lazy<H>, routes: &mut Routes)
    where
        H: FnOnce() -> Option<FieldTable>,
    {
        while let Some(name) = routes.next_exchange() {
            if name.as_bytes() == first {
                continue;
            }
            if name.is_empty() {
                self.to_default(routing_key, routes);
            } else if let Some(exchange) = self.exchange(name.as_bytes()) {
                exchange.visit(routing_key, headers, routes);
            }
        }
    }
}

impl Exchange {
    fn visit<H>(&self, routing_key: &[u8], headers: &Lazy<H>, routes: &mut Routes)
    where
        H: FnOnce() -> Option<FieldTable>,
    {
        let before = routes.found();
        self.find(routing_key, || headers.get(), routes);
        if routes.found() == before
            && let Some(alternate) = &self.alternate
        {
            routes.push_exchange(alternate.clone());
        }
    }
}

/// Headers that are read when they are needed.
struct Lazy<H> {
    make: Cell<Option<H>>,
    made: OnceCell<Option<FieldTable>>,
}

impl<H: FnOnce() -> Option<FieldTable>> Lazy<H> {
    fn get(&self) -> Option<&FieldTable> {
        self.made.get_or_init(|| self.make.take().and_then(|make| make())).as_ref()
    }
}

#[cfg(test)]
mod tests;
