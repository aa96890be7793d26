//! The clients of a run: a thread each, with a history each. They connect to any node, and to another one when they lose it.

mod consumer;
mod declarer;
mod locker;
mod publisher;
mod racer;
mod strayer;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};

use crate::{
    amqp::Client,
    history::{Clock, Event, Op, Phase, Recorder},
    plan::{ConsumerPlan, Plan, QueuePlan},
};

pub use self::{declarer::DECLARED, locker::LOCK, racer::RACED, strayer::STRAYED};

/// Pause of a client that no node lets in.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// How long a client waits for the next frame before it looks at what is asked of it.
const TURN: Duration = Duration::from_millis(50);
/// How long clients may take to end.
const END_TIME_MAX: Duration = Duration::from_secs(60);

/// What clients share with the run.
#[derive(Debug)]
pub struct Shared {
    clock: Clock,
    folder: PathBuf,
    nodes: Vec<SocketAddr>,
    seed: u64,
    /// Publishers and declarers go on.
    publishing: AtomicBool,
    /// Consumers go on.
    consuming: AtomicBool,
    /// Grows when clients are to go back to their own nodes.
    homing: AtomicU32,
    /// Confirms so far.
    confirmed: AtomicU64,
    /// Publishers that are blocked.
    blocked: AtomicU32,
    /// Nanoseconds of the run's clock when each queue's last confirm came.
    last_confirm: Vec<AtomicU64>,
}

/// All clients of a run.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    plan: Arc<Plan>,
    /// Those who end when nobody is to publish any more.
    clients: Vec<JoinHandle<Result<()>>>,
    consumers: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    /// Starts all clients of the plan. Their histories go to the folder.
    ///
    /// # Errors
    /// When a queue cannot be declared, or a history cannot be written.
    pub fn start(plan: &Arc<Plan>, nodes: Vec<SocketAddr>, folder: &Path, clock: Clock, seed: u64) -> Result<Self> {
        declare(plan, &nodes)?;
        // A queue that nobody publishes to has no confirms to wait for.
        let never = |queue: &QueuePlan| if queue.publishers.is_empty() { u64::MAX } else { 0 };
        let last_confirm = plan.queues.iter().map(|queue| AtomicU64::new(never(queue))).collect();
        let shared = Arc::new(Shared {
            clock,
            folder: folder.to_owned(),
            nodes,
            seed,
            publishing: AtomicBool::new(true),
            consuming: AtomicBool::new(true),
            homing: AtomicU32::new(0),
            confirmed: AtomicU64::new(0),
            blocked: AtomicU32::new(0),
            last_confirm,
        });
        let mut load = Load { shared, plan: Arc::clone(plan), clients: Vec::new(), consumers: Vec::new() };
        for (place, queue) in (0..).zip(&plan.queues) {
            for (number, one) in queue.publishers.iter().copied().enumerate() {
                let plan = Arc::clone(plan);
                let work = move |seat| publisher::run(seat, &plan.queues[usize::from(place)].name, place, one);
                load.begin(number, work)?;
            }
            load.consume(place, &queue.consumers)?;
        }
        let nodes = load.shared.nodes.len();
        for number in 0..plan.declarers * nodes {
            load.begin(number, declarer::run)?;
        }
        for number in 0..plan.lockers {
            load.begin(number, move |seat| locker::run(seat, number == 0))?;
        }
        for number in 0..plan.racers {
            load.begin(number, move |seat| racer::run(seat, number))?;
        }
        for number in 0..plan.strayers {
            let queue = plan.queues.first().context("the plan has no queue")?.name.clone();
            load.begin(number + 1, move |seat| strayer::run(seat, &queue))?;
        }
        Ok(load)
    }

    fn consume(&mut self, place: u16, consumers: &[ConsumerPlan]) -> Result<()> {
        for (number, one) in consumers.iter().copied().enumerate() {
            let plan = Arc::clone(&self.plan);
            // One node further than the publisher of that number, so that most messages travel.
            let work = move |seat| consumer::run(seat, &plan.queues[usize::from(place)].name, place, one);
            let consumer = self.spawn(number + 1, work)?;
            self.consumers.push(consumer);
        }
        Ok(())
    }

    /// Starts the consumers that were to begin late.
    ///
    /// # Errors
    /// When a history cannot be written.
    pub fn start_late(&mut self) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        (0..).zip(&plan.queues).try_for_each(|(place, queue)| self.consume(place, &queue.late_consumers))
    }

    fn begin(&mut self, home: usize, work: impl FnOnce(Seat) -> Result<()> + Send + 'static) -> Result<()> {
        let client = self.spawn(home, work)?;
        self.clients.push(client);
        Ok(())
    }

    fn spawn(
        &self,
        home: usize,
        work: impl FnOnce(Seat) -> Result<()> + Send + 'static,
    ) -> Result<JoinHandle<Result<()>>> {
        let proc = u32::try_from(self.clients.len() + self.consumers.len() + 1)?;
        let recorder = Recorder::create(&self.shared.folder, self.shared.clock, proc)?;
        let home = home % self.shared.nodes.len();
        let seat = Seat { shared: Arc::clone(&self.shared), recorder, home, node: home, epoch: 0, homing: 0 };
        Ok(thread::Builder::new().name(format!("client {proc}")).spawn(move || work(seat))?)
    }

    /// Confirms so far.
    pub fn confirmed(&self) -> u64 {
        self.shared.confirmed.load(Ordering::Relaxed)
    }

    /// Whether everybody but the consumers has ended, so that nothing is published or confirmed any more.
    pub fn is_all_published(&self) -> bool {
        self.clients.iter().all(JoinHandle::is_finished)
    }

    /// Publishers that the broker has told to wait.
    pub fn blocked(&self) -> u32 {
        self.shared.blocked.load(Ordering::Relaxed)
    }

    /// Whether publishers have not been told to end.
    pub fn is_publishing(&self) -> bool {
        self.shared.publishing.load(Ordering::Relaxed)
    }

    /// When the last confirm came to the queue that has waited for one longest, by the run's clock.
    pub fn oldest_confirm(&self) -> u64 {
        self.shared.last_confirm.iter().map(|at| at.load(Ordering::Relaxed)).min().unwrap_or(0)
    }

    /// Clients that are connected to other nodes than their own go back to those.
    pub fn go_home(&self) {
        self.shared.homing.fetch_add(1, Ordering::Relaxed);
    }

    /// Publishers end when what they have published is confirmed, or not any more to be.
    pub fn stop_publishing(&self) {
        self.shared.publishing.store(false, Ordering::Relaxed);
    }

    /// All clients end.
    ///
    /// # Errors
    /// When one of them failed in a way that is no fault of the broker's, or does not end.
    pub fn finish(self) -> Result<()> {
        self.shared.publishing.store(false, Ordering::Relaxed);
        self.shared.consuming.store(false, Ordering::Relaxed);
        let deadline = Instant::now() + END_TIME_MAX;
        for client in self.clients.into_iter().chain(self.consumers) {
            while !client.is_finished() {
                if Instant::now() > deadline {
                    return Err(anyhow!("a client does not end"));
                }
                thread::sleep(TURN);
            }
            client.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        Ok(())
    }
}

fn declare(plan: &Plan, nodes: &[SocketAddr]) -> Result<()> {
    for (number, queue) in plan.queues.iter().enumerate() {
        // Each at another node, which most likely leads it then.
        let address = nodes.get(number % nodes.len()).context("no nodes")?;
        let mut client = Client::open(*address, "declare")?;
        client.declare(&queue.name, queue.table(), false)?;
        client.close()?;
    }
    Ok(())
}

/// A client's place: its history, and which node it is connected to.
#[derive(Debug)]
pub struct Seat {
    shared: Arc<Shared>,
    recorder: Recorder,
    home: usize,
    node: usize,
    epoch: u32,
    homing: u32,
}

impl Seat {
    /// Connects to the node whose turn it is; `None` when that fails, and it is another's turn.
    fn connect(&mut self) -> Result<Option<Client>> {
        let homing = self.shared.homing.load(Ordering::Relaxed);
        if homing != self.homing {
            (self.homing, self.node) = (homing, self.home);
        }
        self.epoch += 1;
        self.recorder.context.node = u8::try_from(self.node + 1)?;
        self.recorder.context.conn_epoch = self.epoch;
        self.record(Op::Connect, Phase::Invoke, |_| ())?;
        let name = format!("client {} connection {}", self.recorder.proc(), self.epoch);
        match Client::open(self.shared.nodes[self.node], &name) {
            Ok(client) => {
                self.record(Op::Connect, Phase::Ok, |_| ())?;
                Ok(Some(client))
            }
            Err(_) => {
                self.record(Op::Connect, Phase::Fail, |_| ())?;
                self.next_node();
                thread::sleep(RECONNECT_PAUSE);
                Ok(None)
            }
        }
    }

    fn next_node(&mut self) {
        self.node = (self.node + 1) % self.shared.nodes.len();
    }

    /// A connection is over: `session` says how.
    fn disconnected(&mut self, session: &Result<()>) -> Result<()> {
        if session.is_ok() {
            self.record(Op::Disconnect, Phase::Ok, |_| ())
        } else {
            self.next_node();
            self.record(Op::Disconnect, Phase::Info, |_| ())
        }
    }

    fn record(&mut self, op: Op, phase: Phase, with: impl FnOnce(&mut Event)) -> Result<()> {
        self.recorder.record(op, phase, with).map(drop)
    }

    fn is_publishing(&self) -> bool {
        self.shared.publishing.load(Ordering::Relaxed)
    }

    fn is_consuming(&self) -> bool {
        self.shared.consuming.load(Ordering::Relaxed)
    }

    /// Whether the client is to go back to its own node, and is elsewhere.
    fn is_called_home(&self) -> bool {
        self.shared.homing.load(Ordering::Relaxed) != self.homing && self.node != self.home
    }

    fn confirmed(&self, queue: u16, at: u64) {
        self.shared.confirmed.fetch_add(1, Ordering::Relaxed);
        if let Some(last) = self.shared.last_confirm.get(usize::from(queue)) {
            last.store(at, Ordering::Relaxed);
        }
    }

    /// A seed of the client's own.
    fn seed(&self) -> u64 {
        self.shared.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(self.recorder.proc())
    }
}
