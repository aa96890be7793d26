//! HTTP: health, Prometheus metrics, and where queues and groups live.
//!
//! Everything that it tells comes through [`View`], which the node implements: this crate knows no queue, no group and no
//! broker. It is the only crate that knows HTTP. Entry points: [`install_recorder`] once per process, then [`serve`].
//!
//! Architecture invariant: an HTTP client can make the node do bounded work only. Connections, the time each may take and
//! the size of a request are limited, in `listener.rs` and `routes.rs`; nothing here changes state.

mod listener;
pub mod metrics;
mod prometheus;
mod routes;
mod server;
mod view;

pub use metrics_exporter_prometheus::PrometheusHandle;
pub use prometheus::{InstallError, install_recorder};
pub use server::{Error, serve};
pub use view::{ClusterView, GroupView, NodeView, QueueView, View};
