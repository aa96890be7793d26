//! RocksDB's C++, compiled once per machine.
//!
//! Cargo would compile it again for every set of features that its build script's own dependencies are resolved to, at 25
//! CPU-minutes each. So it is built once, in a folder of its own, and every other build links what came out
//! (`ROCKSDB_LIB_DIR`, which the rocksdb crate knows).

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use anyhow::{Context, Result};

use crate::{cargo, install, paths, shell};

/// Part of the folder's name: raise it when the flags in `.cargo/config.toml` change.
const RECIPE: u32 = 1;
const LIBRARY: &str = "librocksdb.a";

/// Installs what the build needs, and makes sure that the library is there.
///
/// # Errors
/// When something is missing and cannot be installed, or the library cannot be built.
pub fn ensure(root: &Path) -> Result<()> {
    install::build_tools()?;
    let folder = folder(root)?;
    if env::var_os("ROCKSDB_LIB_DIR").is_some() || folder.join(LIBRARY).is_file() {
        return Ok(());
    }
    println!("compiling RocksDB, once on this machine (about 13 minutes on 2 cores)");
    let scratch = paths::cache()?.join("rocksdb-build");
    let mut build = cargo::command(root, &["build", "--release", "--package", "storage"])?;
    build.env("CARGO_TARGET_DIR", &scratch).env_remove("ROCKSDB_LIB_DIR").env_remove("ROCKSDB_STATIC");
    shell::run(&mut build)?;
    let built = newest(&scratch.join("release").join("build")).context("the build left no RocksDB library")?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Whole or not at all: another build may be looking.
    let partial = folder.join(format!("{LIBRARY}.{}", std::process::id()));
    fs::copy(&built, &partial).with_context(|| format!("cannot copy {}", built.display()))?;
    fs::rename(&partial, folder.join(LIBRARY)).context("cannot put the RocksDB library in its place")?;
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))
}

/// Makes a cargo command link the library that is there.
///
/// # Errors
/// When the cache folder cannot be named, or `Cargo.lock` cannot be read.
pub fn link(root: &Path, command: &mut Command) -> Result<()> {
    let folder = folder(root)?;
    if env::var_os("ROCKSDB_LIB_DIR").is_none() && folder.join(LIBRARY).is_file() {
        command.env("ROCKSDB_LIB_DIR", folder).env("ROCKSDB_STATIC", "1");
    }
    Ok(())
}

fn folder(root: &Path) -> Result<PathBuf> {
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let version = version(&lock).context("Cargo.lock names no librocksdb-sys")?;
    let name = format!("{version}-{}-{}-{RECIPE}", env::consts::OS, env::consts::ARCH);
    Ok(paths::cache()?.join("rocksdb").join(name))
}

/// The version of librocksdb-sys that a lock file names.
fn version(lock: &str) -> Option<&str> {
    let (_, rest) = lock.split_once("name = \"librocksdb-sys\"\nversion = \"")?;
    rest.split('"').next()
}

/// The youngest library below a folder of build scripts' outputs.
fn newest(builds: &Path) -> Option<PathBuf> {
    let outputs = fs::read_dir(builds).ok()?.flatten().map(|build| build.path().join("out").join(LIBRARY));
    let dated = outputs.filter_map(|file| {
        let changed = fs::metadata(&file).ok()?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Some((changed, file))
    });
    dated.max().map(|(_, file)| file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"librocksdb-sys\"\nversion = \"0.19.0+11.8.1\"\nsource = \"x\"\n";
        assert_eq!(version(lock), Some("0.19.0+11.8.1"));
        assert_eq!(version("[[package]]\n"), None);
    }
}
