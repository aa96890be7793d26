//! Nodes as processes of this one: the first founds a cluster, the others know only where the first ones are.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use xtask::{
    cluster::{ClusterSpec, NodeSpec},
    http, process,
};

use crate::{
    DEADLINE, block_on,
    rust_client::{RustClient, bounded, depth},
};

/// Between two looks.
pub(super) const POLL: Duration = Duration::from_millis(200);
/// How long a node may take until clients can connect: a newcomer first has to be let in.
const READY: Duration = Duration::from_secs(60);
/// How long a node must be silent before it may be replaced. Unit: milliseconds.
const REPLACE_AFTER_MS: u32 = 2000;
/// Members that newcomers know.
const SEEDS: [usize; 3] = [1, 2, 3];

/// A member as the status shows it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) live: bool,
    pub(super) replicas: u64,
}

/// Nodes that run, by number. Dropped, they are killed.
#[derive(Debug)]
pub(super) struct Nodes {
    spec: ClusterSpec,
    broker: PathBuf,
    running: BTreeMap<usize, Child>,
}

impl Nodes {
    pub(super) fn new(spec: ClusterSpec, broker: &Path) -> Result<Self> {
        match fs::remove_dir_all(&spec.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).context("cannot remove old data"),
            _ => {}
        }
        Ok(Nodes { spec, broker: broker.to_owned(), running: BTreeMap::new() })
    }

    /// Starts a node and waits until it serves clients.
    pub(super) fn start(&mut self, number: usize) -> Result<()> {
        ensure!(!self.running.contains_key(&number), "node{number} runs already");
        let node = self.spec.node(number);
        fs::create_dir_all(&node.folder)?;
        let config = self.config(number);
        fs::write(node.config_file(), config)?;
        let log = File::options().create(true).append(true).open(node.log_file())?;
        let child = Command::new(&self.broker)
            .args(["server", "--config"])
            .arg(node.config_file())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start a node")?;
        self.running.insert(number, child);
        let begin = Instant::now();
        while !self.is_ready(number) {
            let ended = self.running.get_mut(&number).and_then(|child| child.try_wait().ok().flatten());
            ensure!(ended.is_none(), "node{number} ended: {}", node.log_file().display());
            ensure!(begin.elapsed() < READY, "node{number} is not ready: {}", node.log_file().display());
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn config(&self, number: usize) -> String {
        let NodeSpec { name, amqp, http, peer, .. } = self.spec.node(number);
        let data_dir = self.spec.node(number).data_dir();
        // A founder that is to join others later must not found again: its configuration names those instead.
        let cluster = if number == 1 && !self.spec.node(1).config_file().exists() {
            format!("nodes = [{{ name = {name:?}, peer = {peer:?} }}]")
        } else {
            let seeds = SEEDS.iter().filter(|seed| **seed != number).map(|seed| self.spec.node(*seed).peer);
            format!("seeds = {:?}", seeds.collect::<Vec<_>>())
        };
        format!(
            "[node]\nname = {name:?}\ndata_dir = {:?}\n\n[listen]\namqp = {amqp:?}\nhttp = {http:?}\npeer = {peer:?}\n\n\
             [cluster]\nname = \"life\"\nshards = 4\nreplace_after_ms = {REPLACE_AFTER_MS}\n{cluster}\n",
            data_dir.to_string_lossy()
        )
    }

    pub(super) fn is_ready(&self, number: usize) -> bool {
        http::get(&self.spec.node(number).http, "/health/ready").is_ok_and(|(status, _)| status == 200)
    }

    /// Ends a node with SIGKILL.
    pub(super) fn kill(&mut self, number: usize) -> Result<()> {
        let mut child = self.running.remove(&number).with_context(|| format!("node{number} does not run"))?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Ends a node with SIGTERM.
    pub(super) fn stop(&mut self, number: usize) -> Result<()> {
        let mut child = self.running.remove(&number).with_context(|| format!("node{number} does not run"))?;
        process::signal(child.id(), "TERM")?;
        let begin = Instant::now();
        while child.try_wait()?.is_none() {
            if begin.elapsed() > DEADLINE {
                child.kill()?;
                bail!("node{number} did not stop");
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Empties the disk of a node that does not run.
    pub(super) fn empty(&self, number: usize) -> Result<()> {
        ensure!(!self.running.contains_key(&number), "node{number} runs");
        Ok(fs::remove_dir_all(self.spec.node(number).data_dir())?)
    }

    /// Addresses for clients of all nodes that run.
    pub(super) fn uris(&self) -> Vec<String> {
        self.running.keys().map(|number| format!("amqp://guest:guest@{}/%2F", self.spec.node(*number).amqp)).collect()
    }

    /// Runs `quorate ctl` with a node.
    pub(super) fn ctl(&self, number: usize, words: &[&str]) -> Result<String> {
        let node = self.spec.node(number);
        let mut command = Command::new(&self.broker);
        command.args(["ctl", "--node", &format!("http://{}", node.http), "--data-dir"]).arg(node.data_dir());
        run(command.args(words))
    }

    /// Runs `quorate recover-lost-majority` on a node's data.
    pub(super) fn recover(&self, number: usize, words: &[&str]) -> Result<String> {
        let config = self.spec.node(number).config_file();
        run(Command::new(&self.broker).args(["recover-lost-majority", "--config"]).arg(config).args(words))
    }

    /// Members, and the whole status, as a node tells them.
    pub(super) fn status(&self, number: usize) -> Result<(Vec<Member>, Value)> {
        let status: Value = serde_json::from_str(&self.ctl(number, &["cluster", "status", "--format", "json"])?)?;
        let member = |node: &Value| Member {
            id: node["id"].as_u64().unwrap_or(0),
            name: node["name"].as_str().unwrap_or_default().to_owned(),
            state: node["state"].as_str().unwrap_or_default().to_owned(),
            live: node["live"] == true,
            replicas: node["replicas"].as_u64().unwrap_or(0),
        };
        let members = status["nodes"].as_array().into_iter().flatten().map(member).collect();
        Ok((members, status))
    }

    /// Looks at the status until it is so.
    pub(super) fn until(
        &self,
        number: usize,
        limit: Duration,
        is_so: impl Fn(&[Member], &Value) -> bool,
    ) -> Result<()> {
        let begin = Instant::now();
        loop {
            let status = self.status(number);
            if let Ok((members, status)) = &status
                && is_so(members, status)
            {
                return Ok(());
            }
            ensure!(begin.elapsed() < limit, "not within {} s: {status:?}", limit.as_secs());
            thread::sleep(POLL);
        }
    }

    /// Ready messages of a queue, asked of one node.
    pub(super) fn depth(&self, number: usize, queue: &str) -> Result<u32> {
        let uri = format!("amqp://guest:guest@{}/%2F", self.spec.node(number).amqp);
        block_on(bounded(async {
            let (connection, channel) = RustClient::new(&[uri]).open(1).await?;
            let count = depth(&channel, queue).await?;
            connection.close(200, "".into()).await?;
            Ok(count)
        }))
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().context("cannot run the command line")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?)
}
