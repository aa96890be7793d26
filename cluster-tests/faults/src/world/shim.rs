//! What stands between a node and its kernel (`cluster-tests/shim`): its wall clock can be wrong, and its syncs slow or failing.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

/// Names the file with the orders to the node.
pub(super) const VARIABLE: &str = "QUORATE_FAULTS_SHIM";
/// The file is mapped, and maps are pages. Unit: bytes.
const FILE_BYTES: u64 = 4096;

/// Where each order is in the file. Unit: bytes.
const CLOCK_OFFSET: u64 = 0;
const SYNC_DELAY: u64 = 8;
const SYNC_ERRORS: u64 = 16;
const SYNCS: u64 = 24;

/// The orders for one node. They hold over restarts.
#[derive(Debug)]
pub struct Shim {
    /// Loaded before the node's own code.
    pub(super) library: PathBuf,
    pub(super) orders: PathBuf,
    file: File,
}

impl Shim {
    /// Without any order, in a file of the folder.
    pub(super) fn create(library: &Path, folder: &Path) -> Result<Self> {
        let orders = folder.join("orders");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&orders)?;
        file.set_len(FILE_BYTES).with_context(|| format!("cannot write to {}", orders.display()))?;
        Ok(Shim { library: library.to_owned(), orders, file })
    }

    fn give(&self, order: u64, bytes: [u8; 8]) -> Result<()> {
        self.file.write_all_at(&bytes, order).context("cannot give an order to a node's kernel")
    }

    fn read(&self, order: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, order)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// The wall clock is so far from where it should be. Unit: milliseconds.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_clock(&self, offset_ms: i64) -> Result<()> {
        self.give(CLOCK_OFFSET, (offset_ms * 1_000_000).to_ne_bytes())
    }

    /// Each sync takes so much longer.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn slow_syncs(&self, delay: Duration) -> Result<()> {
        self.give(SYNC_DELAY, u64::try_from(delay.as_micros())?.to_ne_bytes())
    }

    /// The next syncs fail, so many of them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn fail_syncs(&self, count: u64) -> Result<()> {
        self.give(SYNC_ERRORS, count.to_ne_bytes())
    }

    /// Syncs so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn syncs(&self) -> Result<u64> {
        self.read(SYNCS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_written_where_they_are_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let shim = Shim::create(Path::new("libshim.so"), folder.path()).unwrap();
        shim.set_clock(-1500).unwrap();
        shim.slow_syncs(Duration::from_millis(20)).unwrap();
        shim.fail_syncs(1).unwrap();
        let bytes = std::fs::read(folder.path().join("orders")).unwrap();
        let numbers: Vec<i64> = bytes[..32].chunks(8).map(|n| i64::from_ne_bytes(n.try_into().unwrap())).collect();
        assert_eq!(numbers, [-1_500_000_000, 20_000, 1, 0]);
        assert_eq!((bytes.len(), shim.syncs().unwrap()), (4096, 0));
    }
}
