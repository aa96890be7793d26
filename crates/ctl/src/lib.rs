//! Administration from the command line: `quorate ctl`, and the same in the words of `rabbitmqctl` and `rabbitmq-diagnostics`.
//!
//! Everything goes through a node's HTTP API. On the node's own machine no password is needed: whoever can read the data
//! directory has the token that lies there.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what a command line tool is for")]

mod bytes;
mod client;
mod commands;
pub mod compat;
mod output;
mod target;

pub use commands::{Args, run};
