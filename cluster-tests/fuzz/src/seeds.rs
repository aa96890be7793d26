//! What the corpora start with: real encodings, so that a fuzzer need not guess what bytes mean anything.
//!
//! `cargo run --bin seeds` writes them. Files that a layout of later versions makes stale are still inputs; they stay.

use std::{fs, path::Path};

use anyhow::{Context, Result};

mod amqp;
mod metadata;
mod queues;
mod raft;

/// One file of a corpus.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The target's name.
    pub target: &'static str,
    /// The file's name.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Seed {
    fn new(target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Seed { target, name: name.into(), bytes: bytes.into() }
    }
}

/// All seeds. `golden` is where the replication crate keeps what earlier versions wrote.
///
/// # Errors
/// When a file there cannot be read.
pub fn all(golden: &Path) -> Result<Vec<Seed>> {
    let mut seeds = amqp::seeds();
    seeds.extend(metadata::seeds());
    seeds.extend(queues::seeds());
    seeds.extend(raft::seeds(golden)?);
    Ok(seeds)
}

/// Writes all seeds into the folder of corpora.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write(corpus: &Path, golden: &Path) -> Result<()> {
    for Seed { target, name, bytes } in all(golden)? {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(folder.join(&name), bytes).with_context(|| format!("cannot write {target}/{name}"))?;
    }
    Ok(())
}
