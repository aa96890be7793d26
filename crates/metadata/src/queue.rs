//! Queues as they were declared, and where they live.

use types::{FieldTable, GroupId, NodeId, QueueId, ShortStr, Timestamp};

/// A client's connection, unique over all nodes and restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// The node that owns it.
    pub node: NodeId,
    /// Grows within a node, also across its restarts.
    pub serial: u64,
}

/// One incarnation of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Home {
    /// The node.
    pub node: NodeId,
    /// Grows with each start of the node.
    pub boot: u64,
}

/// The declared type of a queue. It is remembered and reported; all queues work the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueType {
    /// `classic`
    Classic,
    /// `quorum`
    Quorum,
}

/// A queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Its id; another one when it is declared anew after a delete.
    pub id: QueueId,
    /// Its vhost.
    pub vhost: ShortStr,
    /// Its name.
    pub name: ShortStr,
    /// As declared, but never together with `owner`.
    pub durable: bool,
    /// It goes with its last consumer.
    pub auto_delete: bool,
    /// The connection that it is exclusive to.
    pub owner: Option<ConnectionId>,
    /// As declared, with the vhost's default `x-queue-type` where it applied.
    pub arguments: FieldTable,
    /// The declared type.
    pub declared_type: QueueType,
    /// Where its messages are: a replicated group, or the memory of a node.
    pub group: GroupId,
    /// Who declared it. When `group` is local, the queue ends with this incarnation.
    pub home: Home,
    /// When it was declared.
    pub created_at: Timestamp,
    /// It keeps the messages of the `x-recent-history` exchange whose name it has: no client can name it.
    pub is_history: bool,
}

impl QueueType {
    /// The type of that name in `x-queue-type`. RabbitMQ also takes the names of its modules.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"classic" | b"rabbit_classic_queue" => Some(QueueType::Classic),
            b"quorum" | b"rabbit_quorum_queue" => Some(QueueType::Quorum),
            _ => None,
        }
    }

    /// Its name in `x-queue-type`.
    pub fn as_str(self) -> &'static str {
        match self {
            QueueType::Classic => "classic",
            QueueType::Quorum => "quorum",
        }
    }
}

impl Queue {
    /// Whether its messages are in the memory of one node.
    pub fn is_local(&self) -> bool {
        self.group.local_node().is_some()
    }

    /// Whether a connection other than its owner's is asking for an exclusive queue.
    pub fn is_locked_for(&self, connection: ConnectionId) -> bool {
        self.owner.is_some_and(|owner| owner != connection)
    }
}
