//! What is left to do when a connection is over, done by a task of its own: queues that go with their connection.

use std::{sync::Arc, time::Duration};

use metadata::ConnectionId;
use telemetry::TaskKind;
use tracing::warn;
use types::QueueId;

use crate::broker::Broker;

/// How often a change of metadata is tried again while no majority answers. With the pauses between, about ten minutes: a
/// cluster that is without majority for longer keeps the names of some dead queues, which is harmless.
const TRIES_MAX: u32 = 40;

/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Queues that one command may delete: while metadata is changed, nobody reads it. When there are more, each gets a command of
/// its own, so many at a time: as many as an entry of the log takes.
const QUEUES_MAX: usize = 512;

/// Deletes what is exclusive to a connection that is over, then calls `done`.
pub(crate) fn delete_exclusive(broker: &Arc<Broker>, connection: ConnectionId, done: impl FnOnce() + Send + 'static) {
    let broker = Arc::clone(broker);
    telemetry::spawn(TaskKind::Background, "exclusive-delete", async move {
        // They are in this node's memory, whose machine follows metadata.
        delete_many(&broker, connection).await;
        propose_patiently(&broker, metadata::Command::DeleteExclusive { connection }).await;
        done();
    });
}

/// Deletes queues one by one until few are left, or no majority answers.
async fn delete_many(broker: &Broker, connection: ConnectionId) {
    loop {
        let queues: Vec<QueueId> = {
            let machine = broker.metadata().read();
            machine.queues_of_connection(connection).map(|queue| queue.id).take(QUEUES_MAX).collect()
        };
        if queues.len() < QUEUES_MAX {
            return;
        }
        // They are proposed here, all of them, and then waited for.
        let delete = |queue| broker.metadata().change(metadata::Command::DeleteQueue { queue });
        let changes: Vec<_> = queues.into_iter().map(delete).collect();
        for change in changes {
            if change.await.is_err() {
                return;
            }
        }
    }
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
