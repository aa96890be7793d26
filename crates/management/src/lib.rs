//! HTTP: health, Prometheus metrics, where queues and groups live, and administration.
//!
//! What it tells of the node comes through [`View`], which the node implements; what it changes goes through the broker. It is
//! the only crate that knows HTTP. Entry points: [`install_recorder`] once per process, then [`serve`].
//!
//! Architecture invariant: an HTTP client can make the node do bounded work only. Connections, the time each may take and
//! the size of a request are limited, in `listener.rs` and `routes.rs`; nothing under `/api` happens before the caller is
//! authenticated.

mod api;
mod clients;
mod definitions;
mod fields;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod listener;
pub mod metrics;
mod prometheus;
mod routes;
mod server;
mod view;

use serde_json::Value;
use types::FieldTable;

pub use api::{ImportError, check_definitions, import};
pub use clients::clients;
pub use definitions::HASH as DEFINITIONS_HASH;
pub use metrics_exporter_prometheus::PrometheusHandle;
pub use prometheus::{InstallError, install_recorder};
pub use server::{Error, serve};
pub use view::{
    Amount, BoxFuture, ClientsOf, ClusterOrder, ClusterView, GroupView, NodeView, OrderError, ProcessView, ProductView,
    QueueView, ReplicaView, ResourceLimits, View,
};

/// A table as JSON writes it in definitions.
///
/// # Errors
/// When no table can hold it; the text says why.
pub fn field_table(value: &Value) -> Result<FieldTable, String> {
    fields::from_json(value).map_err(|error| error.to_string())
}
