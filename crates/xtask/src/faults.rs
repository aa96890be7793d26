//! `cargo xtask faults`: faults of networks, disks and processes under load. What there is to try is in `cluster-tests/faults`.

use std::process::Command;

use anyhow::Result;

use crate::{cargo, paths, shell};

/// What to run.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FaultsArgs {
    /// Only this scenario, or those whose names begin so: S8, S8-leader
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// What is by chance comes from this
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long faults are made in each scenario
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Lists the scenarios
    #[arg(long)]
    list: bool,
    /// Only the scenarios that every change must pass
    #[arg(long)]
    quick: bool,
    /// Times without confirms are told, but not held against the bounds: others may use the machine meanwhile
    #[arg(long)]
    untimed: bool,
}

/// Builds, and runs the scenarios.
///
/// # Errors
/// When something does not hold that must, or a scenario cannot be run.
pub fn run(args: &FaultsArgs) -> Result<()> {
    let root = paths::root()?;
    let broker = cargo::build_broker(&root)?;
    let mut command = Command::new(cargo::binary("faults")?);
    command.current_dir(root).arg("--broker").arg(broker);
    command.args(["--seed", &args.seed.to_string(), "--seconds", &args.seconds.to_string()]);
    if let Some(scenario) = &args.scenario {
        command.args(["--scenario", scenario]);
    }
    for (flag, is_set) in [("--list", args.list), ("--quick", args.quick), ("--untimed", args.untimed)] {
        if is_set {
            command.arg(flag);
        }
    }
    shell::run(&mut command)
}
