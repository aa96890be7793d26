//! What is left to do when a connection is over, done by a task of its own: queues that go with their connection.

use std::{sync::Arc, time::Duration};

use metadata::ConnectionId;
use telemetry::TaskKind;
use tracing::warn;

use crate::broker::Broker;

/// How often a change of metadata is tried again while no majority answers. With the pauses between, about ten minutes: a
/// cluster that is without majority for longer keeps the names of some dead queues, which is harmless.
const TRIES_MAX: u32 = 40;

/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Deletes what is exclusive to a connection that is over, then calls `done`.
pub(crate) fn delete_exclusive(broker: &Arc<Broker>, connection: ConnectionId, done: impl FnOnce() + Send + 'static) {
    let broker = Arc::clone(broker);
    telemetry::spawn(TaskKind::Background, "exclusive-delete", async move {
        // They are in this node's memory, whose machine follows metadata.
        propose_patiently(&broker, metadata::Command::DeleteExclusive { connection }).await;
        done();
    });
}

async fn propose_patiently(broker: &Arc<Broker>, command: metadata::Command) -> Option<metadata::Reply> {
    let mut pause = Duration::from_millis(100);
    for _ in 0..TRIES_MAX {
        if let Ok(reply) = broker.metadata().propose(command.clone()).await {
            return Some(reply);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
    warn!("metadata of deleted queues stays behind: no majority answered");
    None
}
