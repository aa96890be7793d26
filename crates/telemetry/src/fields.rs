//! Names of span and event fields, so that one thing has one name in all logs.
//!
//! `info!({ fields::VHOST } = %vhost, "queue declared")`, or simply the same word: `info!(%vhost, ...)`.

/// The virtual host.
pub const VHOST: &str = "vhost";
/// The queue's name.
pub const QUEUE: &str = "queue";
/// The queue's id, in decimal.
pub const QUEUE_ID: &str = "queue_id";
/// The exchange's name.
pub const EXCHANGE: &str = "exchange";
/// The user's name.
pub const USER: &str = "user";
/// A Raft group.
pub const GROUP: &str = "group";
/// A node of the cluster, by its id.
pub const NODE: &str = "node";
/// Another node, as seen from the one that logs.
pub const PEER: &str = "peer";
/// The address of the other end of a socket.
pub const REMOTE: &str = "remote";
/// A client connection's number within its node.
pub const CONNECTION: &str = "connection";
/// An AMQP channel number.
pub const CHANNEL: &str = "channel";
/// A session: one AMQP channel, unique in the cluster.
pub const SESSION: &str = "session";
/// A consumer tag.
pub const CONSUMER_TAG: &str = "consumer_tag";
/// A Raft term.
pub const TERM: &str = "term";
/// A Raft log index.
pub const INDEX: &str = "index";
/// A supervised task or thread.
pub const TASK: &str = "task";
/// A file or folder.
pub const PATH: &str = "path";
/// An error, with its sources.
pub const ERROR: &str = "error";
/// How long something took. Unit: milliseconds.
pub const ELAPSED_MS: &str = "elapsed_ms";
