//! Definitions: everything that is declared, as the JSON document of RabbitMQ.
//!
//! An export is read from the metadata machine; an import becomes a list of commands, in the order in which they depend on each
//! other. Neither touches the network.

mod export;
mod import;

pub(crate) use export::{binding, exchange, export, policy, queue, user, vhost};
pub(crate) use import::{Planned, QueueDefinition, Step, plan};

/// The global parameter with the hash of the file that was imported last at a start. It stays in its cluster.
pub const HASH: &str = "imported_definition_hash_value";

#[cfg(test)]
mod tests;
