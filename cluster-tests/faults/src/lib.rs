//! Faults of networks, disks and processes under load, and whether what was promised holds.
//!
//! A run has a world (`world`: real processes, each with a network and a disk of its own), clients (`plan` and `workload`, over a
//! client of our own, `amqp`) that write down what they see (`history`), and faults (`scenario`, on a `stage`). Afterwards
//! checkers (`check`) say what of it must not be, and a `report` is written.
//!
//! Architecture invariant: it knows the broker only as a binary, through AMQP and HTTP; what it holds to be right is said here and
//! nowhere taken from the product.
#![expect(clippy::print_stdout, reason = "a command line tool")]

pub mod amqp;
pub mod api;
pub mod check;
pub mod history;
pub mod host;
pub mod plan;
pub mod report;
pub mod scenario;
pub mod stage;
mod tour;
pub mod witness;
pub mod workload;
pub mod world;

pub use tour::{Tour, run};
