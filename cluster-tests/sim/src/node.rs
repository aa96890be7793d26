//! One node, wired as the server does it: storage, cluster, broker; and the clients that are connected to it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use broker::Broker;
use metadata::{Bootstrap, Command, HashAlgorithm, PasswordHash, VhostDefaults};
use replication::{
    Checkpoints, Clock, Config, Counts, Environment, Founder, Groups, Joined, Metadata, MetadataObserver, OwnState,
    Replication, Sessions, Timers,
};
use storage::LogStore;
use telemetry::{Shutdown, TaskKind};
use types::{ShortStr, Timestamp};

use crate::{
    agents,
    disk::Disk,
    mutants,
    net::SimNetwork,
    plan::Plan,
    witness::NodeWitness,
    world::{Phase, Running, World, name},
};

const PORT: u16 = 25671;
/// The time of day when a simulation begins. Unit: milliseconds since the Unix epoch.
const BEGIN_MS: u64 = 1_800_000_000_000;
/// Pause after an attempt to set up the cluster that found no majority.
const RETRY: Duration = Duration::from_millis(500);
/// As the server: without a completed sync for so long, leaderships are given away.
const STALL_MS: u64 = 5_000;

/// Why the process of a node ends that has left the cluster.
pub(crate) const NO_MEMBER: &str = "it is no member any more";

/// What a node's process needs each time that it starts.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) world: Arc<World>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) at: usize,
}

/// Runs the process until it is killed.
pub(crate) async fn run(setup: Setup) -> turmoil::Result {
    let Setup { world, plan, disk, at } = setup;
    world.trace.event(&name(at), format_args!("process starts"));
    let syncing = Arc::clone(&disk).run(Arc::clone(&world), at);
    telemetry::spawn(TaskKind::Background, "syncer", syncing);
    let shutdown = Shutdown::new();
    let started = start(&world, &plan, &disk, at, &shutdown).await;
    let (running, root) = match started {
        Ok(running) => (running, shutdown),
        Err(error) => {
            world.fail(at, format!("could not start: {error:#}"));
            return std::future::pending().await;
        }
    };
    world.set_running(at, running.clone());
    telemetry::spawn(TaskKind::Background, "bootstrap", bootstrap(running.replication.clone()));
    let watch = watch_disk(Arc::clone(&disk), running.replication.clone());
    telemetry::spawn(TaskKind::Background, "disk watch", watch);
    telemetry::spawn(TaskKind::Background, "operator", obey(Arc::clone(&world), at, running.replication.clone()));
    let watch = send_away(Arc::clone(&running.broker), running.replication.clone());
    telemetry::spawn(TaskKind::Background, "clients", watch);
    let watch = watch_membership(Arc::clone(&world), at, running.replication.clone());
    telemetry::spawn(TaskKind::Background, "membership watch", watch);
    running.replication.caught_up().await;
    world.trace.event(&name(at), format_args!("serves clients"));
    agents::start(&world, &plan, at, &running.broker);
    root.triggered().await;
    world.fail(at, format!("{:?}", root.cause()));
    std::future::pending().await
}

async fn start(
    world: &Arc<World>,
    plan: &Plan,
    disk: &Disk,
    at: usize,
    shutdown: &Shutdown,
) -> anyhow::Result<Running> {
    let store: Arc<dyn LogStore> = mutants::store(world.mutation, &disk.store);
    let listen = SocketAddr::from(([0, 0, 0, 0], PORT));
    let joined = Joined::join(config(world, plan, disk, at), listen, store, shutdown.clone()).await?;
    let settings = broker::Config::new(joined.identity().node, joined.boot(), joined.first_session_serial());
    let broker = Broker::new(settings);
    let sessions: Arc<dyn Sessions> = mutants::sessions(world.mutation, &broker);
    let observer: Arc<dyn MetadataObserver> = broker.clone();
    let replication = Replication::start(joined, sessions, observer).await?;
    let groups: Arc<dyn Groups> = mutants::groups(world.mutation, &replication, &broker);
    let metadata: Arc<dyn Metadata> = Arc::new(replication.clone());
    let counts: Arc<dyn Counts> = Arc::new(replication.clone());
    broker.attach(groups, metadata, counts);
    Ok(Running { replication, broker })
}

fn config(world: &Arc<World>, plan: &Plan, disk: &Disk, at: usize) -> Config {
    let address = |at| format!("{}:{PORT}", name(at));
    let founders = (0..plan.founders).map(|at| Founder { name: name(at), address: address(at) });
    let clock = {
        let world = Arc::clone(world);
        Clock::of(move || {
            let elapsed = u64::try_from(world.trace.elapsed().as_millis()).unwrap_or(u64::MAX);
            Timestamp((BEGIN_MS + elapsed).saturating_add_signed(world.clock_offset_ms(at)))
        })
    };
    let witness = NodeWitness { world: Arc::clone(world), at, store: Arc::clone(&disk.store) };
    Config {
        cluster_name: "sim".to_owned(),
        name: name(at),
        founders: founders.collect(),
        seeds: Vec::new(),
        address: (at >= plan.founders).then(|| address(at)),
        shards: plan.shards,
        timers: Timers {
            peer_grace: Duration::from_secs(3),
            replace_after: Duration::from_secs(3),
            heal_after: plan.heal_after,
            ..Timers::default()
        },
        // So small that all of it happens within a run.
        checkpoints: Checkpoints {
            entries: plan.checkpoint_entries,
            age: Duration::from_secs(5),
            lag_entries_max: 200,
            ..Checkpoints::default()
        },
        environment: Environment {
            network: Arc::new(SimNetwork { world: Arc::clone(world) }),
            clock,
            witness: Some(Arc::new(witness)),
        },
    }
}

/// Sets up the new cluster, as the server does.
async fn bootstrap(replication: Replication) {
    while !replication.read().is_bootstrapped() {
        let salted = auth::hash_password(auth::Algorithm::Sha256, b"guest");
        let password = PasswordHash { algorithm: HashAlgorithm::Sha256, salted };
        let (vhost, user) = (ShortStr::from_static("/"), ShortStr::from_static("guest"));
        replication
            .propose(Command::Bootstrap(Bootstrap { vhost, user, password, defaults: VhostDefaults::default() }))
            .await
            .ok();
        tokio::time::sleep(RETRY).await;
    }
}

/// Takes the operator's orders to the cluster, until they are carried out.
async fn obey(world: Arc<World>, at: usize, replication: Replication) {
    loop {
        tokio::time::sleep(RETRY).await;
        let members = replication.cluster_status().nodes;
        // One that knocked at several doors may be let in by the last of them when it has left already.
        for member in world.left().into_iter().filter(|left| members.iter().any(|member| member.name == name(*left))) {
            let told = replication.forget(&name(member)).await;
            world.trace.event(&name(at), format_args!("{} is to be forgotten: {told:?}", name(member)));
        }
        let Some(leaving) = world.leave_order().filter(|_| world.phase() == Phase::Work) else { continue };
        let Some(member) = members.into_iter().find(|member| member.name == name(leaving)) else { continue };
        world.leave_ordered(member.node);
        let told = replication.decommission(&member.name, false).await;
        world.trace.event(&name(at), format_args!("decommission of {}: {told:?}", member.name));
        if told.is_ok() {
            world.leave_accepted();
        }
    }
}

/// Sends clients away while the cluster does not want the node to serve any, as the server does.
async fn send_away(broker: Arc<Broker>, replication: Replication) {
    loop {
        if !replication.own_state().serves_clients() {
            broker.close_connections("shutdown");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Ends the process of a node that is no member any more, as its operator would.
async fn watch_membership(world: Arc<World>, at: usize, replication: Replication) {
    let mut changes = replication.own_state_changes();
    while replication.own_state() != OwnState::Gone {
        if changes.changed().await.is_err() {
            return;
        }
    }
    world.fail(at, NO_MEMBER.to_owned());
}

/// Gives leaderships away while the disk hangs, as the server does.
async fn watch_disk(disk: Arc<Disk>, replication: Replication) {
    let mut stalled = false;
    loop {
        tokio::time::sleep(RETRY).await;
        let stalls = disk.store.stalled_ms() > STALL_MS;
        if stalls && !stalled {
            replication.hand_over(Duration::from_secs(3)).await;
        }
        stalled = stalls;
    }
}
