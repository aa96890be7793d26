//! The project's tasks: everything that `cargo xtask` does, one module per task, and what the tasks share.
//!
//! Architecture invariant: this crate depends on no crate of the product, so that it can install what they need before they are
//! compiled. It never runs when the broker runs.
#![expect(clippy::print_stdout, reason = "a command line tool")]

pub mod bench;
pub mod cargo;
pub mod cluster;
pub mod codegen;
pub mod demo;
pub mod faults;
pub mod fix;
pub mod fuzz;
pub mod http;
pub mod install;
pub mod lints;
pub mod paths;
pub mod process;
pub mod python;
pub mod rocksdb;
pub mod shell;
pub mod sim;
pub mod test;
pub mod tidy;
pub mod verify;
