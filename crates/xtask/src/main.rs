//! `cargo xtask`: reads the command line and runs one task.
#![expect(clippy::print_stderr, reason = "a command line tool")]

use std::process::ExitCode;

use clap::Parser;
use xtask::{bench, cluster, demo, faults, fix, fuzz, sim, test, tidy, verify};

/// Quorate's tasks
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
enum Task {
    /// A three-node cluster on this machine
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Everything a change must pass
    Test,
    /// Formatting, lints, tidiness, documentation; changes nothing
    Verify,
    /// Writes generated code, formats, applies what clippy suggests
    Fix,
    /// What no other tool checks: layers, headers, names, logs, decisions
    Tidy,
    /// A stock client, a killed leader, nothing lost
    Demo,
    /// Standard works on a cluster of its own, and on another broker in turn
    Bench(bench::BenchArgs),
    /// Faults of networks, disks and processes under load, on clusters of their own
    Faults(faults::FaultsArgs),
    /// Nodes, clients, a network and disks that fail, all from one seed
    Sim(sim::SimArgs),
    /// Everything that reads foreign bytes: the corpora, then libFuzzer
    Fuzz(fuzz::FuzzArgs),
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Cluster(command) => cluster::run(command),
        Task::Test => test::run(),
        Task::Verify => verify::run(),
        Task::Fix => fix::run(),
        Task::Tidy => tidy::run(),
        Task::Demo => demo::run(),
        Task::Bench(args) => bench::run(&args),
        Task::Faults(args) => faults::run(&args),
        Task::Sim(args) => sim::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
