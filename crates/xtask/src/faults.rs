//! `cargo xtask faults`: faults of networks, disks and processes under load. What there is to try is in `cluster-tests/faults`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{cargo, paths, shell};

/// What stands between nodes and their kernels: a workspace of its own, since it is no Rust library for others.
pub const SHIM: &str = "cluster-tests/shim/Cargo.toml";

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
    /// Binary of an earlier version, from which nodes are upgraded; without it that scenario is skipped
    #[arg(long, value_name = "FILE")]
    old_binary: Option<PathBuf>,
    /// Times without confirms are told, but not held against the bounds: others may use the machine meanwhile
    #[arg(long)]
    untimed: bool,
}

/// How long faults are made in each scenario as a step of the tests. Unit: seconds.
const TEST_SECONDS: u64 = 6;
/// A change must not fail for what another would have found: the tests always try the same.
const TEST_SEED: u64 = 1;

/// The part that every change must pass: some scenarios, a few seconds each. How long confirms stay away is told, not judged: the
/// tests of a change may share their machine.
///
/// # Errors
/// When something does not hold that must, or a scenario cannot be run.
pub fn bounded() -> Result<()> {
    let bounded =
        FaultsArgs { seed: TEST_SEED, seconds: TEST_SECONDS, quick: true, untimed: true, ..FaultsArgs::default() };
    run(&bounded)
}

/// Tests what stands between nodes and their kernels.
///
/// # Errors
/// When a test fails.
pub fn test_shim(root: &Path) -> Result<()> {
    cargo::run(root, &["test", "--release", "--locked", "--manifest-path", SHIM])
}

/// Builds, and runs the scenarios.
///
/// # Errors
/// When something does not hold that must, or a scenario cannot be run.
pub fn run(args: &FaultsArgs) -> Result<()> {
    let root = paths::root()?;
    let broker = cargo::build_broker(&root)?;
    cargo::run(&root, &["build", "--release", "--locked", "--manifest-path", SHIM])?;
    let mut command = Command::new(cargo::binary("faults")?);
    command.current_dir(root).arg("--broker").arg(broker).arg("--shim").arg(cargo::binary("libshim.so")?);
    command.args(["--seed", &args.seed.to_string(), "--seconds", &args.seconds.to_string()]);
    if let Some(scenario) = &args.scenario {
        command.args(["--scenario", scenario]);
    }
    if let Some(old) = &args.old_binary {
        command.arg("--old-binary").arg(old);
    }
    for (flag, is_set) in [("--list", args.list), ("--quick", args.quick), ("--untimed", args.untimed)] {
        if is_set {
            command.arg(flag);
        }
    }
    shell::run(&mut command)
}
