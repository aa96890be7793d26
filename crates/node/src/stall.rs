//! What stops the node from leading: a disk that hangs.
//!
//! A task of its own, which asks nothing of the disk: whatever did would hang with it.

use std::{sync::Arc, time::Duration};

use replication::Replication;
use storage::{LogStore, RocksStore};
use telemetry::Shutdown;

/// How often it is looked.
const ROUND: Duration = Duration::from_millis(100);
/// A sync that takes longer than this costs the node its leaderships: half of the time for which publishers may wait when a leader's disk
/// hangs, and far longer than a sync takes on a disk that is only slow.
const STALL_MS: u64 = 5_000;

/// Watches until the node stops.
pub(crate) async fn watch(store: Arc<RocksStore>, replication: Replication, shutdown: Shutdown) {
    let mut stalled = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = shutdown.triggered() => return,
        }
        let stalled_ms = store.stalled_ms();
        let before = std::mem::replace(&mut stalled, stalled_ms > STALL_MS);
        if stalled && !before {
            tracing::error!(stalled_ms, "the disk hangs, leaderships are given away");
        } else if before && !stalled {
            tracing::warn!("the disk works again");
        }
        if stalled || before {
            replication.set_disk_stalled(stalled).await;
        }
    }
}
