//! What is left to do when a channel or a connection is over, done by tasks of their own: queues that go with their last
//! consumer, and queues that go with their connection.

use std::{sync::Arc, time::Duration};

use metadata::ConnectionId;
use queue::{Command, Refusal, Reply};
use replication::{Answer, ChunkReplies};
use telemetry::TaskKind;
use tokio::sync::oneshot;
use tracing::warn;
use types::{Blob, GroupId, QueueId};

use crate::{broker::Broker, registry::waiter_token};

/// How often a change of metadata is tried again while no majority answers. With the pauses between, about ten minutes: a
/// cluster that is without majority for longer keeps the names of some dead queues, which is harmless.
const TRIES_MAX: u32 = 40;

/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Queues of one group that may have lost their last consumer, and the answers to the chunk that deletes those that have.
#[derive(Debug)]
pub(crate) struct AutoDeletes {
    /// Where the queues are.
    pub(crate) group: GroupId,
    /// Their `DeleteQueue` commands are the last of the chunk, in this order.
    pub(crate) queues: Vec<QueueId>,
    /// The answers to the chunk.
    pub(crate) replies: oneshot::Receiver<ChunkReplies>,
}

/// Waits for the answers and takes the queues that went out of metadata.
pub(crate) fn finish_auto_deletes(broker: &Arc<Broker>, auto_deletes: AutoDeletes) {
    let broker = Arc::clone(broker);
    telemetry::spawn(TaskKind::Background, "auto-delete", async move {
        let AutoDeletes { group, queues, replies } = auto_deletes;
        let mut answers = match replies.await {
            Ok(ChunkReplies::Applied(answers)) => answers,
            Ok(ChunkReplies::AppliedUnanswered) => ask_again(&broker, group, &queues).await,
            Ok(ChunkReplies::Unavailable) | Err(_) => return,
        };
        let answers = answers.split_off(answers.len().saturating_sub(queues.len()));
        for (queue, answer) in queues.into_iter().zip(answers) {
            if is_gone(&answer) {
                delete_metadata(&broker, queue).await;
            }
        }
    });
}

/// Deletes what is exclusive to a connection that is over, then calls `done`.
pub(crate) fn delete_exclusive(broker: &Arc<Broker>, connection: ConnectionId, done: impl FnOnce() + Send + 'static) {
    let broker = Arc::clone(broker);
    telemetry::spawn(TaskKind::Background, "exclusive-delete", async move {
        // They are in this node's memory, whose machine follows metadata.
        propose_patiently(&broker, metadata::Command::DeleteExclusive { connection }).await;
        done();
    });
}

/// The delete may have happened with an answer that was lost: a queue that is not there any more is gone too.
async fn ask_again(broker: &Arc<Broker>, group: GroupId, queues: &[QueueId]) -> Vec<Answer> {
    let (session, replies) = broker.registry().open_waiter();
    let delete = |queue: &QueueId| Command::DeleteQueue { queue: *queue, if_unused: true, if_empty: false };
    let commands = queues.iter().map(delete).collect();
    broker.groups().submit(group, session, waiter_token(0), commands, Blob::default());
    match replies.await {
        Ok(ChunkReplies::Applied(answers)) => answers,
        Ok(ChunkReplies::AppliedUnanswered | ChunkReplies::Unavailable) | Err(_) => Vec::new(),
    }
}

fn is_gone(answer: &Answer) -> bool {
    matches!(answer, Answer::Reply(Reply::Deleted { .. } | Reply::Refused(Refusal::NoSuchQueue)))
}

async fn delete_metadata(broker: &Arc<Broker>, queue: QueueId) {
    propose_patiently(broker, metadata::Command::DeleteQueue { queue }).await;
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
