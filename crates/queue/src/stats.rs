//! What a machine tells about itself: depths and counters of a queue, and which nodes it knows.

use std::ops::Bound;

use types::{ConsumerKey, NodeId, QueueId};

use crate::{ConsumerOptions, Machine, QueueConfig};

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
    /// Messages that may not be delivered yet.
    pub delayed: u64,
    /// Sum of their record sizes. Unit: bytes.
    pub delayed_bytes: u64,
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
    /// Messages dropped since there were too many.
    pub dropped: u64,
    /// Messages whose deliveries failed too often.
    pub given_up: u64,
    /// Messages that did not come in, since there were too many.
    pub rejected: u64,
    /// What died and goes to a dead letter exchange.
    pub dead_letters: DeadLetterStats,
}

/// A queue's dead letters. Counters start when the queue is created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterStats {
    /// Those that have not reached all queues that they go to.
    pub waiting: u64,
    /// Sum of their record sizes. Unit: bytes.
    pub waiting_bytes: u64,
    /// Ever made since a consumer refused the message.
    pub rejected: u64,
    /// Ever made since the message's time was over.
    pub expired: u64,
    /// Ever made since there were too many messages.
    pub max_length: u64,
    /// Ever made since too many deliveries failed.
    pub delivery_limit: u64,
    /// Those that have reached all queues that they go to, or go nowhere.
    pub settled: u64,
    /// Those that were purged, or dropped as the queue had no dead letter exchange any more.
    pub dropped: u64,
}

/// A consumer of a queue, or a session's `basic.get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerInfo {
    /// Whose it is.
    pub key: ConsumerKey,
    /// What it asked for.
    pub options: ConsumerOptions,
    /// Whether it was not cancelled. Always false for `basic.get`.
    pub attached: bool,
    /// Whether it is attached and, where the queue has a single active consumer, that one.
    pub active: bool,
    /// How many messages it holds.
    pub held: u64,
}

/// A node that has sessions or numbers chunks here: what a failure detector must name in
/// [`Command::NodeDown`](crate::Command::NodeDown) when the node is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodePresence {
    /// The node.
    pub node: NodeId,
    /// The incarnation whose chunks are accepted, when it sent any and was not declared over since.
    pub boot: Option<u64>,
    /// The least serial of its sessions that have consumers, hold messages or fetched some here, when there are any.
    pub session_serial_min: Option<u64>,
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
