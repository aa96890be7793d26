//! Replication of one node: its groups, its links, and what the broker sees of both.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use proto::generated::peer::{FoundReply, FoundRequest, Message, message::Kind};
use queue::Command;
use storage::LogStore;
use telemetry::{Shutdown, task::TaskKind};
use tokio::net::TcpListener;
use types::{Blob, GroupId, NodeId, QueueId, SessionId};

use crate::{
    api::{BoxFuture, Groups, Metadata, MetadataObserver, MetadataUnavailable, Sessions},
    batcher::{Batcher, Submission},
    client::{GroupClient, Route},
    clock,
    config::Config,
    effects::{EffectQueue, Effects, StoredBlobs},
    entry_cache::EntryCache,
    founding::{Founding, FoundingError, Identity},
    group::{Context, Group},
    liveness::Liveness,
    local::{LocalGroup, LocalKeeper, LocalQueue},
    meta::{MetaMachine, MetaState},
    metrics,
    shard::ShardMachine,
    supervisor::{Duty, Supervisor},
    transport::{self, Asked, Down, LinkEvents, LinkKind, Local, Node, PeerAddress, Peers, PortBox, Service, wire},
};

/// Session serials leave room for this many sessions per millisecond of a node's uptime.
const SERIALS_PER_MS_BITS: u32 = 20;
/// Most voters of a shard group.
const REPLICAS_MAX: usize = 3;

/// Where the last incarnation is kept.
const BOOT: &str = "boot";

/// A number for this incarnation: the time, or one more than the last when the clock went back.
fn next_boot(store: &Arc<dyn LogStore>) -> Result<u64, storage::Error> {
    let last = store.read_node_value(BOOT)?.and_then(|bytes| Some(u64::from_le_bytes(bytes[..].try_into().ok()?)));
    let boot = clock::now().0.max(last.map_or(0, |last| last + 1));
    store.write_node_value(BOOT, bytes::Bytes::copy_from_slice(&boot.to_le_bytes()))?;
    Ok(boot)
}

/// The smallest session serial of a node incarnation.
pub(crate) fn first_session_serial(boot: u64) -> u64 {
    boot << SERIALS_PER_MS_BITS
}

/// Why replication could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The peer address cannot be listened on.
    #[error("cannot listen for peers on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The node has no place in the cluster.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// A group could not be opened.
    #[error("group {group} could not be opened")]
    Group {
        /// The group.
        group: GroupId,
        /// Why.
        source: io::Error,
    },
}

/// A node that has found its cluster and is about to start its groups.
#[derive(Debug)]
pub struct Joined {
    config: Config,
    identity: Identity,
    boot: u64,
    store: Arc<dyn LogStore>,
    door: Arc<Door>,
    shutdown: Shutdown,
}

/// Answers peers: founding from the start, groups as soon as they are there.
struct Door {
    founding: Founding,
    local: Arc<RwLock<Option<Local>>>,
    inner: OnceLock<Arc<Inner>>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

impl Joined {
    /// Listens for peers and waits until this node knows its cluster.
    ///
    /// # Errors
    /// When the address is taken, or the node has no place in the cluster.
    pub async fn join(
        config: Config,
        listen: SocketAddr,
        store: Arc<dyn LogStore>,
        shutdown: Shutdown,
    ) -> Result<Self, StartError> {
        let listener =
            TcpListener::bind(listen).await.map_err(|source| StartError::Listen { address: listen, source })?;
        let founding = Founding::open(&config, &store)?;
        let door = Arc::new(Door { founding, local: Arc::default(), inner: OnceLock::new() });
        let node: Arc<dyn Node> = door.clone();
        let service = Service { local: Arc::clone(&door.local), node };
        telemetry::task::spawn(TaskKind::Critical(shutdown.clone()), "peer server", async move {
            if let Err(error) = transport::serve(service, listener).await {
                tracing::error!(%error, "peer server ended");
            }
        });
        let identity = door.founding.complete(&store).await?;
        let boot = next_boot(&store).map_err(FoundingError::from)?;
        Ok(Joined { config, identity, boot, store, door, shutdown })
    }

    /// Who this node is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// This incarnation of the node; greater than all before it.
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// The smallest session serial that this incarnation may use; the broker counts up from it.
    pub fn first_session_serial(&self) -> u64 {
        first_session_serial(self.boot)
    }
}

/// Replication of one node.
#[derive(Clone)]
pub struct Replication(Arc<Inner>);

impl std::fmt::Debug for Replication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replication").field("node", &self.0.identity.node).finish_non_exhaustive()
    }
}

struct Inner {
    identity: Identity,
    boot: u64,
    peers: Arc<Peers>,
    asked: Arc<Asked>,
    liveness: Arc<Liveness>,
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

/// Where submissions go: to a batcher of this node, into its memory group, or to a peer.
struct Routes {
    node: NodeId,
    peers: Arc<Peers>,
    batchers: RwLock<BTreeMap<GroupId, Arc<Batcher>>>,
    local: Arc<LocalQueue>,
}

impl Route for Routes {
    fn submit(&self, to: NodeId, group: GroupId, submission: Submission) {
        if to != self.node {
            self.peers.forward(to, wire::submit(group, submission.chunk, submission.blob.as_bytes().clone()));
        } else if group == GroupId::local(self.node) {
            self.local.push(submission);
        } else if let Some(batcher) = self.batchers.read().get(&group) {
            batcher.push(submission);
        }
    }
}

/// The state of a group as this node sees it.
#[derive(Clone, Debug)]
pub struct GroupStatus {
    /// The group.
    pub group: GroupId,
    /// Its leader, when one is known.
    pub leader: Option<NodeId>,
    /// Its voters.
    pub members: Vec<NodeId>,
}

impl Replication {
    /// Opens all groups of the node and starts talking to its peers.
    ///
    /// # Errors
    /// When a group's log or checkpoint cannot be read.
    pub async fn start(
        joined: Joined,
        sessions: Arc<dyn Sessions>,
        observer: Arc<dyn MetadataObserver>,
    ) -> Result<Self, StartError> {
        let inner = Arc::new(Inner::new(&joined, sessions, observer));
        drop(joined.door.inner.set(Arc::clone(&inner)));
        let context = Context {
            node: joined.identity.node,
            config: joined.config.clone(),
            store: Arc::clone(&joined.store),
            peers: Arc::clone(&inner.peers),
            asked: Arc::clone(&inner.asked),
            shutdown: joined.shutdown.clone(),
        };
        inner.start_local(&context);
        inner.open_meta(&context).await.map_err(|source| StartError::Group { group: GroupId::META, source })?;
        for shard in 1..=joined.identity.shards {
            let group = GroupId(shard);
            inner.open_shard(&context, group).await.map_err(|source| StartError::Group { group, source })?;
        }
        let events: Arc<dyn LinkEvents> = inner.clone();
        // The door opens last: what peers say once must find somebody.
        *joined.door.local.write() = Some(inner.peers.local().clone());
        inner.peers.start(&events);
        Ok(Replication(inner))
    }

    /// All groups, as this node sees them.
    pub fn status(&self) -> Vec<GroupStatus> {
        let inner = &self.0;
        let meta = inner.meta_group.get().map(|group| (group.id, group.leader()));
        let shards = inner.shards.read();
        let shards = shards.values().map(|group| (group.id, group.leader()));
        let known = meta.into_iter().chain(shards);
        known
            .map(|(group, leader)| GroupStatus {
                group,
                leader,
                members: voters(&inner.identity, group).into_iter().collect(),
            })
            .collect()
    }

    /// Who leads the group, as this node sees it.
    pub fn leader(&self, group: GroupId) -> Option<NodeId> {
        group.local_node().or_else(|| self.0.client(group).known_leader())
    }

    /// The name of a member.
    pub fn name_of(&self, node: NodeId) -> Option<&str> {
        self.0.identity.members.get(&node).map(|member| member.name.as_str())
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

    /// Publishes gauges.
    pub fn refresh_metrics(&self) {
        let led = self.0.shards.read().values().filter(|group| group.is_leader()).count();
        metrics::groups_led(u32::try_from(led).unwrap_or(u32::MAX));
    }

    /// Gives every group that this node leads to another live voter, waiting at most `limit`.
    pub async fn hand_over(&self, limit: Duration) {
        let groups: Vec<_> = self.0.shards.read().values().cloned().collect();
        for group in &groups {
            self.0.hand_over_group(group).await;
        }
        if let Some(meta) = self.0.meta_group.get() {
            self.0.hand_over_group(meta).await;
        }
        let handed = async {
            while groups.iter().any(|group| group.raft.is_leader() && group.voters.len() > 1) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(limit, handed).await.is_err() {
            tracing::warn!("not all groups could be handed over in time");
        }
    }
}

/// The voters of a group: all nodes when there are few, otherwise neighbours, so that every node has its share.
fn voters(identity: &Identity, group: GroupId) -> BTreeSet<NodeId> {
    let nodes: Vec<NodeId> = identity.members.keys().copied().collect();
    let count = match (group, nodes.len()) {
        (GroupId::META, 5..) => 5,
        _ => REPLICAS_MAX.min(nodes.len()),
    };
    let first = usize::try_from(group.0).unwrap_or(0) % nodes.len();
    nodes.iter().cycle().skip(first).take(count).copied().collect()
}

/// Who should lead the group: leaders go round the nodes.
fn preferred(identity: &Identity, group: GroupId) -> NodeId {
    let nodes: Vec<NodeId> = identity.members.keys().copied().collect();
    nodes[usize::try_from(group.0).unwrap_or(0) % nodes.len()]
}

impl Inner {
    fn new(joined: &Joined, sessions: Arc<dyn Sessions>, observer: Arc<dyn MetadataObserver>) -> Self {
        let identity = joined.identity.clone();
        let node = identity.node;
        let local = Local { cluster_id: identity.cluster_id.clone(), node, boot: joined.boot };
        let addresses = identity.members.iter().filter(|(member, _)| **member != node);
        let addresses = addresses.map(|(node, member)| PeerAddress { node: *node, address: member.address.clone() });
        let peers = Arc::new(Peers::new(local, addresses.collect()));
        let liveness = Arc::new(Liveness::default());
        let routes =
            Arc::new(Routes { node, peers: Arc::clone(&peers), batchers: RwLock::default(), local: Arc::default() });
        let route: Arc<dyn Route> = routes.clone();
        let meta = MetaState::new(node, joined.boot, observer, Arc::clone(&peers), route, Arc::clone(&liveness));
        Inner {
            identity,
            boot: joined.boot,
            peers,
            asked: Arc::default(),
            liveness,
            routes,
            sessions,
            meta: Arc::new(meta),
            meta_group: OnceLock::new(),
            shards: RwLock::default(),
            clients: RwLock::default(),
            local_machine: Arc::new(Mutex::new(queue::Machine::new())),
            local_effects: Arc::default(),
            leaders: Mutex::default(),
            peer_boots: Mutex::default(),
            forwarded: AtomicU64::new(0),
        }
    }

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

    fn start_local(&self, context: &Context) {
        let group = GroupId::local(self.identity.node);
        let bodies = crate::local::Bodies::default();
        let effects = Arc::clone(&self.local_effects);
        let kind = || TaskKind::Critical(context.shutdown.clone());
        let local = LocalGroup {
            queue: Arc::clone(&self.routes.local),
            machine: Arc::clone(&self.local_machine),
            bodies: Arc::clone(&bodies),
            effects: Arc::clone(&effects),
        };
        telemetry::task::spawn(kind(), "memory group", until(local.run(), context.shutdown.clone()));
        let keeper = LocalKeeper {
            queue: Arc::clone(&self.routes.local),
            machine: Arc::clone(&self.local_machine),
            node: self.identity.node,
            boot: self.boot,
            grace: context.config.timers.peer_grace,
            liveness: Arc::clone(&self.liveness),
        };
        let keeping = until(keeper.run(), context.shutdown.clone());
        telemetry::task::spawn(kind(), "keeper of the memory group", keeping);
        let effects = self.effects(group, effects, Arc::new(bodies), Arc::default());
        telemetry::task::spawn(kind(), "effects of the memory group", until(effects.run(), context.shutdown.clone()));
    }

    fn effects(
        &self,
        group: GroupId,
        queue: Arc<EffectQueue>,
        blobs: Arc<dyn crate::effects::Blobs>,
        cache: Arc<EntryCache>,
    ) -> Effects {
        Effects {
            group,
            node: self.identity.node,
            queue,
            blobs,
            cache,
            sessions: Arc::clone(&self.sessions),
            client: self.client(group),
            peers: Arc::clone(&self.peers),
            blobs_at_hand: BTreeMap::new(),
        }
    }

    async fn open_meta(self: &Arc<Self>, context: &Context) -> Result<(), io::Error> {
        let batcher = Arc::new(Batcher::default());
        self.routes.batchers.write().insert(GroupId::META, Arc::clone(&batcher));
        self.meta.set_members(self.identity.members.keys().copied().collect());
        let machine = MetaMachine::new(Arc::clone(&self.meta), Arc::clone(&batcher));
        let voters = voters(&self.identity, GroupId::META);
        let group = Group::open(context, GroupId::META, machine, batcher, Arc::default(), voters).await?;
        drop(self.meta_group.set(Arc::clone(&group)));
        let supervisor = self.supervisor(context, group);
        telemetry::task::spawn(TaskKind::Critical(context.shutdown.clone()), "metadata supervisor", supervisor.run());
        Ok(())
    }

    async fn open_shard(self: &Arc<Self>, context: &Context, id: GroupId) -> Result<(), io::Error> {
        let voters = voters(&self.identity, id);
        if !voters.contains(&self.identity.node) {
            return Ok(());
        }
        let batcher = Arc::new(Batcher::default());
        self.routes.batchers.write().insert(id, Arc::clone(&batcher));
        let queue = Arc::new(EffectQueue::default());
        let cache = Arc::new(EntryCache::default());
        let machine = ShardMachine::new(id, Arc::clone(&batcher), Arc::clone(&queue), Arc::clone(&context.store));
        let blobs = Arc::new(StoredBlobs { group: id, store: Arc::clone(&context.store) });
        let effects = self.effects(id, queue, blobs, Arc::clone(&cache));
        let kind = || TaskKind::Critical(context.shutdown.clone());
        let run = until(effects.run(), context.shutdown.clone());
        telemetry::task::spawn(kind(), format!("effects of group {id}"), run);
        let group = Group::open(context, id, machine, batcher, cache, voters).await?;
        self.shards.write().insert(id, Arc::clone(&group));
        let supervisor = self.supervisor(context, group);
        telemetry::task::spawn(kind(), format!("supervisor of group {id}"), supervisor.run());
        Ok(())
    }

    fn supervisor<M: crate::machine::Machine>(&self, context: &Context, group: Arc<Group<M>>) -> Supervisor<M> {
        Supervisor {
            preferred: preferred(&self.identity, group.id),
            group,
            node: self.identity.node,
            liveness: Arc::clone(&self.liveness),
            timers: context.config.timers,
            shutdown: context.shutdown.clone(),
            boot: self.boot,
            meta: Arc::clone(&self.meta),
            duty: Duty::default(),
        }
    }

    fn handle(&self, from: NodeId, kind: Kind) -> Result<(), proto::DecodeError> {
        match kind {
            Kind::Submit(submit) => {
                self.forwarded.fetch_add(1, Ordering::Relaxed);
                let blob = Blob::from_bytes(submit.blob).map_err(|_| proto::DecodeError::new("message blob"))?;
                let submission = Submission { chunk: submit.chunk, blob };
                self.routes.submit(self.identity.node, GroupId(submit.group), submission);
            }
            Kind::Replies(replies) => {
                let (group, answers) = wire::replies_from(replies)?;
                self.client(group).answered(answers);
            }
            Kind::Deliver(deliver) => self.sessions.deliver(wire::deliver_from(deliver, self.identity.node)),
            Kind::Cancelled(cancelled) => {
                self.sessions.cancelled(wire::cancelled_from(&cancelled, self.identity.node));
            }
            Kind::Leader(leader) => self.learn_leader(GroupId(leader.group), from, leader.term),
            Kind::Applied(applied) => self.meta.spread(from, applied.index),
            _ => tracing::debug!(peer = %from, "message of an unknown kind passed over"),
        }
        Ok(())
    }

    fn learn_leader(&self, group: GroupId, node: NodeId, term: u64) {
        self.leaders.lock().insert(group, (node, term));
        if group == GroupId::META {
            self.meta.leader(node, term);
        } else {
            self.client(group).leader(node, term);
        }
    }

    /// This node's forward link to a peer is up: tell it what this node leads, send again what it has not answered, and what its
    /// sessions may have missed.
    fn link_up(&self, peer: NodeId, boot: u64) {
        self.liveness.up(peer, boot);
        let restarted = self.peer_boots.lock().insert(peer, boot).is_some_and(|known| known != boot);
        if restarted {
            self.client(GroupId::local(peer)).lost(self.boot.max(clock::now().0));
        }
        let meta = self.meta_group.get().and_then(|group| group.batcher.leading());
        if let Some(term) = meta {
            self.peers.forward(peer, wire::leader(GroupId::META, term));
        }
        for group in self.shards.read().values() {
            if let Some(term) = group.batcher.leading() {
                self.peers.forward(peer, wire::leader(group.id, term));
                group.machine.lock().reissue_to(peer);
            }
        }
        let local = GroupId::local(self.identity.node);
        self.peers.forward(peer, wire::leader(local, 0));
        crate::shard::reissue(&self.local_machine.lock(), &self.local_effects, peer);
        if let Some(applied) = self.meta_applied() {
            self.peers.forward(peer, wire::applied(applied));
        }
        self.meta.link_up(peer);
        let clients: Vec<_> = self.clients.read().values().cloned().collect();
        for client in clients {
            client.link_up(peer);
        }
    }

    /// Transfers the group's leadership, when this node has it, to the live voter that has most of the log.
    async fn hand_over_group<M: crate::machine::Machine>(&self, group: &Group<M>) {
        if !group.is_leader() {
            return;
        }
        let live = |node: u64| node != self.identity.node.0 && self.liveness.is_up(NodeId(node));
        let heir = group.matched().into_iter().filter(|(node, _)| live(*node)).max_by_key(|(_, matched)| *matched);
        if let Some((heir, _)) = heir {
            // A group that failed has nothing to hand over.
            group.raft.trigger().transfer_leader(heir).await.ok();
        }
    }

    fn meta_applied(&self) -> Option<u64> {
        use openraft::async_runtime::WatchReceiver;
        let group = self.meta_group.get()?;
        group.raft.metrics().borrow_watched().last_applied.map(|id| id.index)
    }

    /// A peer's process is gone: the first live node after it, in the order of each group, takes over what it led.
    fn take_over(&self, gone: NodeId) {
        let node = self.identity.node;
        let nodes: Vec<NodeId> = self.identity.members.keys().copied().collect();
        let heir = |voters: &BTreeSet<NodeId>, group: GroupId| {
            let start = usize::try_from(group.0).unwrap_or(0);
            let order = (0..nodes.len()).map(|i| nodes[(start + i) % nodes.len()]);
            order.into_iter().find(|n| voters.contains(n) && *n != gone && (*n == node || self.liveness.is_up(*n)))
        };
        if let Some(meta) = self.meta_group.get()
            && meta.leader() == Some(gone)
            && heir(&meta.voters, meta.id) == Some(node)
        {
            let meta = Arc::clone(meta);
            telemetry::task::spawn(TaskKind::Background, "take over", async move { meta.take_over(node).await });
        }
        for group in self.shards.read().values() {
            if group.leader() == Some(gone) && heir(&group.voters, group.id) == Some(node) {
                let group = Arc::clone(group);
                telemetry::task::spawn(TaskKind::Background, "take over", async move { group.take_over(node).await });
            }
        }
    }
}

/// Runs a task's loop until the node stops.
async fn until(work: impl Future<Output = ()>, shutdown: Shutdown) {
    tokio::select! {
        () = work => {}
        () = shutdown.triggered() => {}
    }
}

impl LinkEvents for Inner {
    fn up(&self, peer: NodeId, kind: LinkKind, boot: u64) {
        if kind == LinkKind::Forward {
            tracing::info!(%peer, "peer is up");
            self.link_up(peer, boot);
        }
    }

    fn down(&self, peer: NodeId, kind: LinkKind, why: Down) {
        self.asked.broken(peer, kind);
        if kind == LinkKind::Forward && self.liveness.down(peer, why) {
            tracing::warn!(%peer, ?why, "peer is down");
            if why == Down::Refused {
                self.take_over(peer);
            }
        }
    }

    fn message(&self, peer: NodeId, message: Message) {
        match message.kind {
            Some(kind @ (Kind::AppendReply(_) | Kind::VoteReply(_) | Kind::TransferReply(_))) => {
                self.asked.answer(kind)
            }
            _ => tracing::debug!(%peer, "message of an unknown kind passed over"),
        }
    }
}

impl Node for Door {
    fn port(&self, group: GroupId) -> Option<PortBox> {
        let inner = self.inner.get()?;
        let port: PortBox = if group == GroupId::META {
            inner.meta_group.get()?.clone()
        } else {
            inner.shards.read().get(&group)?.clone()
        };
        Some(port)
    }

    fn forwarded(&self, from: NodeId, message: Message) {
        let (Some(inner), Some(kind)) = (self.inner.get(), message.kind) else { return };
        if let Err(error) = inner.handle(from, kind) {
            tracing::error!(peer = %from, %error, "message of a peer was dropped");
        }
    }

    fn seen(&self, peer: NodeId, boot: u64) {
        if let Some(inner) = self.inner.get() {
            inner.liveness.seen(peer, boot);
        }
    }

    fn found(&self, request: FoundRequest) -> FoundReply {
        self.founding.answer(&request)
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
}

impl Metadata for Replication {
    fn propose(&self, command: metadata::Command) -> BoxFuture<Result<metadata::Reply, MetadataUnavailable>> {
        let meta = Arc::clone(&self.0.meta);
        Box::pin(async move { meta.propose(&command).await })
    }

    fn read(&self) -> parking_lot::RwLockReadGuard<'_, metadata::Machine> {
        self.0.meta.read()
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
