//! `cargo xtask test`: everything a change must pass, cheapest first, stopping at the first red.

use std::{path::Path, process::Command, time::Instant};

use anyhow::{Context, Result};

use crate::{cargo, faults, fuzz, lints, paths, rocksdb, shell, sim, tidy};

/// Runs all steps.
///
/// # Errors
/// When one fails.
pub fn run() -> Result<()> {
    let root = paths::root()?;
    let begin = Instant::now();
    step("format", || lints::check_format(&root))?;
    step("tidy", || tidy::check(&root))?;
    step("RocksDB", || rocksdb::ensure(&root))?;
    step("lints", || lints::check(&root))?;
    step("unit and property tests", || cargo::run(&root, &["test", "--release", "--workspace"]))?;
    step("simulation", || sim::bounded(&root))?;
    step("faults", || faults::test_shim(&root).and_then(|()| faults::bounded()))?;
    step("fuzzing", || fuzz::bounded(&root))?;
    step("stock clients, bad input and power loss against three nodes", || conformance(&root))?;
    println!("\nall steps passed in {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// Runs `work` under a heading and says how long it took.
///
/// # Errors
/// When `work` fails.
pub fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n== {name}");
    let begin = Instant::now();
    work().with_context(|| format!("the step \"{name}\" failed"))?;
    println!("== {name}: passed in {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// The runner starts its own cluster and ends with the line `N passed, N failed`.
fn conformance(root: &Path) -> Result<()> {
    let broker = cargo::build_broker(root)?;
    shell::run(Command::new(cargo::binary("conformance")?).current_dir(root).arg("--broker").arg(broker))
}
