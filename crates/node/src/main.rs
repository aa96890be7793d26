//! The binary `quorate`: a node of the cluster, and the tools that come with it.
//!
//! Architecture invariant: this crate wires the others and holds no logic of its own; nothing depends on it.

mod alarms;
mod bootstrap;
mod config;
mod damage;
mod definitions;
mod keys;
mod logging;
mod memory;
mod peers;
mod recover;
mod server;
mod serving;
mod stall;
mod token;
mod view;

use std::{env, process::ExitCode};

use clap::{Parser, Subcommand};

/// One allocator for Rust and for RocksDB's C++.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Debug, Parser)]
#[command(name = "quorate", version, about = "A clustered AMQP broker with Raft-replicated queues")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a node; with no options a single node on loopback with its data in ./data
    Server(keys::Flags),
    /// Makes one survivor a cluster of its own when a majority of nodes is lost for ever. WHAT ONLY THE LOST NODES HAVE IS LOST
    RecoverLostMajority(recover::Args),
    /// Administers a cluster: users, queues, policies, definitions and more
    Ctl(ctl::Args),
    /// Moves a damaged store aside, so that the node comes back as one with an empty disk
    SetAside(damage::Args),
    /// Generates load and measures throughput and latency
    Perf(perf::Args),
}

fn main() -> ExitCode {
    // Scripts call the binary by links of these names, and clap should not see their arguments.
    if let Some((program, arguments)) = ctl::compat::called_as(env::args_os()) {
        return ctl::compat::run(program, &arguments);
    }
    let result = match Cli::parse().command {
        Command::Server(flags) => server::main(&flags),
        Command::SetAside(args) => logging::start("info", false).and_then(|()| damage::set_aside(&args)),
        Command::RecoverLostMajority(args) => recover::main(&args),
        Command::Ctl(args) => Ok(ctl::run(&args)),
        Command::Perf(args) => runtime().and_then(|runtime| runtime.block_on(perf::run(args))),
    };
    result.unwrap_or_else(|error| {
        logging::report(&error);
        ExitCode::FAILURE
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
