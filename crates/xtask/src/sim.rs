//! `cargo xtask sim`: builds the simulation and runs seeds, or one seed with everything that happens in it, or the bugs on purpose.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{cargo, paths, shell};

/// The simulation is a workspace of its own.
pub const MANIFEST: &str = "cluster-tests/sim/Cargo.toml";
/// Holds the table of bugs on purpose, with the seeds that find them.
const TABLE: &str = "docs/dev/TESTING.md";
/// How long seeds are run as a step of the tests. Unit: seconds.
const TEST_SECONDS: &str = "60";
/// Seeds that are run twice as a step of the tests.
const TWICE: &str = "3";

/// What to run.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// How many seeds
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Stop after so many seconds, however many seeds are left
    #[arg(long)]
    seconds: Option<u64>,
    /// Run each seed twice and compare the traces
    #[arg(long)]
    twice: bool,
    /// Run one seed, and print everything that happens (with RUST_LOG also what the nodes log)
    #[arg(long)]
    seed: Option<u64>,
    /// Put this bug into the nodes: with --seed into one run, otherwise look for a seed that finds it
    #[arg(long)]
    mutation: Option<String>,
    /// Check that each bug on purpose is found by the seed that the documentation names
    #[arg(long)]
    mutations: bool,
}

/// Runs the task.
///
/// # Errors
/// When the build fails, or something was found.
pub fn run(args: &SimArgs) -> Result<()> {
    let root = paths::root()?;
    build(&root)?;
    if args.mutations {
        return mutations(&root);
    }
    let mut sim = sim()?;
    match args.seed {
        Some(seed) => sim.args(["run", "--trace", "--seed", &seed.to_string()]),
        None => sim.args(["batch", "--seeds", &args.seeds.to_string(), "--from", &args.from.to_string()]),
    };
    if let Some(mutation) = &args.mutation {
        sim.args(["--mutation", mutation]);
    }
    if let Some(seconds) = args.seconds.filter(|_| args.seed.is_none()) {
        sim.args(["--seconds", &seconds.to_string()]);
    }
    if args.twice && args.seed.is_none() {
        sim.arg("--twice");
    }
    shell::run(&mut sim)
}

/// The part that every change must pass: some seeds twice, as many as fit into a minute once, and the bugs on purpose.
///
/// # Errors
/// When the build fails, or something was found.
pub fn bounded(root: &Path) -> Result<()> {
    build(root)?;
    shell::run(sim()?.args(["batch", "--twice", "--seeds", TWICE]))?;
    shell::run(sim()?.args(["batch", "--seeds", "1000000", "--seconds", TEST_SECONDS]))?;
    mutations(root)
}

fn build(root: &Path) -> Result<()> {
    cargo::run(root, &["build", "--release", "--locked", "--manifest-path", MANIFEST])
}

fn sim() -> Result<Command> {
    Ok(Command::new(cargo::binary("sim")?))
}

/// Each bug on purpose must be found by its seed.
fn mutations(root: &Path) -> Result<()> {
    let text = fs::read_to_string(root.join(TABLE)).with_context(|| format!("cannot read {TABLE}"))?;
    let rows = rows(&text);
    let known = shell::capture(sim()?.arg("mutations"))?;
    for mutation in known.lines() {
        let Some((_, seed)) = rows.iter().find(|(name, _)| name == mutation) else {
            bail!("{TABLE} does not say which seed finds the bug {mutation}");
        };
        let output = sim()?.args(["run", "--seed", &seed.to_string(), "--mutation", mutation]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let Some(found) = text.lines().find(|line| line.contains("VIOLATION")) else {
            bail!(
                "seed {seed} does not find the bug {mutation} any more: name another in {TABLE} \
                 (cargo xtask sim --mutation {mutation} --seeds 100 looks for one)"
            );
        };
        println!("{mutation}: {found}");
    }
    Ok(())
}

/// The rows of the table: a bug's name and a seed.
fn rows(text: &str) -> Vec<(String, u64)> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    let row = |line: &str| match cells(line).as_slice() {
        [_, name, seed, ..] => Some((name.clone(), seed.parse().ok()?)),
        _ => None,
    };
    text.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_bugs_are_found_among_other_tables() {
        let text = "| Step | What |\n|---|---|\n| format | text |\n\n| Bug | Seed | Found |\n|---|---|---|\n| `skip-fsync` | 17 | lost |\n";
        assert_eq!(rows(text), [("skip-fsync".to_owned(), 17)]);
    }
}
