//! What the HTTP API can tell about the node, as the node hands it over.

use std::{future::Future, net::SocketAddr, pin::Pin};

use queue::QueueStats;
use serde::Serialize;
use serde_json::Value;
use types::{GroupId, QueueId};

/// A boxed future, so that [`View`] can be an object.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The node, as far as HTTP may see it.
///
/// The methods are called on the runtime's threads (`refresh_metrics` on its blocking pool): but for those that return futures
/// they must not wait for the network or for a disk.
pub trait View: Send + Sync + 'static {
    /// Whether clients may be sent to this node.
    ///
    /// # Errors
    /// The reasons why not, one sentence each.
    fn readiness(&self) -> Result<(), Vec<String>>;

    /// Where a queue lives, or `None` when there is no such queue.
    fn queue(&self, vhost: &str, name: &str) -> Option<QueueView>;

    /// All nodes and groups.
    fn cluster(&self) -> ClusterView;

    /// The state of each replica of this node as one number. Takes time in the size of the state, on the blocking pool.
    fn replicas(&self) -> BoxFuture<Vec<ReplicaView>>;

    /// A queue's figures as this node's replica has them; `None` when it has none.
    fn queue_stats(&self, group: GroupId, queue: QueueId) -> Option<QueueStats>;

    /// What the node says that it is.
    fn product(&self) -> ProductView;

    /// The node's process, as far as it can be told.
    fn process(&self) -> ProcessView;

    /// Sets from where on this node blocks publishers, until it stops.
    fn set_resource_limits(&self, limits: ResourceLimits);

    /// Alarms that stand, in words.
    fn alarms(&self) -> Vec<String>;

    /// The clients of all nodes that answer. May wait for the network.
    fn clients(&self, what: ClientsOf) -> BoxFuture<Vec<Value>>;

    /// Gives an order to the cluster: what was done, or what it waits for. May wait for the network.
    fn order(&self, order: ClusterOrder) -> BoxFuture<Result<String, OrderError>>;

    /// Ends the connection of that name, wherever it is; whether there was one. May wait for the network.
    fn close_connection(&self, name: &str, reason: &str) -> BoxFuture<bool>;

    /// Brings gauges up to date that nobody else keeps; called before each scrape.
    fn refresh_metrics(&self);
}

/// What an operator wants of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterOrder {
    /// A node's replicas go to others, then it leaves.
    Decommission {
        /// Its name.
        node: String,
        /// Also when groups will have fewer replicas than they should.
        force: bool,
    },
    /// A node that is down for ever goes.
    Forget {
        /// Its name.
        node: String,
    },
    /// A node gives up what it leads and its clients.
    Drain {
        /// Its name.
        node: String,
    },
    /// A node serves again.
    Undrain {
        /// Its name.
        node: String,
    },
    /// Leaders go to where every node has its share.
    Rebalance,
    /// A node is to lead a group.
    TransferLeader {
        /// The group.
        group: GroupId,
        /// The node's name.
        node: String,
    },
}

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderError {
    /// There is no such node.
    NoSuchNode,
    /// It cannot be done, for this reason.
    Refused(String),
    /// Not now, for this reason.
    Unavailable(String),
}

/// What is listed of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientsOf {
    /// Connections.
    Connections,
    /// Channels.
    Channels,
    /// Consumers.
    Consumers,
}

/// What the node says that it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductView {
    /// The product.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The cluster's name, as configured.
    pub cluster: String,
}

/// The process of the node that answers. What is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessView {
    /// Its number.
    pub pid: u32,
    /// How long it has been running. Unit: milliseconds.
    pub uptime_ms: u64,
    /// Where it keeps its data.
    pub data_dir: String,
    /// Resident memory. Unit: bytes.
    pub memory_used: Option<u64>,
    /// From where on publishers are blocked. Unit: bytes.
    pub memory_limit: Option<u64>,
    /// Unit: bytes.
    pub disk_free: Option<u64>,
    /// Below which publishers are blocked. Unit: bytes.
    pub disk_free_limit: u64,
    /// The protocols that are listened for, `amqp`, `http` and `clustering`, and where.
    pub listeners: Vec<(&'static str, SocketAddr)>,
}

/// How much memory or disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// That many.
    Bytes(u64),
    /// A part, or a multiple, of the memory that the node may use.
    OfMemory(f64),
}

/// From where on a node blocks publishers; `None` leaves what is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ResourceLimits {
    /// Most memory.
    pub memory: Option<Amount>,
    /// Least free disk.
    pub disk_free: Option<Amount>,
}

/// Where a queue lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// Its virtual host.
    pub vhost: String,
    /// The Raft group that hosts it.
    pub group: u32,
    /// The name of the node that leads the group, while one does.
    pub leader: Option<String>,
    /// The names of the nodes that hold a replica.
    pub members: Vec<String>,
}

/// All nodes and groups, as this node knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClusterView {
    /// The name of the node that answers.
    pub node: String,
    /// All members.
    pub nodes: Vec<NodeView>,
    /// All Raft groups; the first is the metadata group.
    pub groups: Vec<GroupView>,
    /// What is under way or cannot go on.
    pub waiting: Option<String>,
}

/// One member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeView {
    /// Its id, which is never reused.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The address at which other nodes reach it, as `host:port`.
    pub address: String,
    /// Whether the node that answers has heard from it lately.
    pub live: bool,
    /// `joining`, `up`, `draining` or `leaving`.
    pub state: &'static str,
    /// The groups of which it has a replica.
    pub replicas: usize,
    /// The groups that it leads.
    pub leads: Vec<u32>,
}

/// One Raft group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupView {
    /// Its id; zero is the metadata group.
    pub id: u32,
    /// The name of the node that leads it, while one does.
    pub leader: Option<String>,
    /// The names of its voters.
    pub members: Vec<String>,
    /// The names of those that are to be its voters.
    pub wanted: Vec<String>,
}

/// A replica of a Raft group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplicaView {
    /// The group's id; zero is the metadata group.
    pub group: u32,
    /// The last log index that it has applied.
    pub applied: u64,
    /// A hash of its state, in hexadecimal digits. Replicas that have applied the same entries have the same.
    pub digest: String,
}
