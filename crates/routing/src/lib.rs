//! Exchanges and bindings as a routing table: a message's exchange and key in, queues out.
//!
//! Architecture invariant: knows nothing of AMQP's bytes, of metadata or of queue contents; the table is fed from outside, one
//! change at a time. Whatever order the changes came in, what is declared and bound in the end decides where a message goes,
//! and decides the same on every node; chance, and which queues live on the node, come in with the message. Routing takes time
//! in the words of the key and in what it visits, whatever the binding keys look like: nothing backtracks.
//!
//! Start at [`Table`] (what feeds it), [`Message`] and [`Table::route`].

mod children;
mod consistent_hash;
mod direct;
mod exchange;
mod hash;
mod hash_on;
mod headers;
mod message;
mod route;
mod routes;
mod same;
mod table;
mod targets;
mod topic;
mod walk;

pub use consistent_hash::{WeightError, check_weight};
pub use exchange::{ExchangeKind, NewExchange};
pub use message::{Message, Properties};
pub use route::{RouteOutcome, Routed};
pub use routes::Routes;
pub use table::{Binding, Destination, ExchangeInfo, Table};
pub use targets::QueueRef;
