//! One run: the plan of a seed, carried out step by step, and what was found.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyhow::{Result, anyhow};
use replication::Metadata;
use storage::sim::SimStore;
use turmoil::Sim;

use crate::{
    determinism,
    disk::Disk,
    mutation::Mutation,
    network::Links,
    node::{self, NO_MEMBER, Setup},
    plan::{Fault, Plan},
    witness,
    world::{World, name},
};

/// One step of simulated time: what is closer together is simultaneous for the network.
const STEP: Duration = Duration::from_millis(1);
/// How often the replicas are looked at from outside. Unit: steps.
const LOOK_EVERY: u64 = 50;
/// How long everything may take to be well again after the last fault. A connection whose packets were dropped is given up after
/// eight seconds of silence, and several things may have to happen after that.
const CONVERGE: Duration = Duration::from_secs(90);
/// How long a cut whose packets were dropped is felt after it has ended.
const AFTERMATH: Duration = Duration::from_secs(14);

/// Set by the panic hook: no panic is in order.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) violations: Vec<String>,
    pub(crate) digest: u64,
    pub(crate) events: u64,
    pub(crate) simulated: Duration,
    /// Messages sent, confirmed, and deliveries heard.
    pub(crate) counts: (usize, usize, u64),
}

/// Runs a seed. Once in a process: the seed takes its randomness and its clocks.
pub(crate) fn run(seed: u64, mutation: Option<Mutation>, is_printed: bool) -> Result<Outcome> {
    determinism::begin(seed);
    std::panic::set_hook(Box::new(|panic| {
        PANICKED.store(true, Ordering::SeqCst);
        eprintln!("{panic}");
    }));
    let ack_of_old_term = mutation == Some(Mutation::AckOfOldTerm);
    replication::mutation::ACK_OF_OLD_TERM.store(ack_of_old_term, Ordering::Relaxed);
    let plan = Arc::new(Plan::draw(seed));
    let world = World::new(plan.nodes, is_printed, mutation);
    if is_printed {
        println!("{plan:#?}");
    }
    let mut run = Run::new(&plan, &world);
    run.work()?;
    if world.violations().is_empty() {
        run.converge()?;
    }
    let (digest, events) = world.trace.digest();
    let counts = world.oracle.lock().counts();
    Ok(Outcome { violations: world.violations(), digest, events, simulated: run.sim.elapsed(), counts })
}

struct Run {
    plan: Arc<Plan>,
    world: Arc<World>,
    sim: Sim<'static>,
    disks: Vec<Arc<Disk>>,
    stores: Vec<Arc<SimStore>>,
    links: Links,
    /// Nodes that have left the cluster.
    left: Vec<bool>,
    /// Nodes that feel a fault of the network until then.
    shaken_until: Vec<Duration>,
    /// The next fault of the plan.
    next: usize,
    steps: u64,
}

impl Run {
    fn new(plan: &Arc<Plan>, world: &Arc<World>) -> Self {
        let mut builder = turmoil::Builder::new();
        builder
            .rng_seed(plan.seed)
            .epoch(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
            .tick_duration(STEP)
            .simulation_duration(Duration::from_secs(3_600))
            .min_message_latency(Duration::ZERO)
            .max_message_latency(plan.latency_max)
            .tcp_capacity(4_096)
            .enable_random_order();
        let mut sim = builder.build();
        let disks: Vec<Arc<Disk>> = (1..)
            .take(plan.nodes)
            .map(|n| Arc::new(Disk::new(plan.seed.rotate_left(17) ^ n, plan.sync_max_ms)))
            .collect();
        for (at, disk) in disks.iter().enumerate() {
            let setup = Setup { world: Arc::clone(world), plan: Arc::clone(plan), disk: Arc::clone(disk), at };
            sim.host(name(at), move || node::run(setup.clone()));
            if at < plan.founders {
                world.started(at);
            } else {
                sim.crash(name(at));
            }
        }
        Run {
            plan: Arc::clone(plan),
            world: Arc::clone(world),
            sim,
            stores: disks.iter().map(|disk| Arc::clone(&disk.store)).collect(),
            disks,
            links: Links::new(plan.nodes),
            left: vec![false; plan.nodes],
            shaken_until: vec![Duration::ZERO; plan.nodes],
            next: 0,
            steps: 0,
        }
    }

    /// Clients work, and things go wrong as planned.
    fn work(&mut self) -> Result<()> {
        while self.sim.elapsed() < self.plan.work && self.world.violations().is_empty() {
            while let Some((_, fault)) = self.plan.faults.get(self.next).filter(|(at, _)| *at <= self.sim.elapsed()) {
                let fault = fault.clone();
                self.next += 1;
                self.begin(fault);
            }
            self.step()?;
        }
        Ok(())
    }

    /// Nothing goes wrong any more: all nodes must come together again, and all that was confirmed must be found.
    fn converge(&mut self) -> Result<()> {
        self.world.trace.event("faults", format_args!("no more"));
        self.begin(Fault::Mend);
        for node in 0..self.plan.nodes {
            self.begin(Fault::Start { node });
        }
        self.disks.iter().for_each(|disk| disk.stall_until(Duration::ZERO));
        self.world.drain();
        let deadline = self.sim.elapsed() + CONVERGE;
        let mut unfinished = vec!["nothing was looked at".to_owned()];
        while self.world.violations().is_empty() {
            if self.sim.elapsed() >= deadline {
                let what = format!("not well again {CONVERGE:?} after the last fault: {}", unfinished.join("; "));
                self.world.violation(what);
                return Ok(());
            }
            self.step()?;
            if self.steps.is_multiple_of(LOOK_EVERY) {
                // A sync that was told to fail may have done so only now.
                (0..self.plan.nodes).for_each(|node| self.start(node));
                self.end_who_left();
                unfinished = self.unfinished();
                if unfinished.is_empty() {
                    break;
                }
            }
        }
        self.last_look();
        Ok(())
    }

    fn step(&mut self) -> Result<()> {
        let now = self.sim.elapsed();
        determinism::set_elapsed(now);
        self.world.trace.set_elapsed(now);
        for node in self.links.cut_off() {
            self.world.trouble(node);
        }
        for (node, until) in self.shaken_until.iter().enumerate() {
            if now < *until {
                self.world.trouble(node);
            }
        }
        self.sim.step().map_err(|error| anyhow!("{error}"))?;
        self.steps += 1;
        for node in 0..self.plan.nodes {
            if let Some(why) = self.world.failure(node) {
                // Who left while it was still joining finds that it belongs to nobody.
                let is_leaving = self.world.leaving().is_some_and(|(leaving, _)| leaving == node);
                if (is_leaving && why == NO_MEMBER) || self.world.who_left() == Some(node) {
                    self.leaves(node);
                } else if !self.stores[node].has_failed() {
                    self.world.violation(format!("node {} stopped by itself: {why}", node + 1));
                }
                self.kill(node, false);
            }
        }
        if self.steps.is_multiple_of(LOOK_EVERY) {
            witness::look(&self.world, &self.stores);
        }
        if PANICKED.load(Ordering::SeqCst) {
            self.world.violation("a task panicked".to_owned());
        }
        Ok(())
    }

    fn begin(&mut self, fault: Fault) {
        self.world.trace.event("faults", format_args!("{fault:?}"));
        match fault {
            Fault::Cut { .. } | Fault::CutOneWay { .. } => self.links.set_fault(&self.sim, Some(fault)),
            Fault::Slow { latency } => {
                self.sim.set_max_message_latency(latency);
                self.shake(0..self.plan.nodes);
            }
            Fault::Mend => {
                self.shake(self.links.cut_off());
                self.links.set_fault(&self.sim, None);
                self.sim.set_max_message_latency(self.plan.latency_max);
            }
            Fault::Kill { node, power } => self.kill(node, power),
            Fault::KillAll => (0..self.plan.nodes).for_each(|node| self.kill(node, false)),
            Fault::Start { node } => self.start(node),
            Fault::Stall { node, lasts } => self.disks[node].stall_until(self.sim.elapsed() + lasts),
            Fault::FailSync { node } => self.stores[node].fail_next_sync(),
            Fault::Wipe { node } => {
                self.kill(node, false);
                self.disks[node].wipe();
                self.world.raft.lock().wiped(node);
            }
            Fault::Decommission { node } => self.world.order_leave(node),
            Fault::SetClock { node, offset_ms } => self.world.set_clock_offset_ms(node, offset_ms),
        }
    }

    fn shake(&mut self, nodes: impl IntoIterator<Item = usize>) {
        let until = self.sim.elapsed() + AFTERMATH;
        nodes.into_iter().for_each(|node| self.shaken_until[node] = until);
    }

    fn kill(&mut self, node: usize, power: bool) {
        if !self.world.is_up(node) {
            return;
        }
        self.world.trace.event(&name(node), format_args!("killed (power: {power})"));
        if power {
            self.links.set_dark(&self.sim, node, true);
        }
        self.world.trouble(node);
        self.world.ended(node, power);
        self.sim.crash(name(node));
        self.disks[node].crash();
        self.world.raft.lock().ended(node);
        self.world.oracle.lock().node_gone(node);
    }

    fn start(&mut self, node: usize) {
        if self.world.is_up(node) || self.left[node] {
            return;
        }
        self.links.set_dark(&self.sim, node, false);
        self.world.started(node);
        self.sim.bounce(name(node));
    }

    /// A node that has left without hearing of it is ended by its operator.
    fn end_who_left(&mut self) {
        if let Some(node) = self.world.who_left().filter(|node| !self.left[*node]) {
            self.leaves(node);
            self.kill(node, false);
        }
    }

    fn leaves(&mut self, node: usize) {
        self.left[node] = true;
        self.world.ended_for_good(node);
    }

    /// What is not well yet.
    fn unfinished(&self) -> Vec<String> {
        let mut what = Vec::new();
        for at in (0..self.plan.nodes).filter(|at| !self.left[*at]) {
            let Some(running) = self.world.running(at) else {
                what.push(format!("{} has not started", name(at)));
                continue;
            };
            let replication = &running.replication;
            if let Some(waiting) = replication.cluster_status().waiting {
                what.push(format!("{} waits: {waiting}", name(at)));
            }
            let leaderless = replication.leaderless();
            if !leaderless.is_empty() {
                what.push(format!("{} knows no leader of {leaderless:?}", name(at)));
            }
            for view in replication.inspect() {
                let last = self.world.raft.lock().last_applied(view.group);
                if view.applied != last {
                    what.push(format!(
                        "{} has applied group {} up to {:?} of {last:?}",
                        name(at),
                        view.group,
                        view.applied
                    ));
                }
            }
            for queue in replication.read().queues() {
                let stats = replication.queue_stats(queue.group, queue.id);
                let left = stats.map_or(0, |stats| stats.ready + stats.unacked + stats.delayed);
                if left > 0 {
                    what.push(format!("{} has {left} messages in {}", name(at), queue.name));
                }
            }
        }
        let publishing = self.world.publishing();
        if publishing > 0 {
            what.push(format!("{publishing} publishers wait for answers"));
        }
        what
    }

    /// All is quiet.
    fn last_look(&self) {
        witness::look(&self.world, &self.stores);
        let mut found = self.world.oracle.lock().drained();
        for at in 0..self.plan.nodes {
            let Some(running) = self.world.running(at) else { continue };
            let metadata = running.replication.read();
            let has = |name: &str| metadata.queue(b"/", name.as_bytes()).is_some();
            found.extend(
                self.world.oracle.lock().known_queues(has).into_iter().map(|what| format!("{}: {what}", name(at))),
            );
        }
        found.into_iter().for_each(|what| self.world.violation(what));
    }
}
