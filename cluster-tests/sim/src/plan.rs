//! What a seed means: how many nodes, which queues and clients, and which faults when.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use types::{FieldTable, FieldValue, ShortStr};

/// Tells the random numbers of changes of members from the others.
const CHANGES: u64 = 0x6d65_6d62_6572_7321;

/// One run, drawn from its seed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Nodes that found the cluster. Those after them join it.
    pub(crate) founders: usize,
    /// All nodes.
    pub(crate) nodes: usize,
    pub(crate) shards: u32,
    pub(crate) queues: Vec<QueuePlan>,
    pub(crate) publishers: usize,
    pub(crate) consumers: usize,
    /// How long clients work before everything is healed.
    pub(crate) work: Duration,
    /// The slowest message between nodes when nothing is wrong.
    pub(crate) latency_max: Duration,
    /// The slowest sync when nothing is wrong.
    pub(crate) sync_max_ms: u64,
    pub(crate) checkpoint_entries: u64,
    /// Replicas of a node that is silent for so long are made elsewhere.
    pub(crate) heal_after: Duration,
    /// In their order.
    pub(crate) faults: Vec<(Duration, Fault)>,
}

/// A queue that is there all the time.
#[derive(Clone, Debug)]
pub(crate) struct QueuePlan {
    pub(crate) name: String,
    pub(crate) single_active_consumer: bool,
}

impl QueuePlan {
    pub(crate) fn arguments(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        if self.single_active_consumer {
            arguments.push(ShortStr::from_static("x-single-active-consumer"), FieldValue::Bool(true));
        }
        arguments
    }
}

/// How packets are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// They wait until the fault is over: TCP sends them again.
    Held,
    /// They are gone, and with them the connections.
    Dropped,
}

/// Something that goes wrong, or is healed.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// These pairs of nodes do not reach each other.
    Cut { pairs: Vec<(usize, usize)>, loss: Loss },
    /// What the first says does not reach the second.
    CutOneWay { pairs: Vec<(usize, usize)> },
    /// The network is whole again.
    Mend,
    /// Messages take up to so long.
    Slow { latency: Duration },
    /// The process is killed; with the power, nobody is told, and connections break by silence alone.
    Kill { node: usize, power: bool },
    /// All processes are killed.
    KillAll,
    /// A process that is not there starts.
    Start { node: usize },
    /// No sync completes for so long.
    Stall { node: usize, lasts: Duration },
    /// The next sync fails.
    FailSync { node: usize },
    /// The node's clock is set.
    SetClock { node: usize, offset_ms: i64 },
    /// The process is killed, and its machine gets a new disk.
    Wipe { node: usize },
    /// An operator wants the node to leave.
    Decommission { node: usize },
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Plan {
        let mut random = SmallRng::seed_from_u64(seed);
        let random = &mut random;
        let founders = if random.random_bool(0.75) { 3 } else { 5 };
        // Of its own, so that seeds without such changes are what they were before there were any.
        let mut changes = SmallRng::seed_from_u64(seed ^ CHANGES);
        let spare = usize::from(changes.random_bool(0.3));
        let queues = (0..random.random_range(1..=3))
            .map(|at| QueuePlan { name: format!("q{at}"), single_active_consumer: random.random_bool(0.2) });
        let queues = queues.collect();
        let work = Duration::from_millis(random.random_range(4_000..12_000));
        let mut plan = Plan {
            seed,
            founders,
            nodes: founders + spare,
            shards: random.random_range(1..=3),
            queues,
            publishers: random.random_range(1..=2),
            consumers: random.random_range(1..=2),
            work,
            latency_max: Duration::from_millis(*[1, 2, 5, 20].choose(random).unwrap_or(&1)),
            sync_max_ms: *[0, 1, 3, 15].choose(random).unwrap_or(&0),
            checkpoint_entries: *[20, 60, 200, 100_000].choose(random).unwrap_or(&100_000),
            heal_after: *[Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(600)]
                .choose(&mut changes)
                .unwrap_or(&Duration::MAX),
            faults: Vec::new(),
        };
        if random.random_bool(0.95) {
            plan.draw_network_faults(random);
            plan.draw_node_faults(random);
        }
        plan.draw_changes(&mut changes);
        plan.faults.sort_by_key(|(at, _)| *at);
        plan
    }

    /// One network fault after the other.
    fn draw_network_faults(&mut self, random: &mut SmallRng) {
        let mut at = Duration::from_millis(random.random_range(0..3_000));
        let pauses = *[500_u64, 2_000, 6_000].choose(random).unwrap_or(&2_000);
        while at < self.work {
            let fault = self.network_fault(random);
            self.faults.push((at, fault));
            // Shorter and longer than elections, keep-alives and the time after which a node is given up.
            at += Duration::from_millis(*[100, 400, 1_000, 2_500, 5_000, 9_000].choose(random).unwrap_or(&400));
            self.faults.push((at, Fault::Mend));
            at += Duration::from_millis(random.random_range(0..pauses));
        }
    }

    fn network_fault(&self, random: &mut SmallRng) -> Fault {
        let loss = if random.random_bool(0.6) { Loss::Held } else { Loss::Dropped };
        let nodes = self.nodes;
        let one = random.random_range(0..nodes);
        let across = |side: &dyn Fn(usize) -> bool| {
            let pairs = (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b)));
            pairs.filter(|(a, b)| side(*a) != side(*b)).collect::<Vec<_>>()
        };
        match random.random_range(0..8) {
            // Halves, at any place of the ring.
            0 | 1 => {
                let size = random.random_range(1..nodes);
                Fault::Cut { pairs: across(&|node| (node + nodes - one) % nodes < size), loss }
            }
            // One node alone.
            2 => Fault::Cut { pairs: across(&|node| node == one), loss },
            // One pair.
            3 => {
                let other = (one + random.random_range(1..nodes)) % nodes;
                Fault::Cut { pairs: vec![(one, other)], loss }
            }
            // A bridge: one node sees both halves. (With three nodes: one pair.)
            4 => {
                let pairs = across(&|node| (node + nodes - one) % nodes <= nodes / 2);
                Fault::Cut { pairs: pairs.into_iter().filter(|(a, b)| *a != one && *b != one).collect(), loss }
            }
            // A ring in which each sees a majority, and no two the same.
            5 => {
                let apart = |a: usize, b: usize| ((b + nodes - a) % nodes).min((a + nodes - b) % nodes);
                let pairs = (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b)));
                Fault::Cut { pairs: pairs.filter(|(a, b)| apart(*a, *b) > nodes / 4).collect(), loss }
            }
            6 => {
                let heard = random.random_bool(0.5);
                let others = (0..nodes).filter(|node| *node != one);
                let pairs = others.map(|other| if heard { (one, other) } else { (other, one) });
                Fault::CutOneWay { pairs: pairs.filter(|_| random.random_bool(0.7)).collect() }
            }
            _ => Fault::Slow { latency: Duration::from_millis(random.random_range(20..300)) },
        }
    }

    /// Members that come, go, and lose their disks. No more than one disk in a run: with two, all replicas that had a message may be gone.
    fn draw_changes(&mut self, random: &mut SmallRng) {
        let half = u64::try_from(self.work.as_millis() / 2).unwrap_or(u64::MAX);
        let mut time = |from| Duration::from_millis(random.random_range(from..from + half));
        let (joins, leaves, loses) = (time(300), time(1_000), time(1_000));
        let mut leaving = None;
        for node in self.founders..self.nodes {
            self.faults.push((joins, Fault::Start { node }));
            if random.random_bool(0.6) {
                let node = random.random_range(0..self.nodes);
                self.faults.push((joins + leaves, Fault::Decommission { node }));
                leaving = Some(node);
            }
        }
        if random.random_bool(0.2) {
            let mut node = random.random_range(0..self.founders);
            if leaving == Some(node) {
                // With a new disk it would come as somebody else, whom nobody wants to leave.
                node = (node + 1) % self.founders;
            }
            self.faults.push((loses, Fault::Wipe { node }));
            let down = Duration::from_millis(*[10, 1_000, 4_000].choose(random).unwrap_or(&10));
            self.faults.push((loses + down, Fault::Start { node }));
        }
    }

    /// Faults of nodes; each is there again after a while.
    fn draw_node_faults(&mut self, random: &mut SmallRng) {
        let mut at = Duration::from_millis(random.random_range(200..4_000));
        let pauses = *[700_u64, 2_500, 8_000].choose(random).unwrap_or(&2_500);
        while at < self.work {
            let node = random.random_range(0..self.nodes);
            let down = Duration::from_millis(*[10, 300, 1_000, 4_000].choose(random).unwrap_or(&300));
            let power = random.random_bool(0.4);
            match random.random_range(0..10) {
                0..4 => {
                    self.faults.push((at, Fault::Kill { node, power }));
                    self.faults.push((at + down, Fault::Start { node }));
                }
                4 => {
                    self.faults.push((at, Fault::KillAll));
                    for node in 0..self.nodes {
                        let wait = Duration::from_millis(random.random_range(0..1_500));
                        self.faults.push((at + down + wait, Fault::Start { node }));
                    }
                }
                5 | 6 => {
                    let lasts = Duration::from_millis(*[200, 1_000, 3_000, 7_000].choose(random).unwrap_or(&200));
                    self.faults.push((at, Fault::Stall { node, lasts }));
                }
                7 => {
                    self.faults.push((at, Fault::FailSync { node }));
                    self.faults.push((at + Duration::from_millis(200) + down, Fault::Start { node }));
                }
                _ => {
                    let offset_ms = *[-3_600_000, -2_000, 0, 2_000, 3_600_000].choose(random).unwrap_or(&0);
                    self.faults.push((at, Fault::SetClock { node, offset_ms }));
                }
            }
            at += Duration::from_millis(random.random_range(50..pauses));
        }
    }
}
