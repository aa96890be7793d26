//! Python programs with their packages, in a virtual environment of their own.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{install, shell};

/// Makes the virtual environment when it is not there, installs the packages, and returns its interpreter.
///
/// # Errors
/// When there is no Python, or a package cannot be had.
pub fn environment(folder: &Path, packages: &[&str]) -> Result<PathBuf> {
    let python = folder.join("bin/python3");
    let pip_works = |python: &Path| shell::quiet(Command::new(python).args(["-m", "pip", "--version"])).is_ok();
    if !pip_works(&python) {
        let make = || shell::quiet(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
        if make().is_err() {
            // Debian keeps the module `venv` in a package of its own.
            install::install(&["python3", "python3-venv"])?;
            make().context("cannot make a Python environment")?;
        }
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    shell::quiet(&mut pip).with_context(|| format!("cannot install {}", packages.join(" ")))?;
    Ok(python)
}
