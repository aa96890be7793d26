//! The machine: the state and the one place that dispatches commands.

use std::collections::{BTreeMap, BTreeSet};

use types::{FieldTable, GroupId, QueueId, ShortStr, Timestamp};

use crate::{
    AppliedPolicies, Cluster, Command, ConnectionId, Event, Exchange, Home, Permissions, Queue, Refusal, Reply,
    TopicPermissions, User, Vhost,
    binding::{BindingKey, ReverseKey},
    commands,
    policy::Policies,
};

mod check;
mod digest;
mod limits;
mod parameters;
mod policies;
mod read;
mod restore;
mod topic_permissions;
mod write;

pub use check::InvariantBroken;
pub use parameters::ParameterRef;
pub use read::Counts;
pub use restore::{Record, RestoreError};
pub use topic_permissions::TopicPermissionsRef;

/// All metadata of a cluster.
///
/// Readers borrow from it; it changes by [`Machine::apply`] alone. A clone is a snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    bootstrapped: bool,
    last_queue_id: u64,
    pub(crate) cluster: Cluster,
    vhosts: BTreeMap<ShortStr, Room>,
    users: BTreeMap<ShortStr, User>,
    /// user -> vhost -> permissions
    permissions: BTreeMap<ShortStr, BTreeMap<ShortStr, Permissions>>,
    /// JSON, by name.
    global_parameters: BTreeMap<ShortStr, Box<str>>,
    queues: BTreeMap<QueueId, Queue>,
    /// Index of `queues`.
    by_group: BTreeMap<GroupId, BTreeSet<QueueId>>,
    /// How many of `queues` live in the memory of each incarnation of a node.
    local_homes: BTreeMap<Home, usize>,
    /// Index of the exclusive ones of `queues`.
    by_owner: BTreeSet<(ConnectionId, QueueId)>,
}

/// A vhost and what lives in it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Room {
    vhost: Vhost,
    exchanges: BTreeMap<ShortStr, Exchange>,
    queues: BTreeMap<ShortStr, QueueId>,
    bindings: BTreeMap<BindingKey, FieldTable>,
    /// Index of `bindings`.
    reverse: BTreeSet<ReverseKey>,
    /// user -> exchange -> permissions
    topic_permissions: BTreeMap<ShortStr, BTreeMap<ShortStr, TopicPermissions>>,
    /// component -> name -> JSON
    parameters: BTreeMap<ShortStr, BTreeMap<ShortStr, Box<str>>>,
    policies: Policies,
    /// What of `policies` applies to the exchanges that any applies to.
    exchange_policies: BTreeMap<ShortStr, AppliedPolicies>,
    /// What of `policies` applies to the queues that any applies to.
    queue_policies: BTreeMap<QueueId, AppliedPolicies>,
}

impl Machine {
    /// A machine that knows nothing.
    pub fn new() -> Self {
        Machine::default()
    }

    /// Applies a command: the answer to who proposed it, and what changed, in order.
    ///
    /// A refused command changes nothing and has no events. `now` is the leader's time, the same on every replica.
    pub fn apply(&mut self, command: &Command, now: Timestamp) -> (Reply, Vec<Event>) {
        let mut events = Vec::new();
        let reply = match command {
            Command::Bootstrap(c) => Ok(commands::bootstrap::apply(self, c, now, &mut events)),
            Command::PutVhost(c) => commands::put_vhost::apply(self, c, now, &mut events),
            Command::DeleteVhost { vhost } => commands::delete_vhost::apply(self, vhost, &mut events),
            Command::PutUser(c) => Ok(commands::put_user::apply(self, c, &mut events)),
            Command::DeleteUser { user } => Ok(commands::delete_user::apply(self, user, &mut events)),
            Command::SetPassword(c) => commands::set_password::apply(self, c, &mut events),
            Command::SetTags(c) => commands::set_tags::apply(self, c, &mut events),
            Command::SetPermissions(c) => commands::set_permissions::apply(self, c, &mut events),
            Command::ClearPermissions(c) => commands::clear_permissions::apply(self, c, &mut events),
            Command::DeclareExchange(c) => commands::declare_exchange::apply(self, c, &mut events),
            Command::DeleteExchange(c) => commands::delete_exchange::apply(self, c, &mut events),
            Command::DeclareQueue(c) => commands::declare_queue::apply(self, c, now, &mut events),
            Command::DeleteQueue { queue } => Ok(commands::delete_queue::apply(self, *queue, &mut events)),
            Command::DeleteExclusive { connection } => {
                Ok(commands::delete_exclusive::apply(self, *connection, &mut events))
            }
            Command::Bind(c) => commands::bind::apply(self, c, &mut events),
            Command::Unbind(c) => commands::unbind::apply(self, c, &mut events),
            Command::NodeGone(c) => Ok(commands::node_gone::apply(self, c, now, &mut events)),
            Command::PutPolicy(c) => commands::put_policy::apply(self, c, &mut events),
            Command::DeletePolicy(c) => commands::delete_policy::apply(self, c, &mut events),
            Command::SetVhostLimit(c) => commands::set_vhost_limit::apply(self, c, &mut events),
            Command::SetUserLimit(c) => commands::set_user_limit::apply(self, c, &mut events),
            Command::SetTopicPermissions(c) => commands::set_topic_permissions::apply(self, c, &mut events),
            Command::ClearTopicPermissions(c) => commands::clear_topic_permissions::apply(self, c, &mut events),
            Command::PutParameter(c) => commands::put_parameter::apply(self, c, &mut events),
            Command::DeleteParameter(c) => commands::delete_parameter::apply(self, c, &mut events),
            Command::PutGlobalParameter(c) => commands::put_global_parameter::apply(self, c, &mut events),
            Command::DeleteGlobalParameter { name } => {
                Ok(commands::delete_global_parameter::apply(self, name, &mut events))
            }
            Command::Cluster(c) => commands::cluster::apply(self, c, now, &mut events),
        };
        (reply.unwrap_or_else(Reply::Refused), events)
    }

    /// The answer that the command would get if it would change nothing and not be refused, so that clients that declare what
    /// is there already cost no log entry.
    ///
    /// Only declares, binds and deletions of queues are looked at; `None` means: propose it (also when it would be refused now).
    pub fn answer_if_unchanged(&self, command: &Command) -> Option<Reply> {
        match command {
            Command::DeclareExchange(c) => commands::declare_exchange::known(self, c),
            Command::DeclareQueue(c) => commands::declare_queue::known(self, c),
            Command::Bind(c) => commands::bind::known(self, c),
            Command::DeleteQueue { queue } if self.queue_by_id(*queue).is_none() => {
                Some(Reply::Deleted { existed: false, queues: Vec::new() })
            }
            Command::Bootstrap(_)
            | Command::PutVhost(_)
            | Command::DeleteVhost { .. }
            | Command::PutUser(_)
            | Command::DeleteUser { .. }
            | Command::SetPassword(_)
            | Command::SetTags(_)
            | Command::SetPermissions(_)
            | Command::ClearPermissions(_)
            | Command::DeleteExchange(_)
            | Command::DeleteQueue { .. }
            | Command::DeleteExclusive { .. }
            | Command::Unbind(_)
            | Command::NodeGone(_)
            | Command::PutPolicy(_)
            | Command::DeletePolicy(_)
            | Command::SetVhostLimit(_)
            | Command::SetUserLimit(_)
            | Command::SetTopicPermissions(_)
            | Command::ClearTopicPermissions(_)
            | Command::PutParameter(_)
            | Command::DeleteParameter(_)
            | Command::PutGlobalParameter(_)
            | Command::DeleteGlobalParameter { .. }
            | Command::Cluster(_) => None,
        }
    }

    /// The refusal that the command would get now, for those who need not wait for a majority to learn of a mistake. Whether the
    /// pattern of a policy is one is asked here alone, so it must be asked before a policy is proposed.
    ///
    /// Only declares, binds, unbinds and policies are looked at; `None` means: propose it.
    pub fn refusal_now(&self, command: &Command) -> Option<Refusal> {
        match command {
            Command::DeclareExchange(c) => commands::declare_exchange::check(self, c).err(),
            Command::DeclareQueue(c) => commands::declare_queue::check(self, c).err(),
            Command::Bind(c) => commands::bind::check(self, c).err(),
            Command::Unbind(c) => commands::unbind::check(self, c).err(),
            Command::PutPolicy(c) => commands::put_policy::check(self, c).err(),
            Command::Bootstrap(_)
            | Command::PutVhost(_)
            | Command::DeleteVhost { .. }
            | Command::PutUser(_)
            | Command::DeleteUser { .. }
            | Command::SetPassword(_)
            | Command::SetTags(_)
            | Command::SetPermissions(_)
            | Command::ClearPermissions(_)
            | Command::DeleteExchange(_)
            | Command::DeleteQueue { .. }
            | Command::DeleteExclusive { .. }
            | Command::NodeGone(_)
            | Command::DeletePolicy(_)
            | Command::SetVhostLimit(_)
            | Command::SetUserLimit(_)
            | Command::SetTopicPermissions(_)
            | Command::ClearTopicPermissions(_)
            | Command::PutParameter(_)
            | Command::DeleteParameter(_)
            | Command::PutGlobalParameter(_)
            | Command::DeleteGlobalParameter { .. }
            | Command::Cluster(_) => None,
        }
    }
}
