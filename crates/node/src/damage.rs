//! A store that is damaged: the node does not serve with it, says what to do, and `quorate set-aside` does it.
//!
//! A note in the data directory keeps a node that stopped for damage from starting again with it: what is damaged may be found only
//! when it is read.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::UNIX_EPOCH,
};

use anyhow::{Context, bail, ensure};
use storage::{Options, RocksStore};

/// The store, in the data directory.
const STORE: &str = "store";
/// The note, beside it.
const NOTE: &str = "DAMAGED";

/// `quorate set-aside`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The node's data directory
    #[arg(long, default_value = "data")]
    data_dir: PathBuf,
    /// Also when nothing is known to be wrong with the store
    #[arg(long)]
    anyway: bool,
}

/// Moves a damaged store aside, so that the node starts as one with an empty disk.
pub(crate) fn set_aside(args: &Args) -> anyhow::Result<ExitCode> {
    let kept = move_store(&args.data_dir, args.anyway)?;
    tracing::warn!(kept = %kept.display(), "the store was set aside, the node starts with an empty one");
    Ok(ExitCode::SUCCESS)
}

/// The folder of the store.
pub(crate) fn store(data_dir: &Path) -> PathBuf {
    data_dir.join(STORE)
}

/// Refuses a store that was found damaged before.
pub(crate) fn refuse_known(data_dir: &Path) -> anyhow::Result<()> {
    match fs::read_to_string(data_dir.join(NOTE)) {
        Ok(what) => bail!("{}; {}", what.trim_end(), advice(data_dir)),
        Err(_) => Ok(()),
    }
}

/// Notes what is wrong, and says what to do.
pub(crate) fn note(data_dir: &Path, error: &storage::Error) {
    let what =
        std::error::Error::source(error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    if let Err(failed) = fs::write(data_dir.join(NOTE), format!("{what}\n")) {
        tracing::error!(error = %failed, "the damage could not be noted");
    }
    tracing::error!(what, advice = advice(data_dir), "the store is damaged, this node must not serve with it");
}

/// What an operator does about it.
fn advice(data_dir: &Path) -> String {
    let data_dir = data_dir.display();
    format!("when the other nodes are well, run `quorate set-aside --data-dir {data_dir}` and start the node again")
}

fn move_store(data_dir: &Path, anyway: bool) -> anyhow::Result<PathBuf> {
    let (from, note) = (store(data_dir), data_dir.join(NOTE));
    ensure!(from.exists(), "there is no store in {}", data_dir.display());
    let mut options = Options::new(Arc::new(|_| {}));
    options.memory_bytes = Options::MEMORY_BYTES_MIN;
    match RocksStore::open(&from, options) {
        Err(error @ storage::Error::Locked { .. }) => return Err(error.into()),
        Err(_) => {}
        Ok(_) => ensure!(
            anyway || note.exists(),
            "the store in {} can be opened and nothing is known to be wrong with it; --anyway sets it aside all the same",
            data_dir.display()
        ),
    }
    let modified = fs::metadata(&from)?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let free = (0_u64..).map(|n| data_dir.join(format!("{STORE}.damaged-{}", modified.as_secs() + n)));
    let to = free.into_iter().find(|to| !to.exists()).context("no name is free")?;
    fs::rename(&from, &to).with_context(|| format!("cannot move {}", from.display()))?;
    if note.exists() {
        fs::remove_file(&note).with_context(|| format!("cannot remove {}", note.display()))?;
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        let mut options = Options::new(Arc::new(|_| {}));
        options.memory_bytes = Options::MEMORY_BYTES_MIN;
        options
    }

    #[test]
    fn a_store_that_was_found_damaged_is_refused_until_it_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        drop(RocksStore::open(store(folder.path()), options()).unwrap());
        refuse_known(folder.path()).unwrap();
        let error = storage::Error::Damaged { group: types::GroupId(3), what: "an entry is cut short" };
        note(folder.path(), &error);
        let refused = refuse_known(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("cut short") && refused.contains("quorate set-aside"), "{refused}");
        let kept = move_store(folder.path(), false).unwrap();
        assert!(kept.join("CURRENT").exists());
        refuse_known(folder.path()).unwrap();
        assert!(!store(folder.path()).exists());
    }

    #[test]
    fn a_store_that_is_well_or_in_use_stays_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let open = RocksStore::open(store(folder.path()), options()).unwrap();
        assert!(move_store(folder.path(), true).unwrap_err().to_string().contains("in use"));
        drop(open);
        assert!(move_store(folder.path(), false).is_err());
        assert!(store(folder.path()).exists());
        move_store(folder.path(), true).unwrap();
    }

    #[test]
    fn a_store_that_cannot_be_opened_can_be_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        drop(RocksStore::open(store(folder.path()), options()).unwrap());
        fs::write(store(folder.path()).join("CURRENT"), "nonsense\n").unwrap();
        move_store(folder.path(), false).unwrap();
        assert!(!store(folder.path()).exists());
    }
}
