//! What the nodes of a broker have written to disk so far, as the kernel and as RocksDB count it.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::Broker;
use crate::http;

/// What the store of a node counts; together it is all that RocksDB writes.
const WRITTEN: [&str; 4] = [
    "quorate_storage_wal_bytes_total",
    "quorate_storage_flush_bytes_total",
    "quorate_storage_compaction_write_bytes_total",
    "quorate_storage_blob_file_bytes_total",
];

/// Bytes written, one number per node; empty where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// By the processes, from `/proc/PID/io`.
    pub(super) kernel: Vec<u64>,
    /// By RocksDB, from the nodes' metrics.
    pub(super) store: Vec<u64>,
}

impl Usage {
    pub(super) fn of(broker: &Broker) -> Result<Self> {
        let kernel = broker.pids.iter().map(|pid| written_by(*pid)).collect::<Result<_>>()?;
        let store = broker.http.iter().map(|address| written_by_store(address)).collect::<Result<_>>()?;
        Ok(Usage { kernel, store })
    }

    /// The difference to an earlier look.
    pub(super) fn since(&self, before: &Usage) -> Usage {
        let difference = |now: &[u64], then: &[u64]| now.iter().zip(then).map(|(n, t)| n.saturating_sub(*t)).collect();
        Usage { kernel: difference(&self.kernel, &before.kernel), store: difference(&self.store, &before.store) }
    }
}

fn written_by(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/io");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    value.and_then(|value| value.trim().parse().ok()).with_context(|| format!("{path} does not tell bytes written"))
}

fn written_by_store(address: &str) -> Result<u64> {
    let (status, text) = http::get(address, "/metrics")?;
    ensure!(status == 200, "{address}/metrics answered {status}");
    WRITTEN.iter().map(|name| counter(&text, name)).sum()
}

/// The value of a counter without labels in Prometheus' text format.
fn counter(text: &str, name: &str) -> Result<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).with_context(|| format!("the metrics have no counter {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let text = "# TYPE a_bytes_total counter\na_bytes_total_more 7\na_bytes_total 42\n";
        assert_eq!(counter(text, "a_bytes_total").unwrap(), 42);
        assert!(counter(text, "a_bytes").is_err());
    }

    #[test]
    fn a_difference_is_taken_node_by_node() {
        let usage = |kernel: &[u64]| Usage { kernel: kernel.to_vec(), store: Vec::new() };
        assert_eq!(usage(&[10, 20]).since(&usage(&[4, 5])), usage(&[6, 15]));
    }
}
