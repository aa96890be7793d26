//! The writer: one thread that turns the operations of all groups, in their order, into one RocksDB batch at a time.
//!
//! Batches are written without a sync and handed to the [syncer](crate::syncer); while that syncs, the next batch is written.

mod batch;
mod group_log;
mod lane;

use std::{sync::Arc, time::Duration};

use rocksdb::WriteBatch;

use self::{batch::Assembler, group_log::GroupLogs, lane::Lane};
use crate::{
    done::Done,
    handoff::{Nothing, Receiver, Sender},
    op::{Op, Queued},
    options::MIB,
    rocks::Disk,
    syncer::Written,
    watch::Watch,
};

/// A batch is closed when it has so many bytes: large enough that an fsync is not the limit, small enough to add little delay.
const BATCH_BYTES: usize = 4 * MIB;
/// A batch is closed when it has so many operations.
const BATCH_OPERATIONS: usize = 1024;
/// What a key, tags and lengths add to an operation's payload. Only for the capacity of a batch.
const OPERATION_OVERHEAD_BYTES: usize = 64;
/// How often the writer looks whether the last part of a large checkpoint is synced, when it has nothing else to do.
const PART_POLL: Duration = Duration::from_millis(1);

pub(crate) struct Writer {
    disk: Arc<Disk>,
    watch: Arc<Watch>,
    operations: Receiver<Queued>,
    written: Sender<Written>,
    logs: GroupLogs,
    lane: Lane,
}

impl Writer {
    pub(crate) fn new(
        disk: Arc<Disk>,
        watch: Arc<Watch>,
        operations: Receiver<Queued>,
        written: Sender<Written>,
    ) -> Self {
        Writer { disk, watch, operations, written, logs: GroupLogs::default(), lane: Lane::default() }
    }

    /// Works until the store is dropped and everything queued is handed over.
    pub(crate) fn run(mut self) {
        let mut taken = Vec::with_capacity(BATCH_OPERATIONS);
        while self.take(&mut taken) {
            let bytes = taken.iter().map(|queued| queued.bytes).sum();
            let count = taken.len();
            let batch =
                if self.watch.failure().is_some() { self.refuse(&mut taken) } else { self.write(&mut taken, bytes) };
            self.watch.dequeue(bytes);
            self.watch.metrics.wrote(count, bytes, self.watch.queued_bytes());
            if self.written.send(batch).is_err() {
                // The syncer is gone, which its supervisor has reported.
                return;
            }
        }
    }

    /// Takes what is queued, up to a batch's limits. Waits for the first operation, unless a large checkpoint can go on.
    /// Returns false when there is nothing to do any more.
    fn take(&mut self, taken: &mut Vec<Queued>) -> bool {
        debug_assert!(taken.is_empty(), "the last batch was written");
        loop {
            if self.lane.is_idle() {
                let Ok(first) = self.operations.recv() else { return false };
                taken.push(first);
            } else if self.watch.part_unsynced() && self.watch.failure().is_none() {
                match self.operations.recv_timeout(PART_POLL) {
                    Ok(first) => taken.push(first),
                    Err(Nothing::Empty) => continue,
                    Err(Nothing::Closed) => {
                        // Nothing new can come, but the checkpoint is to be finished.
                        std::thread::sleep(PART_POLL);
                        continue;
                    }
                }
            }
            break;
        }
        let mut bytes: usize = taken.iter().map(|queued| queued.bytes).sum();
        while bytes < BATCH_BYTES && taken.len() < BATCH_OPERATIONS {
            match self.operations.try_recv() {
                Ok(queued) => {
                    bytes += queued.bytes;
                    taken.push(queued);
                }
                Err(Nothing::Empty | Nothing::Closed) => break,
            }
        }
        true
    }

    fn write(&mut self, taken: &mut Vec<Queued>, bytes: usize) -> Written {
        let batch = WriteBatch::with_capacity_bytes(bytes + taken.len() * OPERATION_OVERHEAD_BYTES);
        let loaded =
            taken.iter().filter_map(|queued| queued.op.group()).try_for_each(|group| self.logs.load(&self.disk, group));
        if let Err(error) = loaded {
            self.watch.fail(error);
            return self.refuse(taken);
        }
        let mut assembler = Assembler::new(&self.disk, &mut self.logs, batch);
        for queued in taken.drain(..) {
            if let Op::DeleteBlobs { indexes, .. } = &queued.op {
                self.watch.bodies_died(indexes.len());
            }
            self.lane.offer(queued.op, &mut assembler);
        }
        let part = !self.watch.part_unsynced() && self.lane.advance(&mut assembler);
        let (batch, mut completions) = assembler.finish();
        if part {
            self.watch.set_part_unsynced(true);
        }
        if let Err(error) = self.disk.write(batch) {
            self.watch.fail(error);
            completions.extend(self.lane.abandon());
            return Written { completions, sync: false, part: false };
        }
        let sync = part || completions.iter().any(|done| !matches!(done, Done::Refused(..)));
        Written { completions, sync, part }
    }

    /// The store has failed: nothing is written any more.
    fn refuse(&mut self, taken: &mut Vec<Queued>) -> Written {
        let mut completions: Vec<Done> = self.lane.abandon();
        completions.extend(taken.drain(..).filter_map(|queued| queued.op.into_done()));
        Written { completions, sync: false, part: false }
    }
}
