//! Exchanges and bindings as a routing table: a message's exchange and key in, queues out.
//!
//! Architecture invariant: knows nothing of AMQP's bytes, of metadata or of queue contents; the table is fed from outside, one
//! change at a time. The same changes give the same table, and the same message the same queues in the same order. Routing
//! takes time in the words of the key and in what it visits, whatever the binding keys look like: nothing backtracks.
//!
//! Start at [`Table`] (what feeds it) and [`Table::route`].

mod children;
mod direct;
mod exchange;
mod headers;
mod route;
mod routes;
mod same;
mod table;
mod targets;
mod topic;

pub use exchange::ExchangeKind;
pub use route::RouteOutcome;
pub use routes::Routes;
pub use table::{Binding, Destination, ExchangeInfo, Table};
pub use targets::QueueRef;
