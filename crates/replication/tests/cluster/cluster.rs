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
    Checkpoints, Config, Environment, Founder, Groups, Joined, Metadata, Replication, StartError, Timers,
};
use storage::{LogStore, Options, RocksStore};
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
};

/// What a node keeps when it is killed.
enum Disk {
    Memory(Arc<Gate>),
    Folder(TempDir),
}

impl Disk {
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
    founders: Vec<Founder>,
    nodes: Vec<Option<Node>>,
    disks: Vec<Disk>,
    log: Checkpoints,
    _one: MutexGuard<'static, ()>,
}

impl Cluster {
    pub(crate) fn in_memory() -> Self {
        Self::in_memory_with(Checkpoints::default())
    }

    /// The same, with other bounds of the groups' logs.
    pub(crate) fn in_memory_with(log: Checkpoints) -> Self {
        Self::start(log, || Disk::Memory(Arc::default()))
    }

    pub(crate) fn on_disk() -> Self {
        Self::start(Checkpoints::default(), || Disk::Folder(tempfile::tempdir().unwrap()))
    }

    fn start(log: Checkpoints, disk: impl Fn() -> Disk) -> Self {
        let one = ONE.lock();
        // All are held until all are known, so that no two are the same.
        let ports: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = ports.iter().map(|port| port.local_addr().unwrap().to_string());
        let founders =
            (1..).zip(addresses).map(|(n, address)| Founder { name: format!("node-{n}"), address }).collect();
        drop(ports);
        let mut cluster = Cluster {
            founders,
            nodes: (0..3).map(|_| None).collect(),
            disks: (0..3).map(|_| disk()).collect(),
            log,
            _one: one,
        };
        // None is founded before all are there.
        let nodes: Vec<Node> = std::thread::scope(|scope| {
            let cluster = &cluster;
            let starting: Vec<_> = (0..3).map(|at| scope.spawn(move || cluster.boot(at, TIMERS))).collect();
            starting.into_iter().map(|node| node.join().unwrap()).collect()
        });
        cluster.nodes = nodes.into_iter().map(Some).collect();
        cluster
    }

    fn boot(&self, at: usize, timers: Timers) -> Node {
        let config = Config {
            cluster_name: "test".to_owned(),
            name: self.founders[at].name.clone(),
            founders: self.founders.clone(),
            shards: SHARDS,
            timers,
            checkpoints: self.log,
            environment: Environment::default(),
        };
        let listen: SocketAddr = self.founders[at].address.parse().unwrap();
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

    pub(crate) fn propose(&self, command: metadata::Command) -> Reply {
        self.runtime.block_on(self.replication.propose(command)).unwrap()
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}
