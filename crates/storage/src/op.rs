//! The operations that change a store, in their one order.

use bytes::Bytes;
use types::GroupId;

use crate::{
    Checkpoint, Completion, InstalledSnapshot, LogRecord,
    done::Done,
    keys::{self, Tag},
};

/// What of a checkpoint counts in the queue, at most: it is written in parts of about this size.
const CHECKPOINT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What an operation, and each record in it, counts for in the queue beside its payload.
const OVERHEAD_BYTES: usize = 64;

/// An operation with what it counts for in the queue.
pub(crate) struct Queued {
    pub(crate) op: Op,
    pub(crate) bytes: usize,
}

/// One change of the store.
pub(crate) enum Op {
    Append {
        group: GroupId,
        records: Vec<LogRecord>,
        done: Completion,
    },
    Value {
        group: GroupId,
        tag: Tag,
        value: Bytes,
        done: Option<Completion>,
    },
    Truncate {
        group: GroupId,
        last_kept: Option<u64>,
        done: Completion,
    },
    Purge {
        group: GroupId,
        up_to: u64,
        last_purged: Bytes,
    },
    DeleteBlobs {
        group: GroupId,
        indexes: Vec<u64>,
    },
    PutBlobs {
        group: GroupId,
        blobs: Vec<(u64, Bytes)>,
    },
    /// Drops blobs above the log's end.
    DropOrphans {
        group: GroupId,
    },
    Install(Box<InstallOp>),
    /// Everything of the group goes.
    Forget {
        group: GroupId,
        done: Completion,
    },
    Barrier {
        done: Completion,
    },
    NodeValue {
        key: Vec<u8>,
        value: Bytes,
        done: Completion,
    },
}

/// A new checkpoint, written by this node or taken over as a snapshot.
pub(crate) struct InstallOp {
    pub(crate) group: GroupId,
    pub(crate) checkpoint: Checkpoint,
    /// What else a snapshot replaces.
    pub(crate) snapshot: Option<SnapshotOp>,
    pub(crate) done: Completion,
}

/// The part of an installed snapshot that concerns the log.
pub(crate) struct SnapshotOp {
    pub(crate) up_to: u64,
    pub(crate) last_purged: Bytes,
    pub(crate) live: Vec<u64>,
}

impl InstallOp {
    pub(crate) fn from_snapshot(group: GroupId, snapshot: InstalledSnapshot, done: Completion) -> Self {
        let InstalledSnapshot { up_to, last_purged, checkpoint, live } = snapshot;
        InstallOp { group, checkpoint, snapshot: Some(SnapshotOp { up_to, last_purged, live }), done }
    }

    /// Payload of the checkpoint.
    pub(crate) fn bytes(&self) -> usize {
        self.checkpoint.meta.len() + self.checkpoint.segments.iter().map(|(_, segment)| segment.len()).sum::<usize>()
    }
}

impl Op {
    /// What it counts for in the queue.
    pub(crate) fn queued_bytes(&self) -> usize {
        let payload = match self {
            Op::Append { records, .. } => records.iter().map(|r| r.head.len() + r.blob.len() + OVERHEAD_BYTES).sum(),
            Op::DeleteBlobs { indexes, .. } => indexes.len() * keys::ENTRY_KEY_BYTES,
            Op::PutBlobs { blobs, .. } => blobs.iter().map(|(_, blob)| blob.len() + OVERHEAD_BYTES).sum(),
            // A large checkpoint does not fill the queue: it is written in parts and does not hold back others.
            Op::Install(install) => install.bytes().min(CHECKPOINT_BYTES_MAX),
            Op::Value { value, .. } | Op::NodeValue { value, .. } => value.len(),
            Op::Truncate { .. }
            | Op::Purge { .. }
            | Op::DropOrphans { .. }
            | Op::Forget { .. }
            | Op::Barrier { .. } => 0,
        };
        payload + OVERHEAD_BYTES
    }

    /// The group that it changes.
    pub(crate) fn group(&self) -> Option<GroupId> {
        match self {
            Op::Append { group, .. }
            | Op::Value { group, .. }
            | Op::Truncate { group, .. }
            | Op::Purge { group, .. }
            | Op::DeleteBlobs { group, .. }
            | Op::PutBlobs { group, .. }
            | Op::DropOrphans { group }
            | Op::Forget { group, .. } => Some(*group),
            Op::Install(install) => Some(install.group),
            Op::Barrier { .. } | Op::NodeValue { .. } => None,
        }
    }

    /// Whether somebody waits for it.
    pub(crate) fn waits(&self) -> bool {
        match self {
            Op::Append { .. }
            | Op::Truncate { .. }
            | Op::Install(_)
            | Op::Forget { .. }
            | Op::Barrier { .. }
            | Op::NodeValue { .. } => true,
            Op::Value { done, .. } => done.is_some(),
            Op::Purge { .. } | Op::DeleteBlobs { .. } | Op::PutBlobs { .. } | Op::DropOrphans { .. } => false,
        }
    }

    /// Who waits for it, when it is not to be carried out.
    pub(crate) fn into_done(self) -> Option<Done> {
        match self {
            Op::Append { group, done, .. } => Some(Done::Append(group, done)),
            Op::Truncate { done, .. } | Op::Forget { done, .. } | Op::Barrier { done } | Op::NodeValue { done, .. } => {
                Some(Done::Each(done))
            }
            Op::Install(install) => Some(Done::Each(install.done)),
            Op::Value { done, .. } => done.map(Done::Each),
            Op::Purge { .. } | Op::DeleteBlobs { .. } | Op::PutBlobs { .. } | Op::DropOrphans { .. } => None,
        }
    }
}
