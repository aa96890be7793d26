//! What a machine tells about itself: depths and counters of a queue, and which nodes it knows.

use std::ops::Bound;

use types::{NodeId, QueueId};

use crate::{Machine, QueueConfig};

/// A queue's depth and counters. Counters start when the queue is created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Sum of their record sizes. Unit: bytes.
    pub ready_bytes: u64,
    /// Messages held by consumers.
    pub unacked: u64,
    /// Sum of their record sizes. Unit: bytes.
    pub unacked_bytes: u64,
    /// Attached consumers.
    pub consumers: u32,
    /// Messages that ever came in.
    pub enqueued: u64,
    /// Deliveries ever made, `basic.get` included.
    pub delivered: u64,
    /// Messages ever settled, those settled as they were delivered included.
    pub settled: u64,
    /// Times that a message was returned.
    pub returned: u64,
    /// Messages ever discarded.
    pub discarded: u64,
    /// Messages ever purged.
    pub purged: u64,
    /// Messages whose time was over.
    pub expired: u64,
}

/// A node that has sessions or numbers chunks here: what a failure detector must name in
/// [`Command::NodeDown`](crate::Command::NodeDown) when the node is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodePresence {
    /// The node.
    pub node: NodeId,
    /// The incarnation whose chunks are accepted, when it sent any and was not declared over since.
    pub boot: Option<u64>,
    /// The greatest serial of its sessions that have consumers, hold messages or fetched some here, when there are any.
    pub session_serial_max: Option<u64>,
}

impl Machine {
    /// The settings that are in force for a queue, `None` when it is not here.
    pub fn config(&self, queue: QueueId) -> Option<&QueueConfig> {
        self.queues.get(&queue).map(|state| &*state.config)
    }

    /// The queues above one, ascending; `None`: from the first.
    pub fn queues_after(&self, queue: Option<QueueId>) -> impl Iterator<Item = QueueId> + '_ {
        let from = queue.map_or(Bound::Unbounded, Bound::Excluded);
        self.queues.range((from, Bound::Unbounded)).map(|(id, _)| *id)
    }
}
