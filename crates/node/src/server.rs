//! A node from start to stop: storage, cluster, broker, listeners; and the other way round.

use std::{
    fs,
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use anyhow::Context;
use auth::LoopbackUsers;
use broker::Broker;
use management::ProductView;
use replication::{
    Checkpoints, Counts, Environment, Founder, Groups, Joined, Metadata, MetadataObserver, Replication, Sessions,
    Timers,
};
use storage::{LogStore, RocksStore};
use telemetry::{Cause, Shutdown, task::TaskKind};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use types::ShortStr;

use crate::{
    alarms, bootstrap,
    config::{self, Config},
    damage,
    definitions::{Definitions, Turn},
    keys::Flags,
    logging, memory,
    peers::Answers,
    serving, stall, token,
    view::{NodeStatus, Process},
};

/// How long stopping may take after the store has failed: each of its steps has a shorter limit.
const LAST_RESORT: Duration = Duration::from_secs(20);
/// How long what was queued for the disk may take to get there at shutdown.
const FLUSH: Duration = Duration::from_secs(10);

/// Runs a node until it is told to stop.
pub(crate) fn main(flags: &Flags) -> anyhow::Result<ExitCode> {
    let config = Config::load(flags)?;
    logging::start(&config.log.filter, config.log.json)?;
    crate::runtime()?.block_on(run(config))
}

async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let definitions = Definitions::read(&config.definitions)?;
    let turn = Arc::new(Turn::new(definitions.is_some()));
    let root = Shutdown::new();
    let prometheus = management::install_recorder()?;
    describe_metrics();
    let store = open_store(&config, &root)?;
    let http = TcpListener::bind(config::resolve("listen.http", &config.listen.http)?)
        .await
        .with_context(|| format!("cannot listen for HTTP on {}", config.listen.http))?;
    let peer = config::resolve("listen.peer", &config.listen.peer)?;
    let log_store: Arc<dyn LogStore> = store.clone();
    let joined = tokio::select! {
        joined = Joined::join(replication_config(&config), peer, log_store, root.clone()) => joined?,
        () = stop_signal(&root) => return Ok(ExitCode::SUCCESS),
    };
    let identity = joined.identity().clone();
    let broker = Broker::new(broker_config(&config, &joined)?);
    let sessions: Arc<dyn Sessions> = broker.clone();
    let observer: Arc<dyn MetadataObserver> = broker.clone();
    let replication = Replication::start(joined, sessions, observer).await?;
    let groups: Arc<dyn Groups> = Arc::new(replication.clone());
    let metadata: Arc<dyn Metadata> = Arc::new(replication.clone());
    let counts: Arc<dyn Counts> = Arc::new(replication.clone());
    broker.attach(groups, metadata, counts);

    let background = TaskKind::Critical(root.clone());
    let first_vhost = config.vhost_templates()?.of(&ShortStr::truncated(&config.defaults.vhost));
    let setup = bootstrap::run(replication.clone(), config.defaults.clone(), first_vhost, root.clone());
    telemetry::task::spawn(TaskKind::Background, "bootstrap", setup);
    let limits = Arc::new(alarms::InForce::new(config.resource_limits(), memory::limit_bytes()));
    let watch = alarms::watch(Arc::clone(&store), replication.clone(), Arc::clone(&limits), root.clone());
    telemetry::task::spawn(background.clone(), "alarms", watch);
    let stalls = stall::watch(Arc::clone(&store), replication.clone(), root.clone());
    telemetry::task::spawn(background.clone(), "disk", stalls);
    let answers = Answers { name: config.node.name.clone(), broker: Arc::clone(&broker), turn: Arc::clone(&turn) };
    replication.answer_with(Arc::new(answers));
    let process = process(&config, http.local_addr()?, peer)?;
    let is_serving = Arc::new(AtomicBool::new(false));
    let view = NodeStatus {
        own: identity.node,
        replication: replication.clone(),
        store: Arc::clone(&store),
        product: product(&config),
        process,
        limits,
        is_serving: Arc::clone(&is_serving),
    };
    let (view, admin) = (Arc::new(view), Arc::clone(&broker));
    let admin_token = token::read_or_make(&config.node.data_dir)?;
    let token = root.token().clone();
    telemetry::task::spawn(background, "http", async move {
        if let Err(error) = management::serve(http, view, admin, admin_token, prometheus, token).await {
            tracing::error!(%error, "http server ended");
        }
    });
    let ready = async {
        replication.caught_up().await;
        match &definitions {
            Some(definitions) => definitions.import(&broker, &replication, &turn).await,
            None => Ok(()),
        }
    };
    tokio::select! {
        ready = ready => ready?,
        () = stop_signal(&root) => return Ok(exit_code(&root)),
    }
    serving::serve(&config, &broker, &replication, &is_serving, &root).await?;
    stop(&store, &root).await;
    Ok(exit_code(&root))
}

/// What the node tells of its process.
fn process(config: &Config, http: SocketAddr, peer: SocketAddr) -> anyhow::Result<Process> {
    let amqp = config::resolve("listen.amqp", &config.listen.amqp)?;
    let data_dir = fs::canonicalize(&config.node.data_dir).unwrap_or_else(|_| config.node.data_dir.clone());
    Ok(Process {
        started: Instant::now(),
        data_dir: data_dir.display().to_string(),
        listeners: vec![("amqp", amqp), ("http", http), ("clustering", peer)],
    })
}

fn product(config: &Config) -> ProductView {
    let (name, version) = (config.product.name.clone(), config.product.version.clone());
    ProductView { name, version, cluster: config.cluster.name.clone() }
}

fn broker_config(config: &Config, joined: &Joined) -> anyhow::Result<broker::Config> {
    let mut settings = broker::Config::new(joined.identity().node, joined.boot(), joined.first_session_serial());
    let users = config.defaults.loopback_users.iter();
    settings.loopback_users = LoopbackUsers(users.map(|name| ShortStr::truncated(name)).collect());
    let anonymous = &config.auth.anonymous_user;
    settings.anonymous_user = (!anonymous.is_empty()).then(|| ShortStr::truncated(anonymous));
    let limit = |most: u64| (most > 0).then_some(most);
    settings.node_name = ShortStr::truncated(&config.node.name);
    settings.connections_max = limit(config.limits.connections_per_node_max);
    settings.channels_max = limit(config.limits.channels_per_node_max);
    settings.consumers_per_channel_max = config.limits.consumers_per_channel_max;
    settings.consumer_timeout_ms = (config.limits.consumer_timeout_ms > 0).then_some(config.limits.consumer_timeout_ms);
    settings.default_queue_type = config.defaults.queue_type()?;
    settings.vhost_templates = config.vhost_templates()?;
    Ok(settings)
}

fn exit_code(root: &Shutdown) -> ExitCode {
    match root.cause() {
        Some(Cause::Failed(reason)) => {
            tracing::error!(reason, "stopped by a failure");
            ExitCode::FAILURE
        }
        Some(Cause::Requested(_)) | None => ExitCode::SUCCESS,
    }
}

fn describe_metrics() {
    telemetry::metrics::describe();
    storage::metrics::describe();
    replication::metrics::describe();
    broker::metrics::describe();
    amqp_server::metrics::describe();
    management::metrics::describe();
}

/// Opens the store; a store that fails later stops the process at once (ADR 0005).
fn open_store(config: &Config, root: &Shutdown) -> anyhow::Result<Arc<RocksStore>> {
    let dir = &config.node.data_dir;
    fs::create_dir_all(dir).with_context(|| format!("cannot make the data directory {}", dir.display()))?;
    damage::refuse_known(dir)?;
    let (root, data_dir) = (root.clone(), dir.clone());
    let mut options = storage::Options::new(Arc::new(move |error: &storage::Error| {
        if error.is_damage() {
            damage::note(&data_dir, error);
        } else {
            tracing::error!(%error, "storage failed, the node stops: see to the disk, then start it again; nothing that was confirmed is lost");
        }
        root.fail(format!("storage failed: {error}"));
        end_soon();
    }));
    options.memory_bytes = config.storage.memory_mb * 1024 * 1024;
    let store = RocksStore::open(damage::store(dir), options);
    if let Err(error) = &store
        && error.is_damage()
    {
        damage::note(dir, error);
    }
    store.with_context(|| format!("cannot open the store in {}", dir.display()))
}

/// The process ends, whatever else still waits for a disk that has failed.
fn end_soon() {
    let end = || {
        std::thread::sleep(LAST_RESORT);
        tracing::error!("the node did not stop in time, it ends now");
        std::process::exit(1);
    };
    if telemetry::spawn_thread("last-resort", end).is_err() {
        std::process::exit(1);
    }
}

fn replication_config(config: &Config) -> replication::Config {
    let cluster = &config.cluster;
    let founders = cluster.nodes.iter().map(|node| Founder { name: node.name.clone(), address: node.peer.clone() });
    replication::Config {
        cluster_name: cluster.name.clone(),
        name: config.node.name.clone(),
        founders: founders.collect(),
        seeds: cluster.seeds.clone(),
        address: config.peer_address(),
        shards: cluster.shards,
        timers: Timers {
            heartbeat: Duration::from_millis(cluster.heartbeat_ms),
            election_min: Duration::from_millis(cluster.election_min_ms),
            election_max: Duration::from_millis(cluster.election_max_ms),
            peer_grace: Duration::from_millis(cluster.peer_grace_ms),
            replace_after: Duration::from_millis(cluster.replace_after_ms),
            heal_after: Duration::from_millis(cluster.heal_after_ms),
        },
        checkpoints: Checkpoints {
            entries: config.storage.checkpoint_entries,
            lag_entries_max: config.storage.lag_entries_max,
            ..Checkpoints::default()
        },
        environment: Environment::default(),
    }
}

/// Waits for SIGTERM, SIGINT, or the end of something that the node cannot live without.
pub(crate) async fn stop_signal(root: &Shutdown) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        root.fail("signals cannot be received");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = root.triggered() => {}
    }
}

/// Waits until what was queued for the disk is there, then ends all that is left.
async fn stop(store: &Arc<RocksStore>, root: &Shutdown) {
    let (sender, done) = tokio::sync::oneshot::channel();
    store.barrier(Box::new(move |result| drop(sender.send(result))));
    if tokio::time::timeout(FLUSH, done).await.is_err() {
        tracing::warn!("the disk did not take everything in time");
    }
    root.request("stopped");
}
