//! `cargo xtask tidy`: the rules that no other tool checks. Also a test, so that nobody forgets it.
//!
//! Each rule is a function from what is there to findings. Long files are shown and are not a finding.

mod decisions;
mod layers;
mod logs;
mod source;
mod text;

use std::{fs, path::Path};

use anyhow::{Result, bail};

use self::source::Source;
use crate::{codegen, paths};

/// A file with more lines before its tests than this is worth a look.
const LONG_FILE_LINES: usize = 400;

/// Checks the checkout that the working directory is in.
///
/// # Errors
/// When a rule is broken.
pub fn run() -> Result<()> {
    check(&paths::root()?)?;
    println!("tidy");
    Ok(())
}

/// Checks the checkout at `root`; shows its long files.
///
/// # Errors
/// When a rule is broken; the error lists every place.
pub fn check(root: &Path) -> Result<()> {
    let sources = source::read_all(root)?;
    for source in &sources {
        let lines = source.lines_before_tests();
        if source.is_rust() && lines > LONG_FILE_LINES {
            println!("long file ({lines} lines before its tests): {}", source.path);
        }
    }
    let mut findings = layers::check(root)?;
    findings.extend(sources.iter().flat_map(text::check));
    findings.extend(sources.iter().filter(|source| source.is_rust()).flat_map(logs::check));
    findings.extend(text::check_links(root, &sources));
    findings.extend(decisions::check(&sources));
    findings.extend(stale_generated_code(root)?);
    if findings.is_empty() {
        return Ok(());
    }
    bail!("untidy in {} places:\n{}", findings.len(), findings.join("\n"))
}

fn stale_generated_code(root: &Path) -> Result<Option<String>> {
    let there = fs::read_to_string(root.join(codegen::PATH)).unwrap_or_default();
    let stale = there != codegen::generate(root)?;
    Ok(stale.then(|| format!("{}: not what the generator writes: cargo xtask fix", codegen::PATH)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_tidy() {
        if let Err(untidy) = run() {
            panic!("{untidy:#}");
        }
    }
}
