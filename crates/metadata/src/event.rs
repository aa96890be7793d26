//! What a command changed, as data, for routing tables, caches and sessions. Every replica computes the same events.
//!
//! Events come in an order in which they can be followed blindly: what is bound was declared before, and what is deleted was
//! unbound before.

use types::{GroupId, QueueId, ShortStr};

use crate::{Binding, ExchangeKind};

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A vhost came (empty: its exchanges follow).
    VhostCreated {
        /// Its name.
        vhost: ShortStr,
    },
    /// A vhost's description or default queue type changed.
    VhostChanged {
        /// Its name.
        vhost: ShortStr,
    },
    /// A vhost is gone (its queues, exchanges and permissions went before).
    VhostDeleted {
        /// Its name.
        vhost: ShortStr,
    },
    /// A user came, or has another password or other tags.
    UserChanged {
        /// Its name.
        user: ShortStr,
    },
    /// A user is gone (its permissions went before).
    UserDeleted {
        /// Its name.
        user: ShortStr,
    },
    /// A user's permissions in a vhost came, changed or went.
    PermissionsChanged {
        /// The user.
        user: ShortStr,
        /// The vhost.
        vhost: ShortStr,
    },
    /// An exchange came.
    ExchangeDeclared {
        /// Its vhost.
        vhost: ShortStr,
        /// Its name.
        name: ShortStr,
        /// Its type.
        kind: ExchangeKind,
        /// Where messages go that it routes nowhere.
        alternate: Option<ShortStr>,
        /// Clients may not publish to it.
        internal: bool,
    },
    /// An exchange is gone.
    ExchangeDeleted {
        /// Its vhost.
        vhost: ShortStr,
        /// Its name.
        name: ShortStr,
    },
    /// A queue came.
    QueueDeclared {
        /// Its vhost.
        vhost: ShortStr,
        /// Its name.
        name: ShortStr,
        /// Its id.
        queue: QueueId,
        /// Where its messages are.
        group: GroupId,
    },
    /// A queue is gone.
    QueueDeleted {
        /// Its vhost.
        vhost: ShortStr,
        /// Its name.
        name: ShortStr,
        /// Its id.
        queue: QueueId,
        /// Where its messages were.
        group: GroupId,
    },
    /// A binding came.
    Bound(Binding),
    /// A binding is gone.
    Unbound(Binding),
}
