//! RocksDB: the column families, the one writer, the syncer, checkpoints.
//!
//! Everything that a node keeps on disk goes through [`LogStore`]: the logs of its Raft groups, the message bodies, votes,
//! checkpoints of the machines, and the node's own identity. [`RocksStore`] is the store of a running node, [`sim::SimStore`]
//! the same in memory for tests, with crashes on demand.
//!
//! Architecture invariant: no other crate names RocksDB; this one knows neither what a log entry says nor what a checkpoint
//! holds. Whatever is durable is a prefix of what was queued, and no completion is called before a sync that covers it.

mod api;
#[cfg_attr(not(feature = "rocks"), expect(dead_code, reason = "a part is for the store of a running node alone"))]
mod done;
mod error;
#[cfg_attr(not(feature = "rocks"), expect(dead_code, reason = "a part is for the store of a running node alone"))]
mod keys;
#[cfg_attr(not(feature = "rocks"), expect(dead_code, reason = "a part is for the store of a running node alone"))]
mod op;
pub mod sim;

// The store of a running node. A simulation is built without it, and so without RocksDB.
#[cfg(feature = "rocks")]
mod handoff;
#[cfg(feature = "rocks")]
mod index_runs;
#[cfg(feature = "rocks")]
pub mod metrics;
#[cfg(feature = "rocks")]
mod options;
#[cfg(feature = "rocks")]
mod rocks;
#[cfg(feature = "rocks")]
mod syncer;
#[cfg(feature = "rocks")]
mod watch;
#[cfg(feature = "rocks")]
mod writer;

pub use api::{Checkpoint, Completion, GroupState, InstalledSnapshot, LogRecord, LogStore};
pub use error::{DiskError, Error};
#[cfg(feature = "rocks")]
pub use options::{Fault, OnFatal, Options};
#[cfg(feature = "rocks")]
pub use rocks::{RocksStore, StorageStatistics};
