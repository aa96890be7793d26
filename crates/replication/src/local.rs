//! The group in this node's memory: the same queue machine for queues that need no replica, without Raft and without disk.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use queue::{At, Command, Outcome};
use tokio::sync::Notify;
use types::{Blob, GroupId, NodeId, Timestamp};

use crate::{
    api::Sessions,
    batcher::Submission,
    deadlines::{self, Pace},
    effects::{Blobs, Effect, EffectQueue},
    group_time::GroupTime,
    health::Health,
    liveness::{Liveness, Verdict},
    meta::MetaState,
    reconcile::{GroupChanges, Reconcile},
    supervisor::{node_over, system_chunk},
};

/// Bodies of messages in this node's memory, by batch.
pub(crate) type Bodies = Arc<Mutex<BTreeMap<u64, Blob>>>;

/// Chunks of one batch, at most.
const BATCH_MAX: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct LocalQueue {
    waiting: Mutex<VecDeque<Submission>>,
    wake: Notify,
    time: GroupTime,
}

impl LocalQueue {
    pub(crate) fn push(&self, submission: Submission) {
        self.waiting.lock().push_back(submission);
        self.wake.notify_one();
    }
}

/// The task that owns the memory group.
pub(crate) struct LocalGroup {
    pub queue: Arc<LocalQueue>,
    pub machine: Arc<Mutex<queue::Machine>>,
    pub bodies: Bodies,
    pub effects: Arc<EffectQueue>,
    pub health: Arc<Health>,
}

impl LocalGroup {
    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        let mut index = 0;
        let mut pace = Pace::default();
        loop {
            let mut batch: Vec<Submission> = {
                let mut waiting = self.queue.waiting.lock();
                let count = waiting.len().min(BATCH_MAX);
                waiting.drain(..count).collect()
            };
            let due = deadlines::due(&self.machine.lock());
            let wait = due.map(|due| pace.wait(due, self.time()));
            if wait.is_some_and(|wait| wait.is_zero()) {
                pace.ticked();
                batch.push(system_chunk(vec![Command::Tick]));
            }
            if batch.is_empty() {
                let due = async {
                    match wait {
                        Some(wait) => tokio::time::sleep(wait).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = self.queue.wake.notified() => {}
                    () = due => {}
                }
                continue;
            }
            index += 1;
            self.apply(index, batch);
            while let Some(drained) = self.effects.congested() {
                drained.notified().await;
            }
        }
    }

    fn time(&self) -> Timestamp {
        self.queue.time.read(self.health.time())
    }

    fn apply(&self, index: u64, batch: Vec<Submission>) {
        let mut chunks = Vec::with_capacity(batch.len());
        let mut blobs = Vec::new();
        for submission in batch {
            match proto::chunk::decode(submission.chunk) {
                Ok(chunk) => {
                    chunks.push(chunk);
                    if submission.blob.slot_count() > 0 {
                        blobs.push(submission.blob);
                    }
                }
                Err(error) => tracing::error!(%error, "a chunk for this node's memory was dropped"),
            }
        }
        let blob = Blob::concat(&blobs);
        if blob.slot_count() > 0 {
            self.bodies.lock().insert(index, blob);
        }
        let mut outcome = Outcome::default();
        self.machine.lock().apply_entry(At { index, proposed_at: self.time() }, &chunks, &mut outcome);
        self.effects.push(Effect::Outcome(outcome));
    }
}

impl Blobs for Bodies {
    fn read(&self, index: u64) -> Result<Option<bytes::Bytes>, storage::Error> {
        Ok(self.lock().get(&index).map(|blob| blob.as_bytes().clone()))
    }

    fn delete(&self, indexes: Vec<u64>) {
        let mut bodies = self.lock();
        for index in indexes {
            bodies.remove(&index);
        }
    }

    fn is_in_memory(&self) -> bool {
        true
    }
}

/// Ends the sessions of nodes that are gone, and agrees with metadata, as the leader of a shard does there.
pub(crate) struct LocalKeeper {
    pub queue: Arc<LocalQueue>,
    pub machine: Arc<Mutex<queue::Machine>>,
    pub node: NodeId,
    pub boot: u64,
    pub grace: Duration,
    pub liveness: Arc<Liveness>,
    pub meta: Arc<MetaState>,
    /// Queues of the group whose settings have changed.
    pub changes: Arc<GroupChanges>,
    pub sessions: Arc<dyn Sessions>,
}

/// How often the keeper looks when nothing wakes it.
const KEEPER_ROUND: Duration = Duration::from_secs(1);

impl LocalKeeper {
    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        let group = GroupId::local(self.node);
        let mut reconcile = Reconcile::default();
        loop {
            tokio::select! {
                () = tokio::time::sleep(KEEPER_ROUND) => {}
                () = self.liveness.changed() => {}
                () = self.changes.changed() => {}
            }
            let known = self.machine.lock().nodes();
            let verdict = |node| match node == self.node {
                true => Verdict::Here { boot: self.boot },
                false => self.liveness.verdict(node, self.grace),
            };
            let mut commands: Vec<_> =
                known.into_iter().filter_map(|known| node_over(known, verdict(known.node))).collect();
            loop {
                let round = {
                    let meta = self.meta.read();
                    reconcile.round(group, &self.changes, &meta, &self.machine.lock())
                };
                commands.extend(round.commands);
                if !round.ended.is_empty() {
                    self.sessions.queues_ended(group, round.ended);
                }
                if !round.again {
                    break;
                }
                tokio::task::yield_now().await;
            }
            if !commands.is_empty() {
                self.queue.push(system_chunk(commands));
            }
        }
    }
}
