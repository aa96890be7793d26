//! The slow lane: checkpoints too large for one batch are written in parts between other batches, and switched to at the end.
//!
//! A part is written only when the one before is synced, so that appends of other groups never wait for more than one part.
//! Operations that must not overtake a checkpoint on its way (the purge that relies on it) wait here, in their order; all
//! others go on. That keeps the promise of the one queue where it matters: nothing is durable that needs something which is
//! not.

use std::{collections::VecDeque, vec};

use bytes::Bytes;
use types::GroupId;

use super::{BATCH_BYTES, batch::Assembler};
use crate::{
    Completion,
    done::Done,
    op::{InstallOp, Op, SnapshotOp},
    options::MIB,
};

/// Payload of one part.
const PART_BYTES: usize = MIB;

#[derive(Default)]
pub(super) struct Lane {
    /// The checkpoint that is being written.
    current: Option<Job>,
    /// What waits for it, in order.
    waiting: VecDeque<Op>,
}

struct Job {
    group: GroupId,
    epoch: u32,
    meta: Bytes,
    segment_count: usize,
    segments: vec::IntoIter<(u64, Bytes)>,
    snapshot: Option<SnapshotOp>,
    done: Completion,
}

impl Lane {
    pub(super) fn is_idle(&self) -> bool {
        self.current.is_none()
    }

    /// Adds the operation to the batch, or keeps it until it may be added.
    pub(super) fn offer(&mut self, op: Op, batch: &mut Assembler<'_>) {
        if self.must_wait(&op, batch) {
            self.waiting.push_back(op);
            return;
        }
        match op {
            Op::Install(install) if install.bytes() > BATCH_BYTES => self.start(*install, batch),
            op => batch.add(op),
        }
    }

    /// Adds the next part of the current checkpoint to the batch, and the switch after the last. Returns whether anything was added.
    pub(super) fn advance(&mut self, batch: &mut Assembler<'_>) -> bool {
        let Some(job) = &mut self.current else { return false };
        let start = batch.size();
        while batch.size() - start < PART_BYTES {
            let Some((number, segment)) = job.segments.next() else {
                self.finish(batch);
                break;
            };
            batch.add_segment(job.group, job.epoch, number, &segment);
        }
        true
    }

    /// The store has failed: hands back who waits.
    pub(super) fn abandon(&mut self) -> Vec<Done> {
        let job = self.current.take().map(|job| Done::Each(job.done));
        job.into_iter().chain(self.waiting.drain(..).filter_map(Op::into_done)).collect()
    }

    fn start(&mut self, install: InstallOp, batch: &mut Assembler<'_>) {
        let InstallOp { group, checkpoint, snapshot, done } = install;
        let epoch = batch.begin_checkpoint(group);
        let segment_count = checkpoint.segments.len();
        let segments = checkpoint.segments.into_iter();
        self.current = Some(Job { group, epoch, meta: checkpoint.meta, segment_count, segments, snapshot, done });
    }

    fn finish(&mut self, batch: &mut Assembler<'_>) {
        let Some(job) = self.current.take() else { return };
        batch.end_checkpoint(job.group, job.epoch, job.segment_count, &job.meta);
        if let Some(snapshot) = &job.snapshot {
            batch.take_over(job.group, snapshot);
        }
        batch.complete(job.done);
        for op in std::mem::take(&mut self.waiting) {
            self.offer(op, batch);
        }
    }

    fn must_wait(&self, op: &Op, batch: &mut Assembler<'_>) -> bool {
        let Some(job) = &self.current else { return false };
        let Some(group) = op.group() else {
            // A barrier stands for everything before it, a node's value for nothing else.
            return matches!(op, Op::Barrier { .. });
        };
        if let Op::Install(install) = op
            && install.bytes() > BATCH_BYTES
        {
            return true;
        }
        let behind_job = job.group == group && (job.snapshot.is_some() || relies_on_checkpoint(op));
        let next = batch.log(group).next();
        let mut waiting = self.waiting.iter().filter(|earlier| earlier.group() == Some(group));
        behind_job || waiting.any(|earlier| follows(earlier, op, next))
    }
}

/// Whether the operation is only right when a checkpoint that was queued before it is durable.
fn relies_on_checkpoint(op: &Op) -> bool {
    match op {
        Op::Purge { .. } | Op::Install(_) | Op::Forget { .. } => true,
        Op::Append { .. }
        | Op::Value { .. }
        | Op::Truncate { .. }
        | Op::DeleteBlobs { .. }
        | Op::PutBlobs { .. }
        | Op::DropOrphans { .. }
        | Op::Barrier { .. }
        | Op::NodeValue { .. } => false,
    }
}

/// Whether `op` must stay behind a waiting operation of its group. `next` is where the log goes on without that.
fn follows(earlier: &Op, op: &Op, next: Option<u64>) -> bool {
    match earlier {
        Op::Install(install) => install.snapshot.is_some() || relies_on_checkpoint(op),
        Op::Purge { up_to, .. } => match op {
            // What the purge leaves, the blobs, must not go with the entries that are to be purged.
            Op::Truncate { last_kept, .. } => last_kept.is_none_or(|kept| kept < *up_to),
            // After a purge beyond its end the log goes on elsewhere.
            Op::Append { records, .. } => records.first().is_some_and(|first| next != Some(first.index)),
            op => relies_on_checkpoint(op),
        },
        Op::Forget { .. } => true,
        // They wait only behind a snapshot, which everything else of the group waits for, too, or in odd cases behind a purge.
        Op::Append { .. }
        | Op::Value { .. }
        | Op::Truncate { .. }
        | Op::DeleteBlobs { .. }
        | Op::PutBlobs { .. }
        | Op::DropOrphans { .. }
        | Op::Barrier { .. }
        | Op::NodeValue { .. } => true,
    }
}
