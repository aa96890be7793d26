//! Sockets to AMQP clients: the accept loop and the driver of one connection.
//!
//! Architecture invariant: this crate moves bytes and time. What they mean is said by [`amqp_connection`], what is done about
//! it by [`broker`]. A connection is one task, which ends alone whatever happens to it.

mod clock;
mod config;
mod driver;
mod input;
mod listener;
pub mod metrics;
mod output;
mod proxy;

pub use config::Config;
pub use ipnet::IpNet;
pub use listener::Listener;
