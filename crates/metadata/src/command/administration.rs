//! Commands of operators: policies, limits, topic permissions, parameters.

use types::{FieldTable, ShortStr};

use crate::{TopicPermissions, UserLimit, VhostLimit};

/// See [`Command::PutPolicy`](crate::Command::PutPolicy).
#[derive(Clone, Debug, PartialEq)]
pub struct PutPolicy {
    /// Its vhost.
    pub vhost: ShortStr,
    /// Its name.
    pub name: ShortStr,
    /// A regular expression that the names of exchanges and queues are matched with.
    pub pattern: String,
    /// The policy with the highest priority applies.
    pub priority: i64,
    /// As given: `all`, `exchanges`, `queues`, `classic_queues`, `quorum_queues` or `streams`; empty is `all`.
    pub apply_to: ShortStr,
    /// Its settings, by key; their order does not matter.
    pub definition: FieldTable,
    /// An operator policy.
    pub operator: bool,
}

/// See [`Command::DeletePolicy`](crate::Command::DeletePolicy).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletePolicy {
    /// Its vhost.
    pub vhost: ShortStr,
    /// Its name.
    pub name: ShortStr,
    /// An operator policy.
    pub operator: bool,
}

/// See [`Command::SetVhostLimit`](crate::Command::SetVhostLimit).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetVhostLimit {
    /// The vhost.
    pub vhost: ShortStr,
    /// Which limit.
    pub limit: VhostLimit,
    /// Below zero is no limit, but kept as set; `None` clears it.
    pub value: Option<i64>,
}

/// See [`Command::SetUserLimit`](crate::Command::SetUserLimit).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUserLimit {
    /// The user.
    pub user: ShortStr,
    /// Which limit.
    pub limit: UserLimit,
    /// Below zero is no limit, but kept as set; `None` clears it.
    pub value: Option<i64>,
}

/// See [`Command::SetTopicPermissions`](crate::Command::SetTopicPermissions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetTopicPermissions {
    /// The user.
    pub user: ShortStr,
    /// The vhost.
    pub vhost: ShortStr,
    /// The topic exchange, which need not be there.
    pub exchange: ShortStr,
    /// The patterns. That they are regular expressions is checked before proposing; the machine does not read them.
    pub permissions: TopicPermissions,
}

/// See [`Command::ClearTopicPermissions`](crate::Command::ClearTopicPermissions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearTopicPermissions {
    /// The user.
    pub user: ShortStr,
    /// The vhost.
    pub vhost: ShortStr,
    /// The exchange; `None`: all exchanges.
    pub exchange: Option<ShortStr>,
}

/// See [`Command::PutParameter`](crate::Command::PutParameter).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutParameter {
    /// The vhost.
    pub vhost: ShortStr,
    /// Whose parameter it is (`shovel`, `federation-upstream`, ...).
    pub component: ShortStr,
    /// Its name.
    pub name: ShortStr,
    /// JSON. That it is, is checked before proposing; the machine does not read it.
    pub value: String,
}

/// See [`Command::DeleteParameter`](crate::Command::DeleteParameter).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteParameter {
    /// The vhost.
    pub vhost: ShortStr,
    /// Whose parameter it is.
    pub component: ShortStr,
    /// Its name.
    pub name: ShortStr,
}

/// See [`Command::PutGlobalParameter`](crate::Command::PutGlobalParameter).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutGlobalParameter {
    /// Its name.
    pub name: ShortStr,
    /// JSON. That it is, is checked before proposing.
    pub value: String,
}
