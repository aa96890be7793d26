//! Runs fault scenarios on clusters of their own.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use faults::{Tour, run, scenario};
use xtask::paths;

/// Faults of networks, disks and processes under load
#[derive(Debug, Parser)]
struct Args {
    /// Binary of the broker
    #[arg(long, required_unless_present = "list")]
    broker: Option<PathBuf>,
    /// Library of `cluster-tests/shim`, loaded before the broker where clocks are wrong and syncs fail
    #[arg(long, required_unless_present = "list")]
    shim: Option<PathBuf>,
    /// Binary of an earlier version, from which nodes are upgraded
    #[arg(long)]
    old_binary: Option<PathBuf>,
    /// Lists the scenarios
    #[arg(long)]
    list: bool,
    /// Only this scenario, or those whose names begin so: S8, S8-leader
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Only the scenarios that every change must pass
    #[arg(long)]
    quick: bool,
    /// What is by chance comes from this
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long faults are made in each scenario
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Times without confirms are told, but not held against the bounds: others may use the machine meanwhile
    #[arg(long)]
    untimed: bool,
}

fn main() -> ExitCode {
    match start(Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args) -> Result<bool> {
    if args.list {
        for scenario in scenario::ALL {
            let mark = if scenario.is_quick { "*" } else { " " };
            println!("{mark} {:<16} {}", scenario.id, scenario.title);
        }
        println!("\n* is among those that every change must pass");
        return Ok(true);
    }
    let tour = Tour {
        binary: args.broker.context("which broker?")?,
        shim: args.shim.context("which library?")?,
        old_binary: args.old_binary,
        folder: paths::root()?.join("target/faults"),
        scenario: args.scenario,
        is_quick: args.quick,
        seed: args.seed,
        faults_for: Duration::from_secs(args.seconds),
        is_timed: !args.untimed,
    };
    run(&tour)
}
