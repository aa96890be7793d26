//! Nodes, each in a runtime of its own, so that one can be killed with everything that it runs.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use metadata::Reply;
use parking_lot::{Mutex, MutexGuard};
use queue::{Command, Enqueue, EnqueueRun, QueueConfig, QueueStats};
use replication::{
    Checkpoints, ClusterError, Config, Environment, Founder, Groups, Joined, Metadata, Recovered, Replication,
    StartError, Timers,
};
use storage::{GroupState, LogStore, Options, RocksStore};
use telemetry::Shutdown;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use types::{Blob, BlobBuilder, GroupId, NodeId, QueueId, RecordParts, SessionId};

use crate::{
    gate::Gate,
    recorder::{DEADLINE, Recorder, until},
};

/// Shards of a test's cluster; as many as nodes, so that each node is to lead one.
pub(crate) const SHARDS: u32 = 3;
/// Ids that metadata has not given out, so that no leader takes these queues for deleted ones.
pub(crate) const QUEUE: QueueId = QueueId(1 << 40);

/// One cluster at a time: they are for few cores.
static ONE: Mutex<()> = Mutex::new(());

/// Slower than in production: on a busy machine a node that waits for its turn is not dead.
pub(crate) const TIMERS: Timers = Timers {
    heartbeat: Duration::from_millis(150),
    election_min: Duration::from_millis(800),
    election_max: Duration::from_millis(1600),
    peer_grace: Duration::from_secs(60),
    replace_after: Duration::from_secs(1),
    heal_after: Duration::ZERO,
};

/// What a node keeps when it is killed.
enum Disk {
    Memory(Arc<Gate>),
    Folder(TempDir),
}

impl Disk {
    fn memory() -> Self {
        Disk::Memory(Arc::default())
    }

    fn open(&self) -> Arc<dyn LogStore> {
        match self {
            Disk::Memory(store) => {
                store.restart();
                store.clone()
            }
            Disk::Folder(folder) => {
                let mut options = Options::new(Arc::new(|error| panic!("{error}")));
                options.memory_bytes = Options::MEMORY_BYTES_MIN;
                RocksStore::open(folder.path(), options).unwrap()
            }
        }
    }
}

pub(crate) struct Node {
    pub(crate) replication: Replication,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) id: NodeId,
    first_serial: u64,
    runtime: Runtime,
    _shutdown: Shutdown,
}

pub(crate) struct Cluster {
    /// All nodes that there ever were; the first of them are founders.
    addresses: Vec<Founder>,
    founding: usize,
    checkpoints: Checkpoints,
    nodes: Vec<Option<Node>>,
    disks: Vec<Disk>,
    _one: MutexGuard<'static, ()>,
}

impl Cluster {
    pub(crate) fn in_memory() -> Self {
        Self::in_memory_with(Checkpoints::default())
    }

    /// The same, with other bounds of the groups' logs.
    pub(crate) fn in_memory_with(checkpoints: Checkpoints) -> Self {
        Self::of(3, checkpoints)
    }

    pub(crate) fn on_disk() -> Self {
        Self::found(3, Checkpoints::default(), || Disk::Folder(tempfile::tempdir().unwrap()))
    }

    /// So many founders, whose logs are kept no longer than that.
    pub(crate) fn of(founding: usize, checkpoints: Checkpoints) -> Self {
        Self::found(founding, checkpoints, Disk::memory)
    }

    fn found(founding: usize, checkpoints: Checkpoints, disk: impl Fn() -> Disk) -> Self {
        let one = ONE.lock();
        let mut cluster =
            Cluster { addresses: Vec::new(), founding, checkpoints, nodes: Vec::new(), disks: Vec::new(), _one: one };
        // All are held until all are known, so that no two are the same.
        let ports: Vec<TcpListener> = (0..founding).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        for port in &ports {
            cluster.addresses.push(cluster.address(port));
            cluster.nodes.push(None);
            cluster.disks.push(disk());
        }
        drop(ports);
        // None is founded before all are there.
        let nodes: Vec<Node> = std::thread::scope(|scope| {
            let cluster = &cluster;
            let starting: Vec<_> = (0..founding).map(|at| scope.spawn(move || cluster.boot(at, TIMERS))).collect();
            starting.into_iter().map(|node| node.join().unwrap()).collect()
        });
        cluster.nodes = nodes.into_iter().map(Some).collect();
        cluster
    }

    fn address(&self, port: &TcpListener) -> Founder {
        let name = format!("node-{}", self.addresses.len() + 1);
        Founder { name, address: port.local_addr().unwrap().to_string() }
    }

    /// Another node, with an empty disk, that knows the founders; it joins.
    pub(crate) fn add(&mut self) -> usize {
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        self.addresses.push(self.address(&port));
        drop(port);
        let at = self.nodes.len();
        self.disks.push(Disk::memory());
        self.nodes.push(None);
        self.revive(at, TIMERS);
        at
    }

    /// A killed node finds its disk empty when it starts again.
    pub(crate) fn wipe(&mut self, at: usize) {
        assert!(self.nodes[at].is_none());
        self.disks[at] = Disk::memory();
    }

    /// The name of a node.
    pub(crate) fn name(&self, at: usize) -> &str {
        &self.addresses[at].name
    }

    /// The majority is given up in favour of a killed node.
    pub(crate) fn recover(&self, at: usize) -> Recovered {
        assert!(self.nodes[at].is_none());
        replication::recover_lost_majority(&self.disks[at].open()).unwrap()
    }

    /// What a node's disk has of a group.
    pub(crate) fn on_disk_of(&self, at: usize, group: GroupId) -> GroupState {
        match &self.disks[at] {
            Disk::Memory(store) => store.recover(group).unwrap(),
            Disk::Folder(_) => panic!("only for disks in memory"),
        }
    }

    fn boot(&self, at: usize, timers: Timers) -> Node {
        let config = Config {
            cluster_name: "test".to_owned(),
            name: self.addresses[at].name.clone(),
            founders: self.addresses[..self.founding].to_vec(),
            seeds: Vec::new(),
            address: Some(self.addresses[at].address.clone()),
            shards: SHARDS,
            timers,
            checkpoints: self.checkpoints,
            environment: Environment::default(),
        };
        let listen: SocketAddr = self.addresses[at].address.parse().unwrap();
        let store = self.disks[at].open();
        let recorder = Arc::new(Recorder::default());
        let shutdown = Shutdown::new();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let starting = async {
            let start = Instant::now();
            let joined = loop {
                let joined = Joined::join(config.clone(), listen, Arc::clone(&store), shutdown.clone()).await;
                match joined {
                    // Somebody's outgoing connection may have been given the port.
                    Err(StartError::Listen { .. }) if start.elapsed() < DEADLINE => tokio::task::yield_now().await,
                    joined => break joined.unwrap(),
                }
            };
            let (id, first_serial) = (joined.identity().node, joined.first_session_serial());
            let (sessions, observer) = (Arc::clone(&recorder), Arc::clone(&recorder));
            let replication = Replication::start(joined, sessions, observer).await.unwrap();
            (replication, id, first_serial)
        };
        let (replication, id, first_serial) = runtime.block_on(starting);
        Node { replication, recorder, id, first_serial, runtime, _shutdown: shutdown }
    }

    pub(crate) fn node(&self, at: usize) -> &Node {
        self.nodes[at].as_ref().unwrap()
    }

    /// The disk in memory of a node.
    pub(crate) fn gate(&self, at: usize) -> &Arc<Gate> {
        match &self.disks[at] {
            Disk::Memory(gate) => gate,
            Disk::Folder(_) => panic!("its disk is a folder"),
        }
    }

    pub(crate) fn is_there(&self, at: usize) -> bool {
        self.nodes[at].is_some()
    }

    /// The nodes that are there.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    /// Where the leader of a group is, once one is known that is there.
    pub(crate) fn leader(&self, group: GroupId) -> usize {
        let mut leader = None;
        until("the group has a leader", || {
            leader = self.nodes.iter().position(|node| node.as_ref().is_some_and(|n| n.replication.is_leader(group)));
            leader.is_some()
        });
        leader.unwrap()
    }

    /// Waits until all nodes reach each other and know all leaders.
    pub(crate) fn settle(&self) {
        until("all nodes reach each other", || {
            let pairs = self.nodes().flat_map(|a| self.nodes().map(move |b| (a, b)));
            pairs.filter(|(a, b)| a.id != b.id).all(|(a, b)| a.replication.is_live(b.id))
        });
        until("all leaders are known", || self.nodes().all(|node| node.replication.leaderless().is_empty()));
    }

    /// The node's process is gone, with everything that it had not written.
    pub(crate) fn kill(&mut self, at: usize) {
        let Node { replication, runtime, .. } = self.nodes[at].take().unwrap();
        runtime.shutdown_timeout(DEADLINE);
        drop(replication);
    }

    /// A killed node starts again with its disk.
    pub(crate) fn revive(&mut self, at: usize, timers: Timers) {
        assert!(self.nodes[at].is_none());
        self.nodes[at] = Some(self.boot(at, timers));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in self.nodes.drain(..).flatten() {
            node.runtime.shutdown_background();
        }
    }
}

impl Node {
    /// A session of this incarnation.
    pub(crate) fn session(&self, number: u64) -> SessionId {
        SessionId { node: self.id, serial: self.first_serial + number }
    }

    pub(crate) fn submit(&self, group: GroupId, session: SessionId, token: u64, commands: Vec<Command>) {
        self.replication.submit(group, session, token, commands, Blob::default());
    }

    /// One chunk with these messages for a queue.
    pub(crate) fn publish(&self, group: GroupId, session: SessionId, token: u64, queue: QueueId, bodies: &[String]) {
        let mut blob = BlobBuilder::default();
        for body in bodies {
            let body = [Bytes::from(body.clone())];
            blob.push(&RecordParts { exchange: b"", routing_key: b"q", properties: b"", body: &body });
        }
        let count = blob.slot_count();
        let sizes = (0..count).map(|slot| blob.record_len(slot).unwrap()).collect();
        let enqueue = Enqueue {
            first_slot: 0,
            sizes,
            runs: vec![EnqueueRun { queue, first_slot: 0, count, ..EnqueueRun::default() }],
            source: None,
        };
        self.replication.submit(group, session, token, vec![Command::Enqueue(enqueue)], blob.finish());
    }

    /// Makes a queue, and waits until it is there.
    pub(crate) fn create(&self, group: GroupId, session: SessionId, queue: QueueId) {
        self.submit(group, session, 0, vec![Command::CreateQueue { queue, config: QueueConfig::default() }]);
        self.recorder.answers(session, group, 1);
    }

    pub(crate) fn stats(&self, group: GroupId, queue: QueueId) -> QueueStats {
        self.replication.queue_stats(group, queue).unwrap_or_default()
    }

    /// Gives an order to the cluster; what it answers.
    pub(crate) fn order<'a, T>(&'a self, order: impl FnOnce(&'a Replication) -> T) -> Result<String, ClusterError>
    where
        T: Future<Output = Result<String, ClusterError>>,
    {
        self.runtime.block_on(order(&self.replication))
    }

    pub(crate) fn propose(&self, command: metadata::Command) -> Reply {
        self.runtime.block_on(self.replication.propose(command)).unwrap()
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}
