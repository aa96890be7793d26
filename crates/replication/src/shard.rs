//! A shard group's machine: the queue machine, and the shell that acts on its outcomes while this node leads.

use std::sync::Arc;

use bytes::Bytes;
use queue::{At, Chunk, Outcome};
use storage::LogStore;
use tokio::sync::Notify;
use types::{GroupId, NodeId, Timestamp};

use crate::{
    batcher::{self, Batcher},
    deadlines::{self, Deadlines},
    effects::{Effect, EffectQueue},
    machine::{EntryAt, Machine},
    metrics,
    raft_types::Batch,
};

pub(crate) struct ShardMachine {
    group: GroupId,
    queues: queue::Machine,
    batcher: Arc<Batcher>,
    effects: Arc<EffectQueue>,
    deadlines: Arc<Deadlines>,
    store: Arc<dyn LogStore>,
}

impl std::fmt::Debug for ShardMachine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardMachine").field("group", &self.group).finish_non_exhaustive()
    }
}

impl ShardMachine {
    pub(crate) fn new(
        group: GroupId,
        batcher: Arc<Batcher>,
        effects: Arc<EffectQueue>,
        deadlines: Arc<Deadlines>,
        store: Arc<dyn LogStore>,
    ) -> Self {
        ShardMachine { group, queues: queue::Machine::new(), batcher, effects, deadlines, store }
    }

    /// The queues, for looking at.
    pub(crate) fn queues(&self) -> &queue::Machine {
        &self.queues
    }

    /// Everything that sessions of `node` hold goes to it again (its link was down).
    pub(crate) fn reissue_to(&self, node: NodeId) {
        if self.batcher.leading().is_none() {
            return;
        }
        reissue(&self.queues, &self.effects, node);
    }
}

/// Everything that sessions of `node` hold goes to it again. Dead letters are not among it: they are the leader's own.
pub(crate) fn reissue(queues: &queue::Machine, effects: &EffectQueue, node: NodeId) {
    let mut outcome = Outcome::default();
    queues.reissue_to(node, &mut outcome);
    effects.push_pieces(outcome);
}

impl Machine for ShardMachine {
    fn apply(&mut self, at: EntryAt, batch: &Batch) {
        // Every replica reads the same bytes: what cannot be read stops this group everywhere (ADR 0011).
        let (proposed_at, chunks) =
            decode(batch).expect("a committed entry has the layout of a version this node knows");
        let mut outcome = Outcome::default();
        self.queues.apply_entry(At { index: at.index, proposed_at }, &chunks, &mut outcome);
        metrics::applied(batch.blob.slot_count());
        if at.leading {
            self.effects.push(Effect::Outcome(outcome));
            self.batcher.applied();
            self.deadlines.applied(deadlines::due(&self.queues), chunks.iter().any(deadlines::is_tick));
        } else if !outcome.dead.is_empty() {
            self.store.delete_blobs(self.group, outcome.dead);
        }
    }

    fn lead(&mut self, term: u64) {
        tracing::info!(group_id = %self.group, term, "leading");
        metrics::leadership();
        self.batcher.lead(term, self.queues.time());
        let mut outcome = Outcome::default();
        self.queues.reissue(&mut outcome);
        self.effects.push(Effect::Lead(term));
        self.effects.push_pieces(outcome);
        self.deadlines.lead(deadlines::due(&self.queues));
    }

    fn follow(&mut self) {
        tracing::info!(group_id = %self.group, "leading no more");
        self.batcher.follow();
        self.deadlines.follow();
    }

    fn snapshot(&self) -> Vec<(u64, Bytes)> {
        self.queues.snapshot()
    }

    fn restore(&mut self, segments: Vec<(u64, Bytes)>) -> Result<(), proto::DecodeError> {
        self.queues = queue::Machine::restore(segments).map_err(|error| {
            tracing::error!(group_id = %self.group, %error, "checkpoint could not be read");
            proto::DecodeError::new("queue machine checkpoint")
        })?;
        Ok(())
    }

    fn digest(&self) -> u64 {
        self.queues.digest()
    }

    fn live(&self) -> Vec<u64> {
        self.queues.live_indexes()
    }

    fn unsettled(&self) -> Option<Arc<Notify>> {
        self.effects.unsettled()
    }

    fn congested(&self) -> Option<Arc<Notify>> {
        self.effects.congested()
    }
}

fn decode(batch: &Batch) -> Result<(Timestamp, Vec<Chunk>), proto::DecodeError> {
    let (proposed_at, chunks) = batcher::disassemble(batch.head.clone())?;
    let chunks = chunks.into_iter().map(proto::chunk::decode).collect::<Result<_, _>>()?;
    Ok((proposed_at, chunks))
}
