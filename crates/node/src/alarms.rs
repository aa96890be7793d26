//! What blocks publishers on all nodes: too little free disk, or too much memory in use.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use management::{Amount, ResourceLimits};
use parking_lot::Mutex;
use replication::{AlarmKind, Replication};
use storage::RocksStore;
use telemetry::Shutdown;

use crate::memory;

/// How often the disk is looked at: a fast disk fills half a gigabyte in a second.
const ROUND: Duration = Duration::from_millis(100);
/// How often memory is looked at. The allocator gives pages back with some delay, so more often would only flap.
const MEMORY_ROUND: Duration = Duration::from_secs(1);
pub(crate) const MIB: u64 = 1024 * 1024;

/// From where on publishers are blocked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    /// Free disk, at least.
    pub disk_free: Amount,
    /// Resident memory, at most.
    pub memory: Amount,
}

/// The limits that are in force: those of the configuration until operators set others.
#[derive(Debug)]
pub(crate) struct InForce {
    limits: Mutex<Limits>,
    /// What the machine or the control group has.
    memory_available: Option<u64>,
}

/// Limits in bytes. No memory limit is known where the machine's memory is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LimitBytes {
    pub memory: Option<u64>,
    pub disk_free: u64,
}

/// The alarms of this node that stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Alarms {
    memory: bool,
    disk: bool,
}

impl InForce {
    pub(crate) fn new(limits: Limits, memory_available: Option<u64>) -> Self {
        InForce { limits: Mutex::new(limits), memory_available }
    }

    /// Sets those that are given.
    pub(crate) fn set(&self, new: ResourceLimits) {
        let mut limits = self.limits.lock();
        limits.memory = new.memory.unwrap_or(limits.memory);
        limits.disk_free = new.disk_free.unwrap_or(limits.disk_free);
        tracing::info!(limits = ?*limits, "resource limits are set");
    }

    pub(crate) fn bytes(&self) -> LimitBytes {
        let limits = *self.limits.lock();
        LimitBytes {
            memory: bytes(limits.memory, self.memory_available),
            disk_free: bytes(limits.disk_free, self.memory_available).unwrap_or(0),
        }
    }
}

/// Unit: bytes. `None` when it depends on the machine's memory, and that is not known.
fn bytes(amount: Amount, available: Option<u64>) -> Option<u64> {
    match amount {
        Amount::Bytes(bytes) => Some(bytes),
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a part of a size, to the nearest kilobyte or so"
        )]
        Amount::OfMemory(part) => available.map(|available| (available as f64 * part) as u64),
    }
}

/// Watches until the node stops.
pub(crate) async fn watch(store: Arc<RocksStore>, replication: Replication, limits: Arc<InForce>, shutdown: Shutdown) {
    let mut alarms = Alarms::default();
    let mut memory_seen: Option<Instant> = None;
    let mut limit = limits.bytes();
    tracing::info!(memory_limit_bytes = limit.memory, disk_free_limit_bytes = limit.disk_free, "resource limits");
    loop {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = shutdown.triggered() => return,
        }
        let before = alarms;
        if limits.bytes() != limit {
            limit = limits.bytes();
            memory_seen = None;
        }
        // A file system that hangs may keep this waiting, but none of the threads that everything else runs on.
        let asked = Arc::clone(&store);
        match tokio::task::spawn_blocking(move || asked.free_bytes()).await {
            Ok(Ok(free)) => alarms.disk = free < limit.disk_free,
            Ok(Err(error)) => tracing::warn!(%error, "free disk space is not known"),
            Err(error) => tracing::warn!(%error, "free disk space was not found out"),
        }
        if memory_seen.is_none_or(|at| at.elapsed() >= MEMORY_ROUND) {
            memory_seen = Some(Instant::now());
            let resident = memory::resident_bytes();
            alarms.memory = resident.zip(limit.memory).is_some_and(|(resident, limit)| resident > limit);
        }
        if alarms != before {
            tracing::warn!(memory = alarms.memory, disk = alarms.disk, "resource alarms have changed");
            replication.set_local_alarm(AlarmKind::Memory, alarms.memory);
            replication.set_local_alarm(AlarmKind::Disk, alarms.disk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_limit_is_a_part_of_what_there_is() {
        assert_eq!(bytes(Amount::OfMemory(0.5), Some(1000)), Some(500));
        assert_eq!(bytes(Amount::OfMemory(0.5), None), None);
        assert_eq!(bytes(Amount::Bytes(7), None), Some(7));
    }

    #[test]
    fn what_operators_do_not_set_stays_as_it_is() {
        let configured = Limits { disk_free: Amount::Bytes(5), memory: Amount::OfMemory(0.5) };
        let limits = InForce::new(configured, Some(1000));
        assert_eq!(limits.bytes(), LimitBytes { memory: Some(500), disk_free: 5 });
        limits.set(ResourceLimits { memory: Some(Amount::Bytes(1)), disk_free: None });
        assert_eq!(limits.bytes(), LimitBytes { memory: Some(1), disk_free: 5 });
        limits.set(ResourceLimits { memory: None, disk_free: Some(Amount::OfMemory(2.0)) });
        assert_eq!(limits.bytes(), LimitBytes { memory: Some(1), disk_free: 2000 });
    }
}
