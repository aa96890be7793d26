//! Quorate under simulation: three to six nodes with their clients, a network and disks that fail, all from one seed.
//!
//! `sim run --seed S` runs one seed, `sim batch` many, each in a process of its own ([`determinism`]). What a seed means is drawn in
//! [`plan`]; [`run`] carries it out; [`invariants`] say what must hold.
//!
//! Architecture invariant: the nodes are the product's own code. What is replaced is what a machine gives: network, disk, clocks and
//! random numbers.

mod agents;
mod batch;
mod client;
mod determinism;
mod disk;
mod invariants;
mod mutants;
mod mutation;
mod net;
mod network;
mod node;
mod oracle;
mod plan;
mod run;
mod trace;
mod witness;
mod world;

use std::{process::ExitCode, thread};

use anyhow::{Result, anyhow};
use clap::{Parser, ValueEnum};

use crate::mutation::Mutation;

/// As much as the first thread of a process has.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Deterministic simulation of a cluster
#[derive(Debug, Parser)]
#[command(name = "sim", disable_help_subcommand = true)]
enum Command {
    /// One seed
    Run {
        /// The seed
        #[arg(long)]
        seed: u64,
        /// Print every event; with RUST_LOG also what the nodes log
        #[arg(long)]
        trace: bool,
        /// Put a bug into the nodes
        #[arg(long, value_enum)]
        mutation: Option<Mutation>,
    },
    /// Many seeds, side by side
    Batch(batch::BatchArgs),
    /// Names the bugs on purpose
    Mutations,
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Run { seed, trace, mutation } => one(seed, trace, mutation),
        Command::Batch(args) => batch::run(&args),
        Command::Mutations => {
            Mutation::value_variants().iter().for_each(|mutation| println!("{}", mutation.name()));
            Ok(true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one seed and prints what came of it; `false` when something was found.
fn one(seed: u64, trace: bool, mutation: Option<Mutation>) -> Result<bool> {
    if trace && std::env::var_os("RUST_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).without_time().with_ansi(false).init();
    }
    // On a thread of its own, whose hash maps begin with the seed: those of this one depend on whether there is a log.
    let simulation = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run::run(seed, mutation, trace))?;
    let outcome = simulation.join().map_err(|_| anyhow!("the simulation panicked"))??;
    let run::Outcome { violations, digest, events, simulated, counts: (sent, confirmed, heard) } = outcome;
    for violation in &violations {
        println!("seed {seed}: VIOLATION {violation}");
    }
    let verdict = if violations.is_empty() { "ok" } else { "failed" };
    println!(
        "seed {seed}: {verdict} trace {digest:016x} of {events} events, {:.1} s simulated, {sent} sent, {confirmed} confirmed, \
         {heard} deliveries",
        simulated.as_secs_f64()
    );
    Ok(violations.is_empty())
}
