//! Running cargo from a task: always in the checkout, always with the shared target folder.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{paths, rocksdb, shell};

/// Set by `cargo run` for this task's own package; a cargo below must not take them for its own.
const PACKAGE_VARIABLES: [&str; 4] =
    ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PRIMARY_PACKAGE", "CARGO_CRATE_NAME"];

/// A cargo command in the checkout's top folder.
///
/// # Errors
/// When the target folder cannot be named, or `Cargo.lock` cannot be read.
pub fn command(root: &Path, args: &[&str]) -> Result<Command> {
    prepared(Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())), root, args)
}

/// As [`command`], with the nightly compiler that rustup has.
///
/// # Errors
/// As [`command`].
pub fn nightly(root: &Path, args: &[&str]) -> Result<Command> {
    let mut rustup = Command::new("rustup");
    rustup.args(["run", "nightly", "cargo"]);
    prepared(rustup, root, args)
}

fn prepared(mut command: Command, root: &Path, args: &[&str]) -> Result<Command> {
    command.args(args).current_dir(root).env("CARGO_TARGET_DIR", paths::target()?);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if PACKAGE_VARIABLES.contains(&&*text) || text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_BIN_") {
            command.env_remove(&name);
        }
    }
    rocksdb::link(root, &mut command)?;
    Ok(command)
}

/// Runs cargo and shows what it writes.
///
/// # Errors
/// When cargo fails.
pub fn run(root: &Path, args: &[&str]) -> Result<()> {
    shell::run(&mut command(root, args)?)
}

/// Installs what the build needs, builds the binaries, and returns where `quorate` is.
///
/// The whole workspace is named, as the tests do: with a single package, cargo would choose other features for shared
/// dependencies and compile half of them once more.
///
/// # Errors
/// When something is missing and cannot be installed, or the build fails.
pub fn build_broker(root: &Path) -> Result<PathBuf> {
    rocksdb::ensure(root)?;
    run(root, &["build", "--release", "--workspace", "--bins"])?;
    binary("quorate")
}

/// Where a binary of the workspace is once it is built.
///
/// # Errors
/// When it was not built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let file = paths::target()?.join("release").join(name);
    if !file.is_file() {
        bail!("{} is not there after the build", file.display());
    }
    file.canonicalize().with_context(|| format!("cannot resolve {}", file.display()))
}
