//! `cargo xtask verify`: everything that can be said about the text without running it. Changes nothing.

use anyhow::Result;

use crate::{cargo, lints, paths, rocksdb, shell, test::step, tidy};

/// Runs all steps.
///
/// # Errors
/// When one fails.
pub fn run() -> Result<()> {
    let root = paths::root()?;
    step("format", || lints::check_format(&root))?;
    step("tidy", || tidy::check(&root))?;
    step("lock file", || {
        shell::quiet(&mut cargo::command(&root, &["metadata", "--locked", "--format-version", "1"])?)
    })?;
    if shell::which("cargo-deny").is_some() {
        let args = ["deny", "--config", ".deny.toml", "check", "bans", "licenses", "sources"];
        step("dependencies", || cargo::run(&root, &args))?;
    } else {
        println!("\n== dependencies\n== dependencies: skipped: no cargo-deny");
    }
    step("RocksDB", || rocksdb::ensure(&root))?;
    step("lints", || lints::check(&root))?;
    step("documentation", || {
        // Private items too: the documentation is for those who work here, and links to what they will read.
        let args = ["doc", "--release", "--workspace", "--no-deps", "--document-private-items"];
        let mut doc = cargo::command(&root, &args)?;
        shell::run(doc.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links"))
    })
}
