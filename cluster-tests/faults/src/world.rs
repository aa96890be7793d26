//! The nodes of a run, each with a network and a disk of its own where the machine allows that, and all that can happen to them.
//!
//! Names are fixed, so that whatever an earlier run left behind, however it ended, is found and removed by the next.

pub mod disk;
pub mod net;
mod node;
pub mod proxy;
pub mod shim;

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rand::{Rng, SeedableRng, rngs::StdRng};

use self::{
    disk::{Disk, Freeze},
    net::{End, Fate, Faults},
    node::Node,
    proxy::Delay,
    shim::Shim,
};
use crate::{
    api::Api,
    host::{Host, Need},
};

/// How long a node may take to become ready after a start: RocksDB recovers, groups find leaders.
const READY_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a killed process may take to vanish.
const KILL_TIME_MAX: Duration = Duration::from_secs(20);
/// How long a node may take to stop by itself.
const STOP_TIME_MAX: Duration = Duration::from_secs(40);
/// Between two looks at what is waited for.
const POLL: Duration = Duration::from_millis(20);
/// Size of a node's file system: twice what RocksDB's logs may take.
const DISK_MIB: u64 = 1024;

/// How the nodes are to be.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How many.
    pub nodes: usize,
    /// What they have of their own.
    pub need: Need,
    /// Whether what nodes say to each other takes detours that can be slow.
    pub detours: bool,
    /// What stands between the nodes and their kernels, if anything.
    pub shim: Option<PathBuf>,
    /// More of the nodes' configuration, as TOML.
    pub settings: &'static str,
    /// The version that nodes have until they are upgraded; none: they have the one that is tried.
    pub old_binary: Option<PathBuf>,
}

/// Which of two versions of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// An earlier one.
    Old,
    /// The one that is tried.
    New,
}

/// The nodes.
#[derive(Debug)]
pub struct World {
    shape: Shape,
    nodes: Vec<Node>,
    binary: PathBuf,
    links: Faults,
    detours: Vec<Vec<(usize, u16)>>,
    delay: Delay,
    freezes: Vec<Freeze>,
}

/// Removes what this run, or an earlier one, has left of nodes. `folder` is what [`World::build`] got.
pub fn sweep(folder: &Path) {
    node::sweep(folder);
    // What waits for a frozen file system cannot be killed: thaw first. (Its processes are gone when it is unmounted again.)
    disk::sweep(folder);
    net::sweep();
    disk::sweep(folder);
}

impl World {
    /// Makes networks and disks in the folder, which is emptied, and starts all nodes.
    ///
    /// # Errors
    /// When the machine does not let us, or a node does not become ready.
    pub fn build(folder: &Path, binary: &Path, shape: Shape, seed: u64) -> Result<Self> {
        sweep(folder);
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        let has_network = shape.need >= Need::Network;
        let first = shape.old_binary.as_deref().unwrap_or(binary);
        let mut nodes =
            (1..=shape.nodes).map(|number| Node::new(folder, first, number, has_network)).collect::<Vec<_>>();
        if has_network {
            net::create(shape.nodes)?;
        }
        let peers = nodes.iter().map(|node| (node.name(), node.peer.clone())).collect::<Vec<_>>();
        for node in &mut nodes {
            fs::create_dir_all(&node.folder)?;
            if shape.need >= Need::Disks {
                node.disk = Some(Disk::create(&node.folder, DISK_MIB)?);
            }
            node.write_config(&peers, shape.settings)?;
            node.shim = shape.shim.as_deref().map(|library| Shim::create(library, &node.folder)).transpose()?;
        }
        let detours = vec![Vec::new(); shape.nodes];
        let (links, delay, freezes) = (Faults::new(), Delay::default(), Vec::new());
        let takes_detours = shape.detours;
        let mut world = World { shape, nodes, binary: binary.to_owned(), links, detours, delay, freezes };
        if takes_detours {
            world.make_detours(seed)?;
        }
        let all = world.all();
        world.start(&all)?;
        world.wait_ready(&all, READY_TIME_MAX)?;
        Ok(world)
    }

    fn make_detours(&mut self, seed: u64) -> Result<()> {
        for from in self.all() {
            for to in self.all().into_iter().filter(|to| *to != from) {
                let target = self.node(to).peer.clone();
                let seed = seed ^ u64::try_from(from * 8 + to)?;
                let port = proxy::start(net::HOST_ADDRESS, target, self.delay.clone(), seed)?;
                self.detours[from - 1].push((to, port));
            }
        }
        self.apply_links()
    }

    /// All nodes' numbers, from 1.
    pub fn all(&self) -> Vec<usize> {
        (1..=self.shape.nodes).collect()
    }

    /// All but these.
    pub fn others(&self, but: &[usize]) -> Vec<usize> {
        self.all().into_iter().filter(|node| !but.contains(node)).collect()
    }

    fn node(&self, number: usize) -> &Node {
        &self.nodes[number - 1]
    }

    /// Where clients connect to.
    pub fn amqp(&self, number: usize) -> SocketAddr {
        self.node(number).amqp
    }

    /// A node's HTTP API.
    pub fn api(&self, number: usize) -> Api {
        Api::new(&self.node(number).http)
    }

    /// The node's data directory.
    pub fn data_dir(&self, number: usize) -> PathBuf {
        self.node(number).data_dir()
    }

    /// The node's file system.
    ///
    /// # Errors
    /// When it has none of its own.
    pub fn disk(&self, number: usize) -> Result<&Disk> {
        self.node(number).disk.as_ref().context("the node has no disk of its own")
    }

    /// What stands between the node and its kernel.
    ///
    /// # Errors
    /// When the scenario does not ask for that.
    pub fn shim(&self, number: usize) -> Result<&Shim> {
        self.node(number).shim.as_ref().context("nothing stands between the node and its kernel")
    }

    /// Whether the node's process is there.
    pub fn is_running(&self, number: usize) -> bool {
        self.node(number).pid().is_some()
    }

    /// Starts nodes, without waiting for more than their processes.
    ///
    /// # Errors
    /// When one runs already or cannot be started.
    pub fn start(&mut self, numbers: &[usize]) -> Result<()> {
        numbers.iter().try_for_each(|number| self.nodes[number - 1].start())
    }

    /// Waits until nodes can be used by clients.
    ///
    /// # Errors
    /// When one ends, or is not ready in time; the error has the end of its log.
    pub fn wait_ready(&self, numbers: &[usize], limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        for number in numbers {
            while !self.api(*number).is_ready() {
                if self.node(*number).pid().is_none() {
                    bail!("node{number} ended{}", self.node(*number).log_tail());
                }
                ensure!(Instant::now() < deadline, "node{number} is not ready{}", self.node(*number).log_tail());
                thread::sleep(POLL);
            }
        }
        Ok(())
    }

    /// Starts nodes and waits until they can be used.
    ///
    /// # Errors
    /// As [`World::start`] and [`World::wait_ready`].
    pub fn restart(&mut self, numbers: &[usize]) -> Result<()> {
        self.start(numbers)?;
        self.wait_ready(numbers, READY_TIME_MAX)
    }

    /// From its next start on, a node has that version.
    ///
    /// # Errors
    /// When there is only one.
    pub fn set_version(&mut self, number: usize, version: Version) -> Result<()> {
        let binary = match version {
            Version::New => &self.binary,
            Version::Old => self.shape.old_binary.as_ref().context("there is no earlier version")?,
        };
        self.nodes[number - 1].binary.clone_from(binary);
        Ok(())
    }

    /// Kills nodes, all at once.
    ///
    /// # Errors
    /// When one does not run, or does not go.
    pub fn kill(&mut self, numbers: &[usize]) -> Result<()> {
        self.signal("KILL", numbers)?;
        self.gone(numbers, KILL_TIME_MAX)
    }

    /// Asks a node to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not run, or does not stop.
    pub fn stop(&mut self, number: usize) -> Result<()> {
        self.signal("TERM", &[number])?;
        self.gone(&[number], STOP_TIME_MAX)
    }

    /// Stops the processes of nodes where they are.
    ///
    /// # Errors
    /// When one does not run.
    pub fn pause(&self, numbers: &[usize]) -> Result<()> {
        self.signal("STOP", numbers)
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// When one does not run.
    pub fn resume(&self, numbers: &[usize]) -> Result<()> {
        self.signal("CONT", numbers)
    }

    fn signal(&self, name: &str, numbers: &[usize]) -> Result<()> {
        let pids =
            numbers.iter().map(|number| self.node(*number).pid().with_context(|| format!("node{number} does not run")));
        node::signal_all(name, &pids.collect::<Result<Vec<_>>>()?)
    }

    fn gone(&self, numbers: &[usize], limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        for number in numbers {
            while self.node(*number).pid().is_some() {
                ensure!(Instant::now() < deadline, "node{number} does not go");
                thread::sleep(POLL);
            }
        }
        Ok(())
    }

    /// Waits until a node has ended by itself.
    ///
    /// # Errors
    /// When it has not in time.
    pub fn wait_ended(&self, number: usize, limit: Duration) -> Result<()> {
        self.gone(&[number], limit)
    }

    /// The power of nodes fails, all at once: what was not synced is gone. Their file systems are there again afterwards, they
    /// themselves are not.
    ///
    /// # Errors
    /// When a node has no disk of its own.
    pub fn power_off(&mut self, numbers: &[usize]) -> Result<()> {
        let disks = numbers.iter().map(|number| self.disk(*number)).collect::<Result<Vec<_>>>()?;
        disk::power_off(&disks)?;
        // One that has seen the error has ended itself.
        let running = numbers.iter().copied().filter(|number| self.is_running(*number)).collect::<Vec<_>>();
        self.signal("KILL", &running).ok();
        self.gone(numbers, KILL_TIME_MAX)?;
        numbers.iter().try_for_each(|number| self.disk(*number)?.power_on())
    }

    /// Every write of a node fails from now on, until [`World::power_off`].
    ///
    /// # Errors
    /// When it has no disk of its own.
    pub fn fail_writes(&self, number: usize) -> Result<()> {
        disk::power_off(&[self.disk(number)?])
    }

    /// A node's disk stalls, until [`World::thaw`] or the limit.
    ///
    /// # Errors
    /// When it has no disk of its own.
    pub fn freeze(&mut self, number: usize, limit: Duration) -> Result<()> {
        let freeze = self.disk(number)?.freeze(limit)?;
        self.freezes.push(freeze);
        Ok(())
    }

    /// All disks go on.
    ///
    /// # Errors
    /// When a watchdog was faster.
    pub fn thaw(&mut self) -> Result<()> {
        self.freezes.drain(..).map(Freeze::thaw).collect::<Vec<_>>().into_iter().collect()
    }

    /// Whether this world has networks.
    pub fn has_network(&self) -> bool {
        self.shape.need >= Need::Network
    }

    /// What goes from one end to the other is lost, all or a part.
    ///
    /// # Errors
    /// When the nodes have no networks of their own.
    pub fn break_link(&mut self, from: End, to: End, fate: Fate) -> Result<()> {
        self.links.insert((from, to), fate);
        self.apply_links()
    }

    /// Nodes of one group hear nothing of those of another, and the other way round.
    ///
    /// # Errors
    /// When the nodes have no networks of their own.
    pub fn partition(&mut self, one: &[usize], other: &[usize]) -> Result<()> {
        for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (End::Node(*a), End::Node(*b)))) {
            self.links.insert((a, b), Fate::Cut);
            self.links.insert((b, a), Fate::Cut);
        }
        self.apply_links()
    }

    /// All links are as they should be.
    ///
    /// # Errors
    /// When the rules cannot be changed.
    pub fn heal(&mut self) -> Result<()> {
        self.delay.set(Duration::ZERO, Duration::ZERO);
        self.links.clear();
        if self.has_network() { self.apply_links() } else { Ok(()) }
    }

    /// What nodes say to each other takes so long.
    ///
    /// # Errors
    /// When it takes no detours.
    pub fn slow_links(&self, mean: Duration, jitter: Duration) -> Result<()> {
        ensure!(self.shape.detours, "the links of this world take no detours");
        self.delay.set(mean, jitter);
        Ok(())
    }

    fn apply_links(&self) -> Result<()> {
        ensure!(self.has_network(), "the nodes have no networks of their own");
        self.all().into_iter().try_for_each(|node| net::apply(node, &self.links, &self.detours[node - 1]))
    }

    /// Removes all data of a node that does not run.
    ///
    /// # Errors
    /// When it runs.
    pub fn wipe(&self, number: usize) -> Result<()> {
        ensure!(!self.is_running(number), "node{number} runs");
        fs::remove_dir_all(self.data_dir(number)).context("cannot remove the data")
    }

    /// A copy of a node's data, to be put back.
    ///
    /// # Errors
    /// When it runs.
    pub fn save(&self, number: usize) -> Result<PathBuf> {
        ensure!(!self.is_running(number), "node{number} runs");
        let copy = self.node(number).folder.join("copy");
        fs::remove_dir_all(&copy).ok();
        node::copy(&self.data_dir(number), &copy)?;
        Ok(copy)
    }

    /// Puts back what [`World::save`] has copied.
    ///
    /// # Errors
    /// When the node runs.
    pub fn put_back(&self, number: usize) -> Result<()> {
        self.wipe(number)?;
        node::copy(&self.node(number).folder.join("copy"), &self.data_dir(number))
    }

    /// The largest file of a node's data whose name holds the text.
    ///
    /// # Errors
    /// When the data cannot be looked at.
    pub fn file(&self, number: usize, name: &str) -> Result<Option<PathBuf>> {
        node::largest(&self.data_dir(number), name)
    }

    /// Puts so many bytes that say nothing behind the end of such a file.
    ///
    /// # Errors
    /// When there is none, or the node runs.
    pub fn tear(&self, number: usize, name: &str, bytes: usize, seed: u64) -> Result<()> {
        ensure!(!self.is_running(number), "node{number} runs");
        let path = self.file(number, name)?.with_context(|| format!("no file {name}"))?;
        let mut noise = vec![0; bytes];
        StdRng::seed_from_u64(seed).fill(&mut *noise);
        let mut file = fs::OpenOptions::new().append(true).open(path)?;
        file.write_all(&noise).context("cannot write to a node's file")
    }

    /// Two nodes that do not run have each other's data.
    ///
    /// # Errors
    /// When one runs.
    pub fn exchange(&self, one: usize, other: usize) -> Result<()> {
        ensure!(!self.is_running(one) && !self.is_running(other), "a node runs");
        let (one, other) = (self.data_dir(one), self.data_dir(other));
        let aside = one.with_extension("aside");
        fs::rename(&one, &aside)?;
        fs::rename(&other, &one)?;
        fs::rename(&aside, &other).context("cannot exchange data")
    }

    /// Flips bits in the largest file of a node's data whose name holds the text; returns its name.
    ///
    /// # Errors
    /// When there is none, or the node runs.
    pub fn corrupt(&self, number: usize, name: &str, seed: u64) -> Result<String> {
        ensure!(!self.is_running(number), "node{number} runs");
        let file = self.file(number, name)?.with_context(|| format!("no file {name}"))?;
        let mut bytes = fs::read(&file)?;
        let mut rng = StdRng::seed_from_u64(seed);
        let size = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        ensure!(size > 64, "{} is almost empty", file.display());
        for _ in 0..8 {
            // The middle, which was written long ago: the last bytes may be a write that never was completed.
            bytes[rng.random_range(size / 4..size / 2)] ^= 1 << rng.random_range(0..8);
        }
        fs::write(&file, bytes)?;
        Ok(file.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }

    /// The end of a node's log.
    pub fn log_tail(&self, number: usize) -> String {
        self.node(number).log_tail()
    }
}

/// Tries what the machine has for worlds in that folder.
pub fn probe(folder: &Path) -> Host {
    sweep(folder);
    Host::probe(folder)
}
