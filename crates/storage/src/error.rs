//! What can go wrong in the store. Values are cheap to clone, as one failed sync answers many.

use std::{path::PathBuf, sync::Arc};

use types::GroupId;

/// A storage operation failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds the folder.
    #[error("data folder {} is in use by another process", .path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder was written by a version that this one does not know.
    #[error("data folder {} has storage format {found}, but this version reads format {known}", .path.display())]
    Format {
        /// The folder.
        path: PathBuf,
        /// What the folder says.
        found: String,
        /// What this version reads and writes.
        known: u32,
    },
    /// The folder does not hold what was written to it.
    #[error("the store in {} is damaged: {what}", .path.display())]
    StoreDamaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The disk or RocksDB reported an error. When it came from a write or a sync, the store has failed for good.
    #[error("{operation} failed")]
    Disk {
        /// What was tried.
        operation: &'static str,
        /// What was answered.
        source: Arc<DiskError>,
    },
    /// The store is closed, or one of its threads is gone.
    #[error("storage is closed")]
    Closed,
    /// A log entry that should be there is not.
    #[error("log entry {index} of group {group} is missing")]
    Missing {
        /// The group.
        group: GroupId,
        /// Index of the first entry that is missing.
        index: u64,
    },
    /// An append does not follow the last entry.
    #[error("append to group {group} at index {found}, expected {expected}")]
    OutOfOrder {
        /// The group.
        group: GroupId,
        /// The only index that could follow.
        expected: u64,
        /// The index of the record that was to be appended there.
        found: u64,
    },
    /// What was read does not have the layout it was written with, or contradicts itself.
    #[error("storage of group {group} is damaged: {what}")]
    Damaged {
        /// The group.
        group: GroupId,
        /// What is wrong.
        what: &'static str,
    },
}

/// The text of an error from the disk or from RocksDB.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DiskError(pub String);

impl Error {
    pub(crate) fn disk(operation: &'static str, cause: impl ToString) -> Self {
        Error::Disk { operation, source: Arc::new(DiskError(cause.to_string())) }
    }

    /// Whether the disk was full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Error::Disk { source, .. } => source.0.contains("No space left"),
            Error::Locked { .. }
            | Error::Format { .. }
            | Error::StoreDamaged { .. }
            | Error::Closed
            | Error::Missing { .. }
            | Error::OutOfOrder { .. }
            | Error::Damaged { .. } => false,
        }
    }

    /// Whether what was read is not what was written: this store must not be used any more.
    pub fn is_damage(&self) -> bool {
        match self {
            Error::StoreDamaged { .. } | Error::Damaged { .. } => true,
            Error::Disk { source, .. } => source.0.starts_with("Corruption"),
            // A range that is purged while it is read is missing, too; at start it is damage, which `recover` says.
            Error::Missing { .. }
            | Error::Locked { .. }
            | Error::Format { .. }
            | Error::Closed
            | Error::OutOfOrder { .. } => false,
        }
    }
}
