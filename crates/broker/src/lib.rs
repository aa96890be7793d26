//! Sessions: publish and confirm, consume and deliver, declare, authorize.
//!
//! [`Broker`] is the node's, [`ConnectionSession`] a connection's: it takes the events of an
//! [`amqp_connection::Connection`], does them with the groups and the metadata of [`replication`], and answers.
//!
//! Architecture invariant: nothing here waits for anything. A connection's task is never blocked by a commit: what takes time
//! is submitted, and its answer comes as mail. Delivery tags stay below this crate, Raft above it.

mod access;
mod admin;
mod alarms;
mod announce;
mod barrier;
mod batch;
mod broker;
mod cleanup;
mod completion;
mod config;
mod dead_letter;
mod deleted_queues;
mod ended;
mod events;
mod facts;
mod failure;
mod firehose;
mod history;
mod limits;
pub mod listing;
mod mailbox;
pub mod metrics;
mod names;
mod placement;
mod properties;
mod registry;
mod reply_to;
mod session;
mod tables;
mod usage;
mod vhost_templates;

pub use admin::{AdminError, NewQueue};
pub use broker::Broker;
pub use config::Config;
pub use mailbox::Mailbox;
pub use session::ConnectionSession;
pub use vhost_templates::VhostTemplates;
