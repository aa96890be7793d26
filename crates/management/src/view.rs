//! What the HTTP API can tell about the node, as the node hands it over.

use serde::Serialize;

/// The node, as far as HTTP may see it.
///
/// The methods are called on the runtime's threads (`refresh_metrics` on its blocking pool): they must not wait for the
/// network or for a disk.
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

    /// Brings gauges up to date that nobody else keeps; called before each scrape.
    fn refresh_metrics(&self);
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
}
