//! What a group replicates: a machine that applies batches. The queue machine of a shard and the metadata machine both are.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use types::NodeId;

use crate::raft_types::Batch;

/// Where an entry stands in the log, and whether this node's leadership proposed it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryAt {
    /// Log index.
    pub index: u64,
    /// Whether this node leads in the entry's term and had applied everything before that term: then, and only then, its
    /// effects are acted on.
    pub leading: bool,
}

/// A deterministic machine with the shell that acts on its effects.
pub(crate) trait Machine: Send + 'static {
    /// Applies one batch.
    fn apply(&mut self, at: EntryAt, batch: &Batch);

    /// This node leads from here on: everything of earlier terms is applied.
    fn lead(&mut self, term: u64);

    /// Another node's entry was applied: this node leads no more.
    fn follow(&mut self);

    /// The whole state, in pieces with unique keys.
    fn snapshot(&self) -> Vec<(u64, Bytes)>;

    /// Replaces the state.
    ///
    /// # Errors
    /// When the pieces are not a snapshot of this machine.
    fn restore(&mut self, segments: Vec<(u64, Bytes)>) -> Result<(), proto::DecodeError>;

    /// One number for the whole state, to compare replicas by.
    fn digest(&self) -> u64;

    /// Log entries whose blob is still needed, ascending.
    fn live(&self) -> Vec<u64>;

    /// What to wait for, then ask again, when not all effects were acted on. A checkpoint is taken only when they were.
    fn unsettled(&self) -> Option<Arc<Notify>> {
        None
    }

    /// What to wait for, then ask again, when so many effects wait that apply holds back.
    fn congested(&self) -> Option<Arc<Notify>> {
        None
    }
}

/// The node that proposed an entry.
pub(crate) fn leader_of(log_id: &crate::raft_types::LogId) -> NodeId {
    NodeId(log_id.leader_id.node_id)
}
