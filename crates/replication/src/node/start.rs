//! The second half of starting: groups are opened, then links.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use storage::{GroupState, LogStore};
use telemetry::{Shutdown, task::TaskKind};
use types::{GroupId, NodeId};

use super::{Inner, Joined, Replication, StartError, keeper::Keeper, routes::Routes};
use crate::{
    alarms::Alarms,
    api::{MetadataObserver, Sessions},
    ask::Asking,
    batcher::Batcher,
    client::{self, Route},
    counts::Counts,
    deadlines::{Deadlines, Ticker},
    effects::{Blobs, EffectQueue, Effects, StoredBlobs},
    entry_cache::EntryCache,
    founding::FoundingError,
    group::{Context, Group},
    health::Health,
    liveness::Liveness,
    local::{Bodies, LocalGroup, LocalKeeper},
    machine::Machine,
    members::Members,
    meta::{MetaMachine, MetaState, Others},
    shard::ShardMachine,
    supervisor::{Duty, Supervisor},
    transport::{LinkEvents, Local, PeerAddress, Peers},
};

/// There when all groups that this node founds had their beginning. From then on a group without data is one that this node has
/// not, or has not any more.
const BEGUN: &str = "begun";

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
            health: Arc::clone(&inner.health),
            shutdown: joined.shutdown.clone(),
        };
        inner.start_local(&context);
        let counts = Arc::clone(&inner.counts);
        let telling = until(async move { counts.run().await }, context.shutdown.clone());
        telemetry::task::spawn(TaskKind::Critical(context.shutdown.clone()), "counts", telling);
        let may_have_clients = {
            let inner = Arc::clone(&inner);
            move || inner.members.own_state().serves_clients() || inner.counts.is_any_here()
        };
        let telling = Arc::clone(&inner.health).run(Arc::clone(&inner.peers), may_have_clients);
        let telling = until(telling, context.shutdown.clone());
        telemetry::task::spawn(TaskKind::Critical(context.shutdown.clone()), "health", telling);
        let begun = context.store.read_node_value(BEGUN).map_err(FoundingError::from)?.is_some();
        let founding = |group: GroupId| {
            let placement = inner.identity.founded.placements.get(&group).filter(|_| !begun);
            placement.map(|placement| placement.voters.clone())
        };
        inner
            .open_meta(&context, founding(GroupId::META))
            .await
            .map_err(|source| StartError::Group { group: GroupId::META, source })?;
        for group in (1..=inner.identity.shards).map(GroupId) {
            let founding = founding(group).filter(|voters| voters.contains(&inner.identity.node));
            let is_here = founding.is_some() || inner.members.concerns(group);
            if is_here || has_data(&context.store, group).map_err(FoundingError::from)? {
                let opened = inner.open_shard(&context, group, founding).await;
                opened.map_err(|source| StartError::Group { group, source })?;
            }
        }
        if !begun {
            context.store.write_node_value(BEGUN, bytes::Bytes::from_static(b"1")).map_err(FoundingError::from)?;
        }
        let ticking = until(Arc::clone(&inner).tick_clients(), context.shutdown.clone());
        telemetry::task::spawn(TaskKind::Critical(context.shutdown.clone()), "ticks of group clients", ticking);
        let events: Arc<dyn LinkEvents> = inner.clone();
        // The door opens last: what peers say once must find somebody.
        *joined.door.local.write() = Some(inner.peers.local().clone());
        inner.peers.start(&events);
        let keeper = Keeper { inner: Arc::clone(&inner), context: context.clone() };
        let kind = TaskKind::Critical(context.shutdown.clone());
        telemetry::task::spawn(kind, "keeper of groups", until(keeper.run(), context.shutdown.clone()));
        Ok(Replication(inner))
    }
}

/// Whether the store knows anything of the group.
fn has_data(store: &Arc<dyn LogStore>, group: GroupId) -> Result<bool, storage::Error> {
    store.recover(group).map(|state| state != GroupState::default())
}

impl Inner {
    fn new(joined: &Joined, sessions: Arc<dyn Sessions>, observer: Arc<dyn MetadataObserver>) -> Self {
        let identity = joined.identity.clone();
        let node = identity.node;
        let local = Local { cluster_id: identity.cluster_id.clone(), node, boot: joined.boot };
        let addresses = identity.members.iter().filter(|(member, _)| **member != node);
        let addresses = addresses.map(|(node, member)| PeerAddress { node: *node, address: member.address.clone() });
        let peers = Arc::new(Peers::new(Arc::clone(&joined.config.environment.network), local, addresses.collect()));
        let liveness = Arc::new(Liveness::default());
        let members = Arc::new(Members::new(node, identity.founded.clone()));
        let routes =
            Arc::new(Routes { node, peers: Arc::clone(&peers), batchers: RwLock::default(), local: Arc::default() });
        let route: Arc<dyn Route> = routes.clone();
        let others =
            Others { peers: Arc::clone(&peers), route, liveness: Arc::clone(&liveness), members: Arc::clone(&members) };
        let meta = MetaState::new(node, joined.boot, observer, others);
        let alarms = Alarms::new(node, Arc::clone(&peers), Arc::clone(&liveness), Arc::clone(&sessions));
        Inner {
            alarms,
            counts: Arc::new(Counts::new(node, Arc::clone(&peers), Arc::clone(&liveness))),
            asking: Arc::new(Asking::new(Arc::clone(&peers), Arc::clone(&liveness))),
            config: joined.config.clone(),
            identity,
            members,
            expelled: AtomicBool::new(false),
            boot: joined.boot,
            clock: joined.config.environment.clock.clone(),
            peers,
            asked: Arc::default(),
            health: Arc::new(Health::new(joined.config.environment.clock.clone())),
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

    /// Has the clients of all groups see how long nothing was answered.
    async fn tick_clients(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_millis(client::TICK_MS)).await;
            let clients: Vec<_> = self.clients.read().values().cloned().collect();
            clients.iter().for_each(|client| client.tick());
        }
    }

    fn start_local(&self, context: &Context) {
        let group = GroupId::local(self.identity.node);
        let bodies = Bodies::default();
        let effects = Arc::clone(&self.local_effects);
        let kind = || TaskKind::Critical(context.shutdown.clone());
        let local = LocalGroup {
            queue: Arc::clone(&self.routes.local),
            machine: Arc::clone(&self.local_machine),
            bodies: Arc::clone(&bodies),
            effects: Arc::clone(&effects),
            health: Arc::clone(&self.health),
        };
        telemetry::task::spawn(kind(), "memory group", until(local.run(), context.shutdown.clone()));
        let keeper = LocalKeeper {
            queue: Arc::clone(&self.routes.local),
            machine: Arc::clone(&self.local_machine),
            node: self.identity.node,
            boot: self.boot,
            grace: context.config.timers.peer_grace,
            liveness: Arc::clone(&self.liveness),
            meta: Arc::clone(&self.meta),
            changes: self.meta.changes().of(group),
            sessions: Arc::clone(&self.sessions),
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
        blobs: Arc<dyn Blobs>,
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

    async fn open_meta(
        self: &Arc<Self>,
        context: &Context,
        founding: Option<BTreeSet<NodeId>>,
    ) -> Result<(), io::Error> {
        let batcher = Arc::new(Batcher::default());
        self.routes.batchers.write().insert(GroupId::META, Arc::clone(&batcher));
        let machine = MetaMachine::new(Arc::clone(&self.meta), Arc::clone(&batcher));
        let group = Group::open(context, GroupId::META, machine, batcher, Arc::default(), founding).await?;
        drop(self.meta_group.set(Arc::clone(&group)));
        let supervisor = self.supervisor(context, group);
        telemetry::task::spawn(TaskKind::Critical(context.shutdown.clone()), "metadata supervisor", supervisor.run());
        Ok(())
    }

    pub(super) async fn open_shard(
        self: &Arc<Self>,
        context: &Context,
        id: GroupId,
        founding: Option<BTreeSet<NodeId>>,
    ) -> Result<(), io::Error> {
        let context = &Context { shutdown: context.shutdown.child(), ..context.clone() };
        let batcher = Arc::new(Batcher::default());
        self.routes.batchers.write().insert(id, Arc::clone(&batcher));
        let queue = Arc::new(EffectQueue::default());
        let cache = Arc::new(EntryCache::default());
        let deadlines: Arc<Deadlines> = Arc::default();
        let machine = ShardMachine::new(
            id,
            Arc::clone(&batcher),
            Arc::clone(&queue),
            Arc::clone(&deadlines),
            Arc::clone(&context.store),
        );
        let blobs = Arc::new(StoredBlobs { group: id, store: Arc::clone(&context.store) });
        let effects = self.effects(id, queue, blobs, Arc::clone(&cache));
        let kind = || TaskKind::Critical(context.shutdown.clone());
        let run = until(effects.run(), context.shutdown.clone());
        telemetry::task::spawn(kind(), format!("effects of group {id}"), run);
        let group = Group::open(context, id, machine, batcher, cache, founding).await?;
        self.shards.write().insert(id, Arc::clone(&group));
        let ticker = until(Ticker { group: Arc::clone(&group), deadlines }.run(), context.shutdown.clone());
        telemetry::task::spawn(kind(), format!("ticker of group {id}"), ticker);
        let supervisor = self.supervisor(context, group);
        telemetry::task::spawn(kind(), format!("supervisor of group {id}"), supervisor.run());
        Ok(())
    }

    fn supervisor<M: Machine>(&self, context: &Context, group: Arc<Group<M>>) -> Supervisor<M> {
        Supervisor {
            changes: self.meta.changes().of(group.id),
            group,
            node: self.identity.node,
            liveness: Arc::clone(&self.liveness),
            timers: context.config.timers,
            checkpoints: context.config.checkpoints,
            shutdown: context.shutdown.clone(),
            boot: self.boot,
            meta: Arc::clone(&self.meta),
            sessions: Arc::clone(&self.sessions),
            duty: Duty::default(),
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
