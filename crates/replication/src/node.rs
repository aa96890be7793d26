//! Replication of one node: its groups, its links, and what the broker sees of both.

mod admin;
mod door;
mod join;
mod keeper;
mod leadership;
mod links;
mod replicas;
mod routes;
mod stall;
mod start;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use queue::Command;
use types::{Blob, GroupId, NodeId, QueueId, SessionId};

pub(crate) use self::join::first_session_serial;
use self::routes::Routes;
pub use self::{
    admin::{ClusterError, ClusterStatus, GroupStatus, NodeStatus},
    join::{Joined, StartError},
    replicas::ReplicaState,
};
use crate::{
    alarms::Alarms,
    api::{
        self, AlarmKind, AppliedChange, AskError, BoxFuture, Groups, Metadata, MetadataUnavailable, PeerAnswer,
        PeerAsk, Sessions,
    },
    ask::Asking,
    client::{GroupClient, Route},
    clock::Clock,
    config::Config,
    counts::Counts,
    effects::EffectQueue,
    founding::Identity,
    group::Group,
    health::Health,
    liveness::Liveness,
    members::Members,
    meta::{MetaMachine, MetaState},
    metrics,
    shard::ShardMachine,
    transport::{Asked, Peers},
};

/// Replication of one node.
#[derive(Clone)]
pub struct Replication(Arc<Inner>);

impl std::fmt::Debug for Replication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replication").field("node", &self.0.identity.node).finish_non_exhaustive()
    }
}

struct Inner {
    config: Config,
    identity: Identity,
    members: Arc<Members>,
    /// Whether peers say that this node is no member any more.
    expelled: AtomicBool,
    boot: u64,
    clock: Clock,
    peers: Arc<Peers>,
    asked: Arc<Asked>,
    liveness: Arc<Liveness>,
    alarms: Alarms,
    counts: Arc<Counts>,
    health: Arc<Health>,
    asking: Arc<Asking>,
    routes: Arc<Routes>,
    sessions: Arc<dyn Sessions>,
    meta: Arc<MetaState>,
    meta_group: OnceLock<Arc<Group<MetaMachine>>>,
    shards: RwLock<BTreeMap<GroupId, Arc<Group<ShardMachine>>>>,
    clients: RwLock<BTreeMap<GroupId, Arc<GroupClient>>>,
    local_machine: Arc<Mutex<queue::Machine>>,
    local_effects: Arc<EffectQueue>,
    leaders: Mutex<BTreeMap<GroupId, (NodeId, u64)>>,
    peer_boots: Mutex<BTreeMap<NodeId, u64>>,
    forwarded: AtomicU64,
}

impl Replication {
    /// Who leads the group, as this node sees it.
    pub fn leader(&self, group: GroupId) -> Option<NodeId> {
        match group {
            GroupId::META => self.0.meta.known_leader(),
            group => group.local_node().or_else(|| self.0.client(group).known_leader()),
        }
    }

    /// The name of a member.
    pub fn name_of(&self, node: NodeId) -> Option<String> {
        self.0.members.get(node).map(|member| member.name.to_string())
    }

    /// Groups that have no leader that this node knows of: it is not ready while there are any.
    pub fn leaderless(&self) -> Vec<GroupId> {
        let mut groups: Vec<GroupId> = Vec::new();
        if self.0.meta.known_leader().is_none() {
            groups.push(GroupId::META);
        }
        groups.extend(self.shards().into_iter().filter(|group| self.0.client(*group).known_leader().is_none()));
        groups
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.0.identity.node
    }

    /// Whether this node's link to a peer is up.
    pub fn is_live(&self, node: NodeId) -> bool {
        self.0.liveness.is_up(node)
    }

    /// Waits until the cluster is set up and this node has applied the metadata that its leader had when the two met: a client that
    /// is let in earlier would not find queues that are there.
    pub async fn caught_up(&self) {
        loop {
            let leader = self.0.meta.known_leader();
            let behind = leader.is_none_or(|leader| {
                let theirs = self.0.meta.spread_of(leader);
                leader != self.0.identity.node && theirs.is_none_or(|index| self.0.meta_applied() < Some(index))
            });
            if !behind && self.0.meta.read().is_bootstrapped() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Raises or clears an alarm of this node; all nodes hear of it.
    pub fn set_local_alarm(&self, kind: AlarmKind, stands: bool) {
        self.0.alarms.set_local(kind, stands);
    }

    /// The alarms that stand on nodes that are there.
    pub fn alarms(&self) -> Vec<(NodeId, AlarmKind)> {
        self.0.alarms.standing()
    }

    /// Who answers what nodes ask this one. Until then, they are told to come again. A second call changes nothing.
    pub fn answer_with(&self, answers: Arc<dyn PeerAnswer>) {
        self.0.asking.answer_with(answers);
    }

    /// Publishes gauges.
    pub fn refresh_metrics(&self) {
        let led = self.0.shards.read().values().filter(|group| group.is_leader()).count();
        metrics::groups_led(u32::try_from(led).unwrap_or(u32::MAX));
    }
}

impl Replication {
    /// The groups of which this node has a replica.
    #[expect(clippy::type_complexity, reason = "one of a kind, and many of another")]
    pub(crate) fn groups(&self) -> (Option<Arc<Group<MetaMachine>>>, Vec<Arc<Group<ShardMachine>>>) {
        (self.0.meta_group.get().cloned(), self.0.shards.read().values().cloned().collect())
    }
}

impl Inner {
    fn client(&self, group: GroupId) -> Arc<GroupClient> {
        if let Some(client) = self.clients.read().get(&group) {
            return Arc::clone(client);
        }
        let mut clients = self.clients.write();
        let client = clients.entry(group).or_insert_with(|| {
            let route: Arc<dyn Route> = self.routes.clone();
            Arc::new(GroupClient::new(group, self.identity.node, self.boot, route, Arc::clone(&self.sessions)))
        });
        Arc::clone(client)
    }

    fn meta_applied(&self) -> Option<u64> {
        use openraft::async_runtime::WatchReceiver;
        let group = self.meta_group.get()?;
        group.raft.metrics().borrow_watched().last_applied.map(|id| id.index)
    }
}

impl Groups for Replication {
    fn submit(&self, group: GroupId, session: SessionId, token: u64, commands: Vec<Command>, blob: Blob) {
        self.0.client(group).submit(session, token, commands, blob);
    }

    fn is_leader(&self, group: GroupId) -> bool {
        self.0.shards.read().get(&group).is_some_and(|group| group.is_leader())
    }

    fn shards(&self) -> Vec<GroupId> {
        (1..=self.0.identity.shards).map(GroupId).collect()
    }

    fn is_node_up(&self, node: NodeId) -> bool {
        node == self.0.identity.node || self.0.liveness.is_up(node)
    }
}

impl Metadata for Replication {
    fn change(&self, command: metadata::Command) -> BoxFuture<Result<AppliedChange, MetadataUnavailable>> {
        Box::pin(self.0.meta.change(&command))
    }

    fn read(&self) -> parking_lot::RwLockReadGuard<'_, metadata::Machine> {
        self.0.meta.read()
    }
}

impl api::Counts for Replication {
    fn add(&self, name: &[u8], by: i64) {
        self.0.counts.add(name, by);
    }

    fn total(&self, name: &[u8]) -> u64 {
        self.0.counts.total(name)
    }
}

impl PeerAsk for Replication {
    fn nodes(&self) -> Vec<NodeId> {
        self.0.members.nodes()
    }

    fn ask(&self, node: NodeId, question: Bytes, limit: Duration) -> BoxFuture<Result<Bytes, AskError>> {
        let asking = Arc::clone(&self.0.asking);
        Box::pin(async move { asking.ask(node, question, limit).await })
    }
}

/// Queues of the memory group, for looking at.
impl Replication {
    /// Ready and held messages of a queue that this node has a replica of.
    pub fn queue_stats(&self, group: GroupId, queue: QueueId) -> Option<queue::QueueStats> {
        if group == GroupId::local(self.0.identity.node) {
            return self.0.local_machine.lock().stats(queue);
        }
        let group = self.0.shards.read().get(&group).cloned()?;
        let machine = group.machine.lock();
        machine.queues().stats(queue)
    }
}
