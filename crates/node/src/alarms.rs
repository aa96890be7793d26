//! What blocks publishers on all nodes: too little free disk, or too much memory in use. And what stops the node from leading: a disk that
//! hangs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use replication::{AlarmKind, Replication};
use storage::{LogStore, RocksStore};
use telemetry::Shutdown;

use crate::memory;

/// How often the disk is looked at: a fast disk fills half a gigabyte in a second.
const ROUND: Duration = Duration::from_millis(100);
/// How often memory is looked at. The allocator gives pages back with some delay, so more often would only flap.
const MEMORY_ROUND: Duration = Duration::from_secs(1);
/// A sync that takes longer than this costs the node its leaderships.
const STALL_MS: u64 = 5_000;
/// How long the hand-over of leaderships may take when the disk hangs.
const HAND_OVER: Duration = Duration::from_secs(2);
pub(crate) const MIB: u64 = 1024 * 1024;

/// From where on publishers are blocked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    /// Free disk, at least.
    pub disk_free_mb: u64,
    /// Resident memory, at most.
    pub memory: MemoryLimit,
}

/// How much memory may be in use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum MemoryLimit {
    /// A part of what the machine or the control group has.
    Part(f64),
    /// Unit: bytes.
    Bytes(u64),
}

/// The alarms of this node that stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Alarms {
    memory: bool,
    disk: bool,
}

impl MemoryLimit {
    /// Unit: bytes. `None` when the machine's memory is not known.
    pub(crate) fn bytes(self, available: Option<u64>) -> Option<u64> {
        match self {
            MemoryLimit::Bytes(bytes) => Some(bytes),
            #[expect(
                clippy::as_conversions,
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "a part of a size, to the nearest kilobyte or so"
            )]
            MemoryLimit::Part(part) => available.map(|available| (available as f64 * part) as u64),
        }
    }
}

/// Watches until the node stops.
pub(crate) async fn watch(store: Arc<RocksStore>, replication: Replication, limits: Limits, shutdown: Shutdown) {
    let mut alarms = Alarms::default();
    let mut stalled = false;
    let mut memory_seen: Option<Instant> = None;
    let memory_limit = limits.memory.bytes(memory::limit_bytes());
    tracing::info!(memory_limit_bytes = memory_limit, disk_free_limit_mb = limits.disk_free_mb, "resource limits");
    loop {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = shutdown.triggered() => return,
        }
        let before = alarms;
        match store.free_bytes() {
            Ok(free) => alarms.disk = free < limits.disk_free_mb * MIB,
            Err(error) => tracing::warn!(%error, "free disk space is not known"),
        }
        if memory_seen.is_none_or(|at| at.elapsed() >= MEMORY_ROUND) {
            memory_seen = Some(Instant::now());
            let resident = memory::resident_bytes();
            alarms.memory = resident.zip(memory_limit).is_some_and(|(resident, limit)| resident > limit);
        }
        if alarms != before {
            tracing::warn!(memory = alarms.memory, disk = alarms.disk, "resource alarms have changed");
            replication.set_local_alarm(AlarmKind::Memory, alarms.memory);
            replication.set_local_alarm(AlarmKind::Disk, alarms.disk);
        }
        let stalled_ms = store.stalled_ms();
        if stalled_ms > STALL_MS && !stalled {
            tracing::error!(stalled_ms, "the disk hangs, leaderships are given away");
            replication.hand_over(HAND_OVER).await;
        }
        stalled = stalled_ms > STALL_MS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_limit_is_a_part_of_what_there_is() {
        assert_eq!(MemoryLimit::Part(0.5).bytes(Some(1000)), Some(500));
        assert_eq!(MemoryLimit::Part(0.5).bytes(None), None);
        assert_eq!(MemoryLimit::Bytes(7).bytes(None), Some(7));
    }
}
