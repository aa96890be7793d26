//! The commands of the metadata machine: everything that may change metadata.
//!
//! Whether the asking user may do it is checked before a command is proposed. Names have no CR or LF any more.

use types::{FieldTable, GroupId, QueueId, ShortStr};

use crate::{ClusterCommand, ConnectionId, Home, PasswordHash, Permissions, QueueType, VhostLimits};

mod administration;

pub use administration::{
    ClearTopicPermissions, DeleteParameter, DeletePolicy, PutGlobalParameter, PutParameter, PutPolicy,
    SetTopicPermissions, SetUserLimit, SetVhostLimit,
};

/// One command.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A new cluster gets its first vhost, its predeclared exchanges and its first user. What is there already stays as it is,
    /// and nothing happens when the machine was bootstrapped before. Reply: [`Reply::Done`](crate::Reply::Done).
    Bootstrap(Bootstrap),
    /// A vhost comes, with its predeclared exchanges, or changes. Reply: `Done`, or a refusal `LimitReached`.
    PutVhost(PutVhost),
    /// A vhost goes, with everything in it. Reply: `Deleted`, or a refusal `VhostProtected`.
    DeleteVhost {
        /// Its name.
        vhost: ShortStr,
    },
    /// A user comes, or changes wholly. Reply: `Done`.
    PutUser(PutUser),
    /// A user and its permissions go. Reply: `Done`.
    DeleteUser {
        /// Its name.
        user: ShortStr,
    },
    /// A user gets another password. Reply: `Done`, or a refusal `NoSuchUser`.
    SetPassword(SetPassword),
    /// A user gets other tags. Reply: `Done`, or a refusal `NoSuchUser`.
    SetTags(SetTags),
    /// A user's permissions in a vhost are replaced. Reply: `Done`, or a refusal `NoSuchUser`, `NoSuchVhost`.
    SetPermissions(SetPermissions),
    /// A user loses access to a vhost. Reply: `Done`, or a refusal `NoSuchUser`, `NoSuchVhost`.
    ClearPermissions(ClearPermissions),
    /// An exchange comes; one that is there must be equivalent. Reply: `Done`.
    DeclareExchange(DeclareExchange),
    /// An exchange and its bindings go. Reply: `Done`.
    DeleteExchange(DeleteExchange),
    /// A queue comes; one that is there must be equivalent. Reply: `Queue`.
    DeclareQueue(DeclareQueue),
    /// A queue and its bindings go. Reply: `Deleted`.
    DeleteQueue {
        /// The life that is meant; one that is over changes nothing.
        queue: QueueId,
    },
    /// A connection is over: the queues that were exclusive to it go. Reply: `Deleted`.
    DeleteExclusive {
        /// The connection.
        connection: ConnectionId,
    },
    /// A binding comes. Reply: `Done`.
    Bind(Bind),
    /// A binding goes. Reply: `Done`.
    Unbind(Unbind),
    /// Incarnations of a node are over: what lived in its memory goes. Reply: `Deleted`.
    NodeGone(NodeGone),
    /// A policy or operator policy comes or changes. Reply: `Done`, or a refusal `NoSuchVhost`, `ValidationFailed`.
    PutPolicy(PutPolicy),
    /// A policy or operator policy goes. Reply: `Done`, or a refusal `NoSuchVhost`.
    DeletePolicy(DeletePolicy),
    /// A limit of a vhost comes, changes or goes. Reply: `Done`, or a refusal `NoSuchVhost`.
    SetVhostLimit(SetVhostLimit),
    /// A limit of a user comes, changes or goes. Reply: `Done`, or a refusal `NoSuchUser`.
    SetUserLimit(SetUserLimit),
    /// A user's permissions on the routing keys of a topic exchange are replaced. Reply: `Done`, or a refusal `NoSuchUser`,
    /// `NoSuchVhost`.
    SetTopicPermissions(SetTopicPermissions),
    /// A user's permissions on routing keys go: all are allowed. Reply: `Done`, or a refusal `NoSuchUser`, `NoSuchVhost`.
    ClearTopicPermissions(ClearTopicPermissions),
    /// A runtime parameter comes or changes. Reply: `Done`, or a refusal `NoSuchVhost`, `NotAParameter`, `ParameterTooLong`.
    PutParameter(PutParameter),
    /// A runtime parameter goes. Reply: `Done`, or a refusal `NoSuchVhost`.
    DeleteParameter(DeleteParameter),
    /// A global parameter comes or changes. Reply: `Done`, or a refusal `ParameterTooLong`.
    PutGlobalParameter(PutGlobalParameter),
    /// A global parameter goes. Reply: `Done`.
    DeleteGlobalParameter {
        /// Its name.
        name: ShortStr,
    },
    /// Members or placements of the cluster change. Reply: `Done`, `Admitted`, or a refusal `Cluster`.
    Cluster(ClusterCommand),
}

/// See [`Command::Bootstrap`].
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// The first vhost (`/`).
    pub vhost: ShortStr,
    /// The first user (`guest`), who becomes administrator with all permissions there.
    pub user: ShortStr,
    /// The user's password.
    pub password: PasswordHash,
    /// What the vhost starts with.
    pub defaults: VhostDefaults,
}

/// See [`Command::PutVhost`]. `None` keeps what is there, or takes the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PutVhost {
    /// Its name.
    pub vhost: ShortStr,
    /// Free text.
    pub description: Option<String>,
    /// Free words.
    pub tags: Option<Vec<ShortStr>>,
    /// See [`Vhost::default_queue_type`](crate::Vhost::default_queue_type).
    pub default_queue_type: Option<QueueType>,
    /// See [`Vhost::tracing`](crate::Vhost::tracing).
    pub tracing: Option<bool>,
    /// See [`Vhost::protected`](crate::Vhost::protected).
    pub protected: Option<bool>,
    /// What it starts with; nothing when it is there already.
    pub defaults: VhostDefaults,
}

/// What operators give every new vhost: settings of the proposer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VhostDefaults {
    /// Its limits.
    pub limits: VhostLimits,
    /// Its operator policies, whichever vhost they name. Those that are not right are left out.
    pub operator_policies: Vec<PutPolicy>,
}

/// See [`Command::PutUser`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutUser {
    /// Its name.
    pub user: ShortStr,
    /// `None`: no password is accepted.
    pub password: Option<PasswordHash>,
    /// Its tags.
    pub tags: Vec<ShortStr>,
}

/// See [`Command::SetPassword`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetPassword {
    /// Its name.
    pub user: ShortStr,
    /// `None`: no password is accepted.
    pub password: Option<PasswordHash>,
}

/// See [`Command::SetTags`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetTags {
    /// Its name.
    pub user: ShortStr,
    /// All of them.
    pub tags: Vec<ShortStr>,
}

/// See [`Command::SetPermissions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetPermissions {
    /// The user.
    pub user: ShortStr,
    /// The vhost.
    pub vhost: ShortStr,
    /// The patterns. That they are regular expressions is checked before proposing; the machine does not read them.
    pub permissions: Permissions,
}

/// See [`Command::ClearPermissions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearPermissions {
    /// The user.
    pub user: ShortStr,
    /// The vhost.
    pub vhost: ShortStr,
}

/// See [`Command::DeclareExchange`].
#[derive(Clone, Debug, PartialEq)]
pub struct DeclareExchange {
    /// Its vhost.
    pub vhost: ShortStr,
    /// Its name.
    pub name: ShortStr,
    /// The type's name, as the client gave it.
    pub kind: ShortStr,
    /// See [`Exchange::durable`](crate::Exchange::durable).
    pub durable: bool,
    /// It goes with its last binding.
    pub auto_delete: bool,
    /// Clients may not publish to it.
    pub internal: bool,
    /// As the client gave them.
    pub arguments: FieldTable,
    /// Where an `x-recent-history` exchange is to keep its messages: a replicated group. Of no meaning for other types.
    pub history: Option<GroupId>,
}

/// See [`Command::DeleteExchange`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteExchange {
    /// Its vhost.
    pub vhost: ShortStr,
    /// Its name.
    pub name: ShortStr,
    /// Refuse when bindings start from it.
    pub if_unused: bool,
}

/// See [`Command::DeclareQueue`].
#[derive(Clone, Debug, PartialEq)]
pub struct DeclareQueue {
    /// Its vhost.
    pub vhost: ShortStr,
    /// Its name; not empty (the proposer generates one, and says so in `server_named`).
    pub name: ShortStr,
    /// The name was generated, so its prefix `amq.` is right.
    pub server_named: bool,
    /// As the client asked.
    pub durable: bool,
    /// It goes with its last consumer.
    pub auto_delete: bool,
    /// Only `connection` may use it, and it goes with that connection. Never durable, whatever was asked.
    pub exclusive: bool,
    /// The type by default where its vhost has none: a setting of the proposer.
    pub default_type: Option<QueueType>,
    /// As the client gave them.
    pub arguments: FieldTable,
    /// Who asks.
    pub connection: ConnectionId,
    /// The node of who asks: where a queue lives that is exclusive or not durable.
    pub home: Home,
    /// Where a durable queue that is not exclusive is to live. A local group is taken at its word.
    pub group: GroupId,
}

/// A binding's destination, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A queue.
    Queue(ShortStr),
    /// An exchange.
    Exchange(ShortStr),
}

/// See [`Command::Bind`].
#[derive(Clone, Debug, PartialEq)]
pub struct Bind {
    /// The vhost.
    pub vhost: ShortStr,
    /// The exchange that it starts from.
    pub source: ShortStr,
    /// Where it leads.
    pub destination: Target,
    /// Its routing key.
    pub routing_key: ShortStr,
    /// Its arguments; their order does not matter.
    pub arguments: FieldTable,
    /// Who asks: an exclusive queue is bound by its owner alone.
    pub connection: ConnectionId,
}

/// See [`Command::Unbind`].
#[derive(Clone, Debug, PartialEq)]
pub struct Unbind {
    /// The vhost.
    pub vhost: ShortStr,
    /// The exchange that it starts from.
    pub source: ShortStr,
    /// Where it leads.
    pub destination: Target,
    /// Its routing key.
    pub routing_key: ShortStr,
    /// Its arguments; their order does not matter.
    pub arguments: FieldTable,
    /// Who asks: an exclusive queue is unbound by its owner alone.
    pub connection: ConnectionId,
}

/// See [`Command::NodeGone`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeGone {
    /// The node and its last incarnation that is over, with all before it.
    pub home: Home,
    /// Takes over queues that are neither exclusive nor auto-delete: they begin anew there, empty, under another id, with
    /// their bindings. Without an heir they go like the others.
    pub heir: Option<Home>,
}
