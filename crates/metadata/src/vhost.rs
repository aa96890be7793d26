//! A virtual host: a namespace of exchanges, queues and bindings.

use types::{ShortStr, Timestamp};

use crate::QueueType;

/// A virtual host, without what lives in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vhost {
    /// Its name; `/` is the one that [`Bootstrap`](crate::Bootstrap) makes.
    pub name: ShortStr,
    /// Free text for operators.
    pub description: String,
    /// The type of durable, non-exclusive, non-auto-delete queues that are declared without `x-queue-type`.
    pub default_queue_type: Option<QueueType>,
    /// When it was created.
    pub created_at: Timestamp,
}
