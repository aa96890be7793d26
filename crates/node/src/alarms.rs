//! What blocks publishers: too little free disk. And what stops the node from leading: a disk that hangs.

use std::{sync::Arc, time::Duration};

use broker::Broker;
use replication::Replication;
use storage::{LogStore, RocksStore};
use telemetry::Shutdown;

/// How often the disk is looked at: a fast disk fills half a gigabyte in a second.
const ROUND: Duration = Duration::from_millis(100);
/// A sync that takes longer than this costs the node its leaderships.
const STALL_MS: u64 = 5_000;
/// How long the hand-over of leaderships may take when the disk hangs.
const HAND_OVER: Duration = Duration::from_secs(2);
const MIB: u64 = 1024 * 1024;

/// Watches until the node stops.
pub(crate) async fn watch(
    store: Arc<RocksStore>,
    broker: Arc<Broker>,
    replication: Replication,
    disk_free_limit_mb: u64,
    shutdown: Shutdown,
) {
    let mut stalled = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = shutdown.triggered() => return,
        }
        match store.free_bytes() {
            Ok(free) => broker.set_alarm((free < disk_free_limit_mb * MIB).then_some("low on disk")),
            Err(error) => tracing::warn!(%error, "free disk space is not known"),
        }
        let stalled_ms = store.stalled_ms();
        if stalled_ms > STALL_MS && !stalled {
            tracing::error!(stalled_ms, "the disk hangs, leaderships are given away");
            replication.hand_over(HAND_OVER).await;
        }
        stalled = stalled_ms > STALL_MS;
    }
}
