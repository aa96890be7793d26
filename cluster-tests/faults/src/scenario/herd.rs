//! S22: a node dies that a third of a thousand clients are connected to, and all of them come to the others at once.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use types::FieldTable;

use super::{Scenario, bounds};
use crate::{amqp::Client, check::Finding, host::Need, stage::Stage};

pub(super) const HERD: Scenario =
    Scenario::new("S22", "a thousand clients come from a dead node to the others", Need::Processes, herd);

/// Connections, each with a consumer on a queue of its own.
const CLIENTS: usize = 1000;
/// Each client's thread does little.
const STACK_BYTES: usize = 256 * 1024;
/// How long they may take to connect all, the first time and again.
const CONNECT_MAX: Duration = Duration::from_secs(60);
/// How long they may take to notice that their node is dead: its sockets are closed.
const NOTICE_MAX: Duration = Duration::from_secs(10);
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a client looks whether it is to end.
const TURN: Duration = Duration::from_secs(1);
/// One death makes each group that the node led look for a leader once, and gives it back once; more than so many leaderships for
/// each group are a storm.
const LEADERSHIPS_PER_GROUP: u64 = 2;

#[derive(Debug)]
struct Herd {
    nodes: Vec<SocketAddr>,
    goes_on: AtomicBool,
    /// Connections of each node.
    connected: Vec<AtomicUsize>,
}

impl Herd {
    fn start(nodes: Vec<SocketAddr>) -> Result<(Arc<Self>, Vec<JoinHandle<()>>)> {
        let connected = nodes.iter().map(|_| AtomicUsize::new(0)).collect();
        let herd = Arc::new(Herd { nodes, goes_on: AtomicBool::new(true), connected });
        let spawn = |number| {
            let herd = Arc::clone(&herd);
            let builder = thread::Builder::new().name(format!("herd {number}")).stack_size(STACK_BYTES);
            builder.spawn(move || herd.client(number)).context("cannot start a client")
        };
        let clients = (0..CLIENTS).map(spawn).collect::<Result<_>>();
        if clients.is_err() {
            herd.goes_on.store(false, Ordering::Relaxed);
        }
        Ok((herd, clients?))
    }

    fn client(&self, number: usize) {
        let mut node = number % self.nodes.len();
        while self.goes_on.load(Ordering::Relaxed) {
            if self.stay(number, node).is_err() {
                node = (node + 1) % self.nodes.len();
                thread::sleep(PAUSE);
            }
        }
    }

    /// One connection, as long as it lasts.
    fn stay(&self, number: usize, node: usize) -> Result<()> {
        let mut client = Client::open(self.nodes[node], "herd")?;
        let queue = format!("herd{number}");
        client.declare(&queue, FieldTable::default(), false)?;
        client.consume(&queue, 1, FieldTable::default())?;
        self.connected[node].fetch_add(1, Ordering::Relaxed);
        let mut last = Ok(());
        while last.is_ok() && self.goes_on.load(Ordering::Relaxed) {
            last = client.next(Instant::now() + TURN).map(drop);
        }
        self.connected[node].fetch_sub(1, Ordering::Relaxed);
        last
    }
}

fn herd(stage: &mut Stage) -> Result<()> {
    let nodes = stage.world.all().into_iter().map(|node| stage.world.amqp(node)).collect();
    let (herd, clients) = Herd::start(nodes)?;
    let done = deaths(stage, &herd);
    herd.goes_on.store(false, Ordering::Relaxed);
    for client in clients {
        client.join().ok();
    }
    done
}

fn deaths(stage: &mut Stage, herd: &Herd) -> Result<()> {
    let count = |node: &usize| herd.connected[*node - 1].load(Ordering::Relaxed);
    let nodes = stage.world.all();
    let connected = || nodes.iter().map(count).sum::<usize>();
    let are_all = |_: &Stage| connected() == CLIENTS;
    loop {
        ensure!(stage.wait(CONNECT_MAX, are_all), "only {} clients connect", connected());
        // Clients stay where they come to: in later rounds it may have more, or none.
        let node = stage.leader()?;
        let (clients, others) = (count(&node), stage.world.others(&[node]));
        let before = leaderships(stage, &others)?;
        stage.fault(format!("node{node} is killed, with {clients} of {CLIENTS} clients"), bounds::KILL, |stage| {
            stage.world.kill(&[node])?;
            let begin = Instant::now();
            ensure!(stage.wait(NOTICE_MAX, |_| count(&node) == 0), "clients do not notice that their node is dead");
            ensure!(stage.wait(CONNECT_MAX, are_all), "only {} clients connect", connected());
            println!("   {clients} clients are connected elsewhere after {:.1} s", begin.elapsed().as_secs_f64());
            stage.world.restart(&[node])
        })?;
        let groups = u64::try_from(stage.world.api(others[0]).replicas()?.len())?;
        let since = leaderships(stage, &others)? - before;
        ensure!(since > 0, "nobody took over what the node led, or nobody counts it");
        if since > groups * LEADERSHIPS_PER_GROUP {
            let text = format!("{since} leaderships of {groups} groups for one death");
            stage.findings.push(Finding { invariant: "I12", count: 1, text });
        }
        if !stage.goes_on() {
            return Ok(());
        }
    }
}

fn leaderships(stage: &Stage, nodes: &[usize]) -> Result<u64> {
    nodes.iter().map(|node| stage.world.api(*node).metric("quorate_replication_leaderships_total")).sum()
}
