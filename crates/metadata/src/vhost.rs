//! A virtual host: a namespace of exchanges, queues and bindings.

use types::{ShortStr, Timestamp};

use crate::{QueueType, VhostLimits};

/// A virtual host, without what lives in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vhost {
    /// Its name; `/` is the one that [`Bootstrap`](crate::Bootstrap) makes.
    pub name: ShortStr,
    /// Free text for operators.
    pub description: String,
    /// Free words for operators.
    pub tags: Vec<ShortStr>,
    /// The type of durable, non-exclusive, non-auto-delete queues that are declared without `x-queue-type`.
    pub default_queue_type: Option<QueueType>,
    /// Messages are copied to `amq.rabbitmq.trace`.
    pub tracing: bool,
    /// It cannot be deleted.
    pub protected: bool,
    /// Its limits.
    pub limits: VhostLimits,
    /// When it was created.
    pub created_at: Timestamp,
}
