//! Answers to commands. Refusals are answers too: replicas must agree on them.

use types::{GroupId, NodeId, QueueId};

use crate::Refusal;

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The state is as the command asks.
    Done(Change),
    /// The answer to `DeclareQueue`.
    Queue {
        /// The queue that is there now.
        queue: QueueId,
        /// Where its messages are.
        group: GroupId,
        /// Whether this command made it.
        created: bool,
    },
    /// The answer to commands that may delete queues.
    Deleted {
        /// Whether what the command named was there.
        existed: bool,
        /// The queues that went, and where their messages were.
        queues: Vec<(QueueId, GroupId)>,
    },
    /// A node is a member.
    Admitted {
        /// Its id.
        node: NodeId,
    },
    /// The command was refused and changed nothing.
    Refused(Refusal),
}

/// What became of the thing that a command names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It came into being.
    Created,
    /// It was there and is different now.
    Updated,
    /// It is gone.
    Deleted,
    /// It was so already.
    Unchanged,
}
