//! RocksDB: the column families, the one writer, the syncer, checkpoints.
//!
//! Everything that a node keeps on disk goes through [`LogStore`]: the logs of its Raft groups, the message bodies, votes,
//! checkpoints of the machines, and the node's own identity. [`RocksStore`] is the store of a running node, [`sim::SimStore`]
//! the same in memory for tests, with crashes on demand.
//!
//! Architecture invariant: no other crate names RocksDB; this one knows neither what a log entry says nor what a checkpoint
//! holds. Whatever is durable is a prefix of what was queued, and no completion is called before a sync that covers it.

mod api;
mod error;
mod handoff;
mod index_runs;
mod keys;
pub mod metrics;
mod options;
mod rocks;
pub mod sim;
mod syncer;
mod watch;
mod writer;

pub use api::{Checkpoint, Completion, GroupState, InstalledSnapshot, LogRecord, LogStore};
pub use error::{DiskError, Error};
pub use options::{Fault, OnFatal, Options};
pub use rocks::{RocksStore, StorageStatistics};
