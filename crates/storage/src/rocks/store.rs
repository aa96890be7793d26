//! [`LogStore`] on RocksDB: each call becomes an operation or a read.

use std::ops::Range;

use bytes::Bytes;
use types::GroupId;

use super::RocksStore;
use crate::{
    Checkpoint, Completion, Error, GroupState, InstalledSnapshot, LogRecord, LogStore,
    handoff::bounded,
    keys::{self, Tag},
    op::{InstallOp, Op},
};

impl LogStore for RocksStore {
    fn append(&self, group: GroupId, records: Vec<LogRecord>, done: Completion) {
        self.queue(Op::Append { group, records, done });
    }

    fn save_vote(&self, group: GroupId, vote: Bytes, done: Completion) {
        self.queue(Op::Value { group, tag: Tag::Vote, value: vote, done: Some(done) });
    }

    fn save_committed(&self, group: GroupId, committed: Bytes) {
        self.queue(Op::Value { group, tag: Tag::Committed, value: committed, done: None });
    }

    fn truncate_after(&self, group: GroupId, last_kept: Option<u64>, done: Completion) {
        self.queue(Op::Truncate { group, last_kept, done });
    }

    fn purge(&self, group: GroupId, up_to: u64, last_purged: Bytes) {
        self.queue(Op::Purge { group, up_to, last_purged });
    }

    fn delete_blobs(&self, group: GroupId, indexes: Vec<u64>) {
        self.queue(Op::DeleteBlobs { group, indexes });
    }

    fn put_blobs(&self, group: GroupId, blobs: Vec<(u64, Bytes)>) {
        self.queue(Op::PutBlobs { group, blobs });
    }

    fn write_checkpoint(&self, group: GroupId, checkpoint: Checkpoint, done: Completion) {
        self.queue(Op::Install(Box::new(InstallOp { group, checkpoint, snapshot: None, done })));
    }

    fn install_snapshot(&self, group: GroupId, snapshot: InstalledSnapshot, done: Completion) {
        self.queue(Op::Install(Box::new(InstallOp::from_snapshot(group, snapshot, done))));
    }

    fn forget(&self, group: GroupId, done: Completion) {
        self.queue(Op::Forget { group, done });
    }

    fn barrier(&self, done: Completion) {
        self.queue(Op::Barrier { done });
    }

    fn recover(&self, group: GroupId) -> Result<GroupState, Error> {
        let recovered = self.checked(self.disk.recover(group));
        if let Err(Error::Missing { .. }) = &recovered {
            // Later an entry may be purged while it is read; not now.
            self.watch.fail(Error::Damaged { group, what: "an entry of the log is missing" });
        }
        let (state, orphans) = recovered?;
        if orphans {
            self.queue(Op::DropOrphans { group });
        }
        Ok(state)
    }

    fn read_log(&self, group: GroupId, range: Range<u64>, max_bytes: usize) -> Result<Vec<LogRecord>, Error> {
        self.checked(self.disk.read_log(group, range, max_bytes))
    }

    fn read_heads(&self, group: GroupId, range: Range<u64>, max_bytes: usize) -> Result<Vec<LogRecord>, Error> {
        self.checked(self.disk.read_heads(group, range, max_bytes))
    }

    fn read_blob(&self, group: GroupId, index: u64) -> Result<Option<Bytes>, Error> {
        self.checked(self.disk.read_blob(group, index))
    }

    fn read_checkpoint(&self, group: GroupId) -> Result<Option<Checkpoint>, Error> {
        self.checked(self.disk.read_checkpoint(group))
    }

    fn read_node_value(&self, name: &str) -> Result<Option<Bytes>, Error> {
        self.checked(self.disk.read_node_value(name))
    }

    fn write_node_value(&self, name: &str, value: Bytes) -> Result<(), Error> {
        let (done, result) = bounded(1);
        let done: Completion = Box::new(move |r| done.send(r).expect("the caller waits for it"));
        self.queue(Op::NodeValue { key: keys::node_value(name), value, done });
        result.recv().map_err(|_| Error::Closed)?
    }

    fn queued_bytes(&self) -> usize {
        self.watch.queued_bytes()
    }

    fn stalled_ms(&self) -> u64 {
        self.watch.stalled_ms()
    }
}
