//! What a command changed, as data, for routing tables, caches and sessions. Every replica computes the same events.
//!
//! Events come in an order in which they can be followed blindly: what is bound was declared before, and what is deleted was
//! unbound before.

use types::{FieldTable, GroupId, QueueId, ShortStr};

use crate::{Binding, ExchangeKind};

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A vhost came (empty: its exchanges follow).
    VhostCreated {
        /// Its name.
        vhost: ShortStr,
    },
    /// A vhost's description, tags, default queue type, tracing, protection or limits changed.
    VhostChanged {
        /// Its name.
        vhost: ShortStr,
    },
    /// A vhost is gone (its queues, exchanges and permissions went before).
    VhostDeleted {
        /// Its name.
        vhost: ShortStr,
    },
    /// A user came, or has another password, other tags or other limits.
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
        /// Where messages go that it routes nowhere, by argument or policy.
        alternate: Option<ShortStr>,
        /// Clients may not publish to it.
        internal: bool,
        /// As declared: what some types route by.
        arguments: FieldTable,
        /// The queue in which it keeps its last messages, and where that is.
        history: Option<(QueueId, GroupId)>,
    },
    /// A policy gave an exchange another alternate, or took it.
    ExchangeChanged {
        /// Its vhost.
        vhost: ShortStr,
        /// Its name.
        name: ShortStr,
        /// Where messages go now that it routes nowhere.
        alternate: Option<ShortStr>,
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
    /// A policy changed what is in force for a queue: see [`Machine::effective_queue`](crate::Machine::effective_queue).
    QueueSettingsChanged {
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
    /// A user's permissions on the routing keys of topic exchanges of a vhost came, changed or went.
    TopicPermissionsChanged {
        /// The user.
        user: ShortStr,
        /// The vhost.
        vhost: ShortStr,
    },
    /// A policy came, changed or went. (What thereby changed for exchanges and queues follows.)
    PolicyChanged {
        /// Its vhost.
        vhost: ShortStr,
        /// Its name.
        name: ShortStr,
        /// An operator policy.
        operator: bool,
    },
    /// A runtime parameter came, changed or went.
    ParameterChanged {
        /// Its vhost.
        vhost: ShortStr,
        /// Whose parameter it is.
        component: ShortStr,
        /// Its name.
        name: ShortStr,
    },
    /// Members came, changed or went, or groups are to be elsewhere.
    ClusterChanged,
    /// A global parameter came, changed or went.
    GlobalParameterChanged {
        /// Its name.
        name: ShortStr,
    },
}
