//! `cargo xtask fix`: writes what can be written by a machine.

use std::fs;

use anyhow::{Context, Result};

use crate::{codegen, lints, paths, rocksdb, test::step};

/// Writes the generated code, formats, and applies what clippy suggests.
///
/// # Errors
/// When a step fails.
pub fn run() -> Result<()> {
    let root = paths::root()?;
    step("generated code", || {
        let path = root.join(codegen::PATH);
        let text = codegen::generate(&root)?;
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    })?;
    step("RocksDB", || rocksdb::ensure(&root))?;
    step("lints", || lints::fix(&root))?;
    step("format", || lints::format(&root))
}
