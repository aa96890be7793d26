//! Format and lints of every workspace of the checkout: the product's, and those of the tests that need other settings.
//!
//! One list for all who check and all who repair, so that what `verify` passes and `fix` repairs is what `test` looks at.

use std::path::Path;

use anyhow::Result;

use crate::{cargo, faults, fuzz, sim};

/// The workspaces of the checkout.
const MANIFESTS: [&str; 4] = ["Cargo.toml", sim::MANIFEST, fuzz::MANIFEST, faults::SHIM];

/// Checks the format.
///
/// # Errors
/// When a file would be written otherwise.
pub fn check_format(root: &Path) -> Result<()> {
    MANIFESTS
        .iter()
        .try_for_each(|manifest| cargo::run(root, &["fmt", "--all", "--manifest-path", manifest, "--check"]))
}

/// Formats.
///
/// # Errors
/// When a file cannot be parsed or written.
pub fn format(root: &Path) -> Result<()> {
    MANIFESTS.iter().try_for_each(|manifest| cargo::run(root, &["fmt", "--all", "--manifest-path", manifest]))
}

/// Clippy over everything, with warnings as errors.
///
/// # Errors
/// When there is a warning.
pub fn check(root: &Path) -> Result<()> {
    clippy(root, &["--", "-D", "warnings"])
}

/// Applies what clippy suggests.
///
/// # Errors
/// When something does not compile.
pub fn fix(root: &Path) -> Result<()> {
    clippy(root, &["--fix", "--allow-dirty", "--allow-staged"])
}

fn clippy(root: &Path, more: &[&str]) -> Result<()> {
    MANIFESTS.iter().try_for_each(|manifest| {
        let all = ["clippy", "--release", "--locked", "--manifest-path", manifest, "--workspace", "--all-targets"];
        cargo::run(root, &[&all, more].concat())
    })
}
