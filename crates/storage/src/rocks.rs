//! The store of a running node: one RocksDB, one thread that writes, one that syncs.
//!
//! Calls that change something queue an operation for the [writer](crate::writer); reads go straight to RocksDB.

mod collector;
mod disk;
mod keeper;
mod mark;
mod open;
mod reads;
mod statistics;
mod store;
mod tuning;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

pub(crate) use self::disk::{Disk, Families};
use self::keeper::Keeper;
pub use self::statistics::StorageStatistics;
use crate::{
    Error, Options,
    handoff::{Sender, bounded},
    op::{Op, Queued},
    syncer,
    watch::Watch,
    writer::Writer,
};

/// So many operations may wait for the writer; whoever queues more is blocked. Callers hold back by bytes long before
/// ([`LogStore::queued_bytes`](crate::LogStore::queued_bytes)).
const OPERATIONS_MAX: usize = 8192;

/// A [`LogStore`](crate::LogStore) on RocksDB. Dropping it writes and syncs what is queued.
pub struct RocksStore {
    disk: Arc<Disk>,
    watch: Arc<Watch>,
    path: PathBuf,
    /// Present until the store is dropped.
    operations: Option<Sender<Queued>>,
    /// Ends the keeper when it is dropped.
    keeping: Option<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl RocksStore {
    /// Opens the store in this folder, or makes one if the folder is empty or missing.
    ///
    /// # Errors
    /// When another process holds the folder, when it was written by another version, or when the disk fails.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Arc<Self>, Error> {
        let path = path.as_ref().to_path_buf();
        let disk = Arc::new(open::open(&path, &options)?);
        let watch = Arc::new(Watch::new(options.on_fatal));
        let (operations, to_write) = bounded(OPERATIONS_MAX);
        let (to_syncer, written) = bounded(syncer::BATCHES_MAX);
        let mut store = RocksStore {
            disk: Arc::clone(&disk),
            watch: Arc::clone(&watch),
            path,
            operations: Some(operations),
            keeping: None,
            threads: Vec::with_capacity(3),
        };
        let (keeping, end) = bounded(1);
        let keeper = Keeper::new(Arc::clone(&disk), Arc::clone(&watch), end, options.quiet_after);
        store.start("storage-keeper", move || keeper.run())?;
        store.keeping = Some(keeping);
        let writer = Writer::new(Arc::clone(&disk), Arc::clone(&watch), to_write, to_syncer);
        store.start("storage-writer", move || writer.run())?;
        store.start("storage-syncer", move || syncer::run(&disk, &watch, &written))?;
        Ok(Arc::new(store))
    }

    fn start(&mut self, name: &'static str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let watch = Arc::clone(&self.watch);
        let supervised = move || {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
                // Whatever it held is lost; who waits must not wait for ever.
                watch.fail(Error::Closed);
                resume_unwind(payload);
            }
        };
        let thread =
            telemetry::spawn_thread(name, supervised).map_err(|e| Error::disk("starting a storage thread", e))?;
        self.threads.push(thread);
        Ok(())
    }

    /// What is damaged stops the store: a node that went on would tell others what it has not, or forget what it has said.
    fn checked<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.inspect_err(|error| {
            if error.is_damage() {
                self.watch.fail(error.clone());
            }
        })
    }

    fn queue(&self, op: Op) {
        let bytes = op.queued_bytes();
        let waits = op.waits();
        self.watch.queue(bytes, waits);
        let operations = self.operations.as_ref().expect("the sender is there until the store is dropped");
        let queued = Queued { op, bytes };
        // Committed log ids and what has died go with the next append: at low rates they would double the batches.
        let refused = if waits { operations.send(queued) } else { operations.send_quietly(queued) };
        if let Err(refused) = refused {
            // The writer is gone: it panicked, and the store has failed.
            let error = self.watch.failure().cloned().unwrap_or(Error::Closed);
            if let Some(done) = refused.op.into_done() {
                self.watch.completed(1);
                done.refuse(error);
            }
        }
    }
}

impl Drop for RocksStore {
    fn drop(&mut self) {
        drop(self.operations.take());
        drop(self.keeping.take());
        // A completion may hold the last handle. The threads then end by themselves, as each waits for the other's channel
        // to close, and neither can wait for the other to end.
        let here = thread::current().id();
        if self.threads.iter().any(|thread| thread.thread().id() == here) {
            return;
        }
        // The keeper was started first and is waited for last: its compaction need not come to an end.
        while let Some(thread) = self.threads.pop() {
            if self.threads.is_empty() {
                self.disk.stop_background();
            }
            if thread.join().is_err() {
                tracing::error!(path = %self.path.display(), "a storage thread had panicked");
            }
        }
    }
}

impl fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksStore")
            .field("path", &self.path)
            .field("queued_bytes", &self.watch.queued_bytes())
            .field("failure", &self.watch.failure())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
