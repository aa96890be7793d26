//! What clients may rely on, checked from outside against a running three-node cluster: stock client libraries, bytes that no
//! client library would send, and the loss of all nodes at once.
//!
//! The same stock clients run against RabbitMQ with `--uri`, which gives the reference answer.
#![expect(clippy::print_stdout, reason = "a command line tool")]

pub mod adversarial;
pub mod bad_input;
pub mod behaviours;
pub mod bystander;
pub mod edges;
pub mod life;
pub mod minority;
pub mod power_loss;
mod program;
pub mod report;
pub mod rust_client;
pub mod sasl;
pub mod stock;
pub mod suites;
mod wire;

use anyhow::{Context, Result};

/// How long anything that must happen may take before it counts as not happening.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(20);

/// Runs a future of the Rust client to its end.
///
/// # Errors
/// When no runtime can be made, or the future fails.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.context("cannot make a runtime")?.block_on(future)
}
