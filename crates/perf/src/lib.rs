//! `quorate perf`: a load generator for AMQP 0-9-1 brokers, with a client built for measuring.
//!
//! A run has publishers and consumers (`publisher`, `consumer`: a task each, with a socket that they poll themselves),
//! which a `crew` puts on threads of its own and a `stage` leads through their phases. What they count goes to
//! `stats` and, message by message, into the books (`ledger`), from which `report` draws its conclusions.
//!
//! The generator often shares two cores with three brokers, so a message costs it well below a microsecond: publishes are
//! encoded once and stamped in place (`burst`), confirms and deliveries are read where they lie (`scan`), and clocks,
//! locks and system calls are used once per batch.
//!
//! Architecture invariant: it knows the broker only through AMQP; nothing here depends on how Quorate is built, so that other
//! brokers can be measured in the same way.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool: it prints its report and its progress"
)]

mod args;
mod burst;
mod client;
mod clock;
mod connect;
mod consumer;
mod context;
mod cpu;
mod crew;
mod declare;
mod gap;
mod heartbeat;
mod identity;
mod idle;
mod ledger;
mod link;
mod pacer;
mod progress;
mod publisher;
mod report;
mod run;
mod scan;
mod schedule;
mod seq_set;
mod stage;
mod stats;
mod topology;
mod units;
mod uri;
mod window;

use std::process::ExitCode;

pub use args::{Command, ConnectArgs, DeclareArgs, QueueType, RunArgs};
pub use uri::{Uri, UriError, UriList};

/// The command line of `quorate perf`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What to measure.
    #[command(subcommand)]
    pub command: Command,
}

/// Does what the command line asks for. The exit code is not zero when messages were lost.
///
/// # Errors
/// When a broker cannot be reached, refuses, or a connection is lost.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Run(args) => run::run(*args).await,
        Command::Declare(args) => declare::run(args).await,
        Command::Connect(args) => connect::run(args).await,
    }
}
