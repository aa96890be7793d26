//! A three-node cluster of real processes on loopback: started, looked at, hurt and stopped.
//!
//! The processes outlive the task. What is known of them is in the cluster's folder, in `cluster.json`; a [`Cluster`] reads it
//! anew each time, so that tasks in several terminals agree.

mod command;
mod file;
mod spec;

use std::{
    fs,
    io::ErrorKind,
    net::TcpListener,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

pub use self::{
    command::{ClusterCommand, run},
    file::{ClusterFile, NodeEntry},
    spec::{ClusterSpec, NODES, NodeSpec},
};
use crate::{http, process};

/// How long nodes may take until they are ready. Founding takes well below a second; replaying a long log takes longer.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a node may take to stop by itself: leaders are handed over and clients told.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a killed process may take to vanish.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks at a node that is to become ready.
const POLL: Duration = Duration::from_millis(50);
/// Lines of a log that are shown when a node does not become ready.
const LOG_TAIL_LINES: usize = 25;

/// A local cluster, running or not.
#[derive(Clone, Debug)]
pub struct Cluster {
    spec: ClusterSpec,
}

impl Cluster {
    /// The cluster with that folder and those addresses.
    pub fn new(spec: ClusterSpec) -> Self {
        Cluster { spec }
    }

    /// Starts the nodes that do not run, from a copy of `binary`, and waits until all are ready.
    ///
    /// # Errors
    /// When an address is taken, or a node is not ready in time; the error holds the end of its log.
    pub fn up(&self, binary: &Path) -> Result<()> {
        fs::create_dir_all(&self.spec.folder).with_context(|| format!("cannot make {}", self.spec.folder.display()))?;
        // The copy is what `start` runs later, whatever has been built meanwhile; renaming replaces one that still runs.
        let fresh = self.spec.binary().with_extension("new");
        fs::copy(binary, &fresh).with_context(|| format!("cannot copy {}", binary.display()))?;
        fs::rename(&fresh, self.spec.binary())?;
        for number in 1..=NODES {
            if self.pid(number)?.is_none() {
                self.spawn(number)?;
            }
        }
        self.wait_ready(&(1..=NODES).collect::<Vec<_>>())
    }

    /// From its next start on, a node runs a copy of another binary than the rest.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn give_binary(&self, number: usize, binary: &Path) -> Result<()> {
        let node = self.spec.node(number);
        fs::create_dir_all(&node.folder).with_context(|| format!("cannot make {}", node.folder.display()))?;
        fs::copy(binary, node.own_binary()).with_context(|| format!("cannot copy {}", binary.display()))?;
        Ok(())
    }

    /// Starts one node and waits until it is ready.
    ///
    /// # Errors
    /// When it runs already, its address is taken, or it is not ready in time.
    pub fn start(&self, number: usize) -> Result<()> {
        ensure!(self.pid(number)?.is_none(), "node{number} runs already");
        self.spawn(number)?;
        self.wait_ready(&[number])
    }

    /// Starts all nodes that do not run, without waiting between them, then waits until all are ready.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_all(&self) -> Result<()> {
        for number in 1..=NODES {
            if self.pid(number)?.is_none() {
                self.spawn(number)?;
            }
        }
        self.wait_ready(&(1..=NODES).collect::<Vec<_>>())
    }

    /// Kills nodes with SIGKILL, all at once.
    ///
    /// # Errors
    /// When one of them does not run.
    pub fn kill(&self, numbers: &[usize]) -> Result<()> {
        let pids = self.running(numbers)?;
        let kills = pids.iter().map(|(_, pid)| process::signal(*pid, "KILL")).collect::<Vec<_>>();
        kills.into_iter().collect::<Result<Vec<()>>>()?;
        self.gone(&pids, KILL_TIMEOUT)
    }

    /// Asks a node to stop (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it does not run or does not stop in time.
    pub fn stop(&self, number: usize) -> Result<()> {
        let pids = self.running(&[number])?;
        process::signal(pids[0].1, "TERM")?;
        self.gone(&pids, STOP_TIMEOUT)
    }

    /// Stops whatever runs, by force where it must be. The data stays.
    ///
    /// # Errors
    /// When a process cannot be ended.
    pub fn down(&self) -> Result<()> {
        if ClusterFile::read(&self.spec)?.is_none() {
            return Ok(());
        }
        let alive = (1..=NODES).filter(|number| matches!(self.pid(*number), Ok(Some(_)))).collect::<Vec<_>>();
        let pids = self.running(&alive)?;
        for (_, pid) in &pids {
            process::signal(*pid, "TERM").ok();
        }
        if self.gone(&pids, STOP_TIMEOUT).is_err() {
            for (_, pid) in &pids {
                process::signal(*pid, "KILL").ok();
            }
            self.gone(&pids, KILL_TIMEOUT)?;
        }
        fs::remove_file(self.spec.cluster_file()).context("cannot remove cluster.json")
    }

    /// Stops whatever runs and removes the cluster's folder.
    ///
    /// # Errors
    /// When a process cannot be ended or a file cannot be removed.
    pub fn clean(&self) -> Result<()> {
        self.down()?;
        match fs::remove_dir_all(&self.spec.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.spec.folder.display()))
            }
            _ => Ok(()),
        }
    }

    /// Folder and addresses.
    pub fn spec(&self) -> &ClusterSpec {
        &self.spec
    }

    /// The process id of a node that runs.
    ///
    /// # Errors
    /// When `cluster.json` cannot be read, or there is no such node.
    pub fn pid(&self, number: usize) -> Result<Option<u32>> {
        ensure!((1..=NODES).contains(&number), "nodes are numbered 1 to {NODES}");
        let Some(file) = ClusterFile::read(&self.spec)? else { return Ok(None) };
        let pid = file.nodes.get(number - 1).and_then(|node| node.pid);
        Ok(pid.filter(|pid| process::is_alive(*pid, &self.marker(number))))
    }

    /// Whether a node says of itself that it is ready for clients.
    pub fn is_ready(&self, number: usize) -> bool {
        http::get(&self.spec.node(number).http, "/health/ready").is_ok_and(|(status, _)| status == 200)
    }

    fn spawn(&self, number: usize) -> Result<()> {
        let node = self.spec.node(number);
        for address in [&node.amqp, &node.http, &node.peer] {
            TcpListener::bind(address).with_context(|| format!("{address} is taken: does another broker run here?"))?;
        }
        fs::create_dir_all(&node.folder).with_context(|| format!("cannot make {}", node.folder.display()))?;
        fs::write(node.config_file(), self.spec.config(number))?;
        let config = node.config_file();
        let args = ["server", "--config", config.to_str().context("the checkout's path is not UTF-8")?];
        let own = node.own_binary();
        let binary = if own.exists() { own } else { self.spec.binary() };
        let pid = process::spawn_detached(&binary, &args, &node.log_file())?;
        self.record(number, Some(pid))
    }

    /// A node's configuration file stands in its command line and in no other.
    fn marker(&self, number: usize) -> String {
        self.spec.node(number).config_file().to_string_lossy().into_owned()
    }

    fn running(&self, numbers: &[usize]) -> Result<Vec<(usize, u32)>> {
        let pid =
            |number: &usize| Ok((*number, self.pid(*number)?.with_context(|| format!("node{number} does not run"))?));
        numbers.iter().map(pid).collect()
    }

    fn gone(&self, pids: &[(usize, u32)], timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        for (number, pid) in pids {
            let left = deadline.saturating_duration_since(Instant::now());
            process::wait_until_gone(*pid, &self.marker(*number), left).with_context(|| format!("node{number}"))?;
            self.record(*number, None)?;
        }
        Ok(())
    }

    fn record(&self, number: usize, pid: Option<u32>) -> Result<()> {
        let mut file = ClusterFile::read(&self.spec)?.unwrap_or_else(|| ClusterFile::new(&self.spec));
        file.nodes[number - 1].pid = pid;
        file.write(&self.spec)
    }

    fn wait_ready(&self, numbers: &[usize]) -> Result<()> {
        let begin = Instant::now();
        let mut waiting = numbers.to_vec();
        while !waiting.is_empty() {
            for number in &waiting {
                if self.pid(*number)?.is_none() {
                    self.record(*number, None)?;
                    bail!("node{number} ended{}", self.log_tail(*number));
                }
            }
            let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|number| self.is_ready(*number));
            for number in ready {
                println!("node{number} is ready after {:.1} s", begin.elapsed().as_secs_f64());
            }
            waiting = rest;
            if let Some(number) = waiting.first() {
                let late = begin.elapsed() > READY_TIMEOUT;
                ensure!(
                    !late,
                    "node{number} is not ready after {} s{}",
                    READY_TIMEOUT.as_secs(),
                    self.log_tail(*number)
                );
                thread::sleep(POLL);
            }
        }
        Ok(())
    }

    fn log_tail(&self, number: usize) -> String {
        let file = self.spec.node(number).log_file();
        let log = fs::read(&file).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines = log.lines().collect::<Vec<_>>();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        format!("; the end of {}:\n{}", file.display(), tail.join("\n"))
    }
}
