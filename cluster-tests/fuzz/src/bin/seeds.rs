//! Writes the files that the corpora start with.

use std::path::Path;

fn main() -> anyhow::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    fuzz::seeds::write(&here.join("corpus"), &here.join("../../crates/replication/golden"))
}
