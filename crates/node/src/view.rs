//! What HTTP may see of the node.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use management::{
    BoxFuture, ClientsOf, ClusterOrder, ClusterView, GroupView, NodeView, OrderError, ProcessView, ProductView,
    QueueView, ReplicaView, ResourceLimits, View,
};
use metadata::MemberState;
use queue::QueueStats;
use replication::{ClusterError, Metadata, OwnState, ReplicaState, Replication};
use serde_json::Value;
use storage::RocksStore;
use types::{GroupId, NodeId, QueueId};

use crate::{alarms::InForce, memory, peers};

/// The node as HTTP sees it.
pub(crate) struct NodeStatus {
    /// The node itself.
    pub own: NodeId,
    pub replication: Replication,
    pub store: Arc<RocksStore>,
    pub product: ProductView,
    pub process: Process,
    pub limits: Arc<InForce>,
    /// Whether AMQP clients can connect.
    pub is_serving: Arc<AtomicBool>,
}

/// What does not change while the process runs.
pub(crate) struct Process {
    pub started: Instant,
    pub data_dir: String,
    pub listeners: Vec<(&'static str, SocketAddr)>,
}

impl NodeStatus {
    fn name(&self, node: NodeId) -> String {
        self.replication.name_of(node).unwrap_or_else(|| node.to_string())
    }

    fn names(&self, nodes: &[NodeId]) -> Vec<String> {
        nodes.iter().map(|node| self.name(*node)).collect()
    }
}

impl View for NodeStatus {
    fn readiness(&self) -> Result<(), Vec<String>> {
        let mut reasons = Vec::new();
        match self.replication.own_state() {
            OwnState::Gone => reasons.push("this node is no member of the cluster any more".to_owned()),
            OwnState::Member(MemberState::Draining) => reasons.push("this node is drained".to_owned()),
            OwnState::Member(MemberState::Leaving) => reasons.push("this node leaves the cluster".to_owned()),
            OwnState::Member(MemberState::Joining | MemberState::Up) => {}
        }
        if !self.is_serving.load(Ordering::Relaxed) {
            reasons.push("clients cannot connect, or not any more".to_owned());
        }
        if !self.replication.read().is_bootstrapped() {
            reasons.push("the cluster is not set up yet".to_owned());
        }
        let leaderless = self.replication.leaderless();
        if !leaderless.is_empty() {
            let groups: Vec<String> = leaderless.iter().map(GroupId::to_string).collect();
            reasons.push(format!("groups without a known leader: {}", groups.join(", ")));
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    fn queue(&self, vhost: &str, name: &str) -> Option<QueueView> {
        let group = self.replication.read().queue(vhost.as_bytes(), name.as_bytes())?.group;
        let members = match group.local_node() {
            Some(node) => vec![node],
            None => self.replication.status().into_iter().find(|status| status.group == group)?.members,
        };
        Some(QueueView {
            name: name.to_owned(),
            vhost: vhost.to_owned(),
            group: group.0,
            leader: self.replication.leader(group).map(|node| self.name(node)),
            members: self.names(&members),
        })
    }

    fn cluster(&self) -> ClusterView {
        let status = self.replication.cluster_status();
        let nodes = status.nodes.into_iter().map(|node| NodeView {
            id: node.node.0,
            name: node.name,
            address: node.address,
            live: node.live,
            state: node.state.as_str(),
            replicas: node.replicas,
            leads: node.leads.iter().map(|group| group.0).collect(),
        });
        let groups = status.groups.into_iter().map(|group| GroupView {
            id: group.group.0,
            leader: group.leader.map(|node| self.name(node)),
            members: self.names(&group.members),
            wanted: self.names(&group.wanted),
        });
        let (nodes, groups) = (nodes.collect(), groups.collect());
        ClusterView { node: self.name(self.own), nodes, groups, waiting: status.waiting }
    }

    fn order(&self, order: ClusterOrder) -> BoxFuture<Result<String, OrderError>> {
        let replication = self.replication.clone();
        Box::pin(async move {
            let done = match order {
                ClusterOrder::Decommission { node, force } => replication.decommission(&node, force).await,
                ClusterOrder::Forget { node } => replication.forget(&node).await,
                ClusterOrder::Drain { node } => replication.drain(&node).await,
                ClusterOrder::Undrain { node } => replication.undrain(&node).await,
                ClusterOrder::Rebalance => replication.rebalance().await,
                ClusterOrder::TransferLeader { group, node } => replication.transfer_leader(group, &node).await,
            };
            done.map_err(|error| match error {
                ClusterError::NoSuchNode(_) => OrderError::NoSuchNode,
                ClusterError::Unavailable(_) => OrderError::Unavailable(error.to_string()),
                ClusterError::IsUp(_) | ClusterError::Refused(_) => OrderError::Refused(error.to_string()),
            })
        })
    }

    fn replicas(&self) -> BoxFuture<Vec<ReplicaView>> {
        let replication = self.replication.clone();
        Box::pin(async move {
            let states = tokio::task::spawn_blocking(move || replication.replicas()).await.unwrap_or_default();
            let view = |state: ReplicaState| ReplicaView {
                group: state.group.0,
                applied: state.applied,
                digest: format!("{:016x}", state.digest),
            };
            states.into_iter().map(view).collect()
        })
    }

    fn queue_stats(&self, group: GroupId, queue: QueueId) -> Option<QueueStats> {
        self.replication.queue_stats(group, queue)
    }

    fn product(&self) -> ProductView {
        self.product.clone()
    }

    fn process(&self) -> ProcessView {
        let Process { started, data_dir, listeners } = &self.process;
        let limits = self.limits.bytes();
        ProcessView {
            pid: std::process::id(),
            uptime_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            data_dir: data_dir.clone(),
            memory_used: memory::resident_bytes(),
            memory_limit: limits.memory,
            disk_free: self.store.free_bytes().ok(),
            disk_free_limit: limits.disk_free,
            listeners: listeners.clone(),
        }
    }

    fn set_resource_limits(&self, limits: ResourceLimits) {
        self.limits.set(limits);
    }

    fn alarms(&self) -> Vec<String> {
        let alarms = self.replication.alarms();
        alarms.into_iter().map(|(node, kind)| format!("{} alarm on node {}", kind.as_str(), self.name(node))).collect()
    }

    fn clients(&self, what: ClientsOf) -> BoxFuture<Vec<Value>> {
        let peers = self.replication.clone();
        Box::pin(async move { peers::clients(&peers, what).await })
    }

    fn close_connection(&self, name: &str, reason: &str) -> BoxFuture<bool> {
        let (peers, name, reason) = (self.replication.clone(), name.to_owned(), reason.to_owned());
        Box::pin(async move { peers::close(&peers, name, reason).await })
    }

    fn refresh_metrics(&self) {
        self.store.publish_metrics();
        self.replication.refresh_metrics();
    }
}
