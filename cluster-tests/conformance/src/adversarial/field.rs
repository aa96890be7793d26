//! The nodes that the cases meet, and how long each thing may take.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use xtask::cluster::{Cluster, NODES};

use super::{client::Client, memory::Memory};
use crate::bad_input::address;

/// The nodes.
#[derive(Debug)]
pub(super) struct Field<'a> {
    addresses: Vec<String>,
    cluster: Option<&'a Cluster>,
}

impl<'a> Field<'a> {
    pub(super) fn new(uris: &[String], cluster: Option<&'a Cluster>) -> Result<Self> {
        let addresses = uris.iter().map(|uri| address(uri).map(str::to_owned)).collect::<Result<Vec<_>>>()?;
        Ok(Field { addresses, cluster })
    }

    /// `host:port` of a node; nodes count from 1 and wrap.
    pub(super) fn address(&self, node: usize) -> &str {
        &self.addresses[(node - 1) % self.addresses.len()]
    }

    /// A client of that node, with channel 1 open.
    pub(super) fn client(&self, node: usize) -> Result<Client> {
        Client::open(self.address(node))
    }

    /// What the nodes' processes hold now.
    pub(super) fn memory(&self) -> Result<Memory> {
        let Some(cluster) = self.cluster else { return Ok(Memory::default()) };
        let pids = (1..=NODES).map(|number| cluster.pid(number)).collect::<Result<Vec<_>>>()?;
        Memory::of(&pids)
    }

    /// A name for this run, so that what a run before left does not matter.
    pub(super) fn name(&self, suffix: &str) -> String {
        format!("conformance.adversarial.{}.{suffix}", std::process::id())
    }
}

/// A count that can be raised for a longer run.
pub(super) fn count(variable: &str, default: u32) -> Result<u32> {
    match std::env::var(variable) {
        Ok(text) => Ok(text.parse()?),
        Err(_) => Ok(default),
    }
}

/// Runs `work` and fails when it took longer than that.
pub(super) fn within<T>(limit: Duration, what: &str, work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let begin = Instant::now();
    let value = work()?;
    let took = begin.elapsed();
    ensure!(took < limit, "{what} took {:.1} s", took.as_secs_f64());
    Ok((value, took))
}
