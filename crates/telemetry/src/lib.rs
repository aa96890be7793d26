//! What every shell of the node shares for being watched: the supervised spawn, the shutdown tree, names of span fields, and
//! how metrics are declared.
//!
//! It exports no metrics and installs no subscriber: that is the node's. Pure crates do not depend on it.

pub mod fields;
pub mod metrics;
pub mod shutdown;
pub mod task;

pub use shutdown::{Cause, Shutdown};
pub use task::{TaskKind, spawn, spawn_thread};
