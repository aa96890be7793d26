//! What the nodes' processes hold in memory, from `/proc`.

use std::{
    fmt::{self, Write as _},
    fs,
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};

use super::field::Field;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(100);
pub(super) const MIB: u64 = 1 << 20;

/// Resident memory of each node; empty when the nodes are not processes of this machine. Unit: bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory(Vec<u64>);

impl Memory {
    pub(super) fn of(pids: &[Option<u32>]) -> Result<Self> {
        let resident = |(at, pid): (usize, &Option<u32>)| {
            let pid = pid.with_context(|| format!("node{} does not run any more", at + 1))?;
            let path = format!("/proc/{pid}/status");
            let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
            resident_bytes(&status).with_context(|| format!("{path} has no VmRSS"))
        };
        Ok(Memory(pids.iter().enumerate().map(resident).collect::<Result<_>>()?))
    }

    /// How much more each node holds than at `begin`. Unit: bytes.
    pub(super) fn growth(&self, begin: &Memory) -> Memory {
        Memory(self.0.iter().zip(&begin.0).map(|(now, then)| now.saturating_sub(*then)).collect())
    }

    /// The most of any node. Unit: bytes.
    pub(super) fn most(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    /// Fails when a node holds more. Unit: bytes.
    pub(super) fn at_most(&self, limit: u64) -> Result<()> {
        ensure!(self.most() <= limit, "memory of a node grew by more than {} MiB: {self}", limit / MIB);
        Ok(())
    }

    fn raise(&mut self, other: &Memory) {
        if self.0.is_empty() {
            self.clone_from(other);
        }
        for (most, now) in self.0.iter_mut().zip(&other.0) {
            *most = (*most).max(*now);
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("unknown memory");
        }
        for (at, bytes) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_char('/')?;
            }
            write!(f, "{}", bytes / MIB)?;
        }
        f.write_str(" MiB")
    }
}

/// Runs `work` and returns, besides its value, by how much each node's memory had grown at most meanwhile.
pub(super) fn peak<T>(field: &Field<'_>, work: impl FnOnce() -> Result<T>) -> Result<(T, Memory)> {
    let begin = field.memory()?;
    thread::scope(|scope| {
        let (over, wait) = sync_channel::<()>(1);
        let watch: ScopedJoinHandle<'_, Result<Memory>> = scope.spawn(move || {
            let mut most = field.memory()?;
            while wait.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                most.raise(&field.memory()?);
            }
            Ok(most)
        });
        let result = work();
        end(&over);
        let most = watch.join().map_err(|_| anyhow!("the watch panicked"))??;
        Ok((result?, most.growth(&begin)))
    })
}

fn end(over: &SyncSender<()>) {
    // A watch that failed has ended already.
    over.send(()).ok();
}

/// `VmRSS` of a `/proc/<pid>/status`.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_the_status() {
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\nVmRSS:\t    2048 kB\n"), Some(2 * MIB));
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\n"), None);
    }

    #[test]
    fn growth_is_counted_for_each_node_and_the_most_is_what_counts() {
        let growth = Memory(vec![5 * MIB, 2 * MIB]).growth(&Memory(vec![MIB, 3 * MIB]));
        assert_eq!(growth.to_string(), "4/0 MiB");
        growth.at_most(4 * MIB).unwrap();
        assert!(growth.at_most(3 * MIB).is_err());
    }
}
