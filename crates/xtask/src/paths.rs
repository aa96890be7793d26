//! Where things are: the checkout, the user's cache folder, cargo's target folder.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// The top of the checkout: the folder at or above the working directory that holds `crates/xtask`.
///
/// # Errors
/// When the working directory is not inside a checkout.
pub fn root() -> Result<PathBuf> {
    let start = env::current_dir().context("the working directory is gone")?;
    for folder in start.ancestors() {
        if folder.join("crates/xtask/Cargo.toml").is_file() {
            return Ok(folder.to_path_buf());
        }
    }
    bail!("{} is not inside a checkout of quorate", start.display())
}

/// The project's folder in the user's cache: `$XDG_CACHE_HOME/quorate`, or `~/.cache/quorate`.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME names an absolute folder")?.join("quorate"))
}

/// The target folder of every cargo that a task runs: `$CARGO_TARGET_DIR`, or one in the cache folder, so that a fresh clone does
/// not compile RocksDB again.
///
/// # Errors
/// When there is no cache folder.
pub fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty()) {
        Some(folder) => std::path::absolute(Path::new(&folder)).context("CARGO_TARGET_DIR is not a path"),
        None => Ok(cache()?.join("target")),
    }
}
