//! The parts of a node with bugs on purpose, for the tests of the simulation itself.

use std::{ops::Range, sync::Arc};

use broker::Broker;
use bytes::Bytes;
use queue::{Command, Reply};
use replication::{AlarmKind, Answer, ChunkReplies, DeadLetterBatch, Groups, Replication, SessionDelivery, Sessions};
use storage::{Checkpoint, Completion, Error, GroupState, InstalledSnapshot, LogRecord, LogStore, sim::SimStore};
use types::{Blob, GroupId, NodeId, SessionId};

use crate::mutation::Mutation;

/// The node's store.
pub(crate) fn store(mutation: Option<Mutation>, store: &Arc<SimStore>) -> Arc<dyn LogStore> {
    match mutation {
        Some(mutation @ (Mutation::VoteNotPersisted | Mutation::GcAheadOfAck)) => {
            Arc::new(MutantStore { mutation, store: Arc::clone(store) })
        }
        _ => store.clone(),
    }
}

/// Where the node's groups send what is for sessions.
pub(crate) fn sessions(mutation: Option<Mutation>, broker: &Arc<Broker>) -> Arc<dyn Sessions> {
    match mutation {
        Some(Mutation::RedeliveredDropped) => Arc::new(MutantSessions(Arc::clone(broker))),
        _ => broker.clone(),
    }
}

/// Where the node's sessions send what is for groups.
pub(crate) fn groups(mutation: Option<Mutation>, replication: &Replication, broker: &Arc<Broker>) -> Arc<dyn Groups> {
    match mutation {
        Some(Mutation::ConfirmBeforeCommit) => {
            Arc::new(MutantGroups { replication: replication.clone(), broker: Arc::downgrade(broker) })
        }
        _ => Arc::new(replication.clone()),
    }
}

/// Drops what it should write, or deletes what it should keep.
#[derive(Debug)]
struct MutantStore {
    mutation: Mutation,
    store: Arc<SimStore>,
}

impl LogStore for MutantStore {
    fn append(&self, group: GroupId, records: Vec<LogRecord>, done: Completion) {
        self.store.append(group, records, done);
    }

    fn save_vote(&self, group: GroupId, vote: Bytes, done: Completion) {
        match self.mutation {
            Mutation::VoteNotPersisted => self.store.barrier(done),
            _ => self.store.save_vote(group, vote, done),
        }
    }

    fn save_committed(&self, group: GroupId, committed: Bytes) {
        self.store.save_committed(group, committed);
    }

    fn truncate_after(&self, group: GroupId, last_kept: Option<u64>, done: Completion) {
        self.store.truncate_after(group, last_kept, done);
    }

    fn purge(&self, group: GroupId, up_to: u64, last_purged: Bytes) {
        self.store.purge(group, up_to, last_purged);
    }

    fn delete_blobs(&self, group: GroupId, mut indexes: Vec<u64>) {
        if self.mutation == Mutation::GcAheadOfAck {
            let ahead: Vec<u64> = indexes.iter().map(|index| index + 1).collect();
            indexes.extend(ahead);
        }
        self.store.delete_blobs(group, indexes);
    }

    fn put_blobs(&self, group: GroupId, blobs: Vec<(u64, Bytes)>) {
        self.store.put_blobs(group, blobs);
    }

    fn write_checkpoint(&self, group: GroupId, checkpoint: Checkpoint, done: Completion) {
        self.store.write_checkpoint(group, checkpoint, done);
    }

    fn install_snapshot(&self, group: GroupId, snapshot: InstalledSnapshot, done: Completion) {
        self.store.install_snapshot(group, snapshot, done);
    }

    fn forget(&self, group: GroupId, done: Completion) {
        self.store.forget(group, done);
    }

    fn barrier(&self, done: Completion) {
        self.store.barrier(done);
    }

    fn recover(&self, group: GroupId) -> Result<GroupState, Error> {
        self.store.recover(group)
    }

    fn read_log(&self, group: GroupId, range: Range<u64>, max_bytes: usize) -> Result<Vec<LogRecord>, Error> {
        self.store.read_log(group, range, max_bytes)
    }

    fn read_blob(&self, group: GroupId, index: u64) -> Result<Option<Bytes>, Error> {
        self.store.read_blob(group, index)
    }

    fn read_checkpoint(&self, group: GroupId) -> Result<Option<Checkpoint>, Error> {
        self.store.read_checkpoint(group)
    }

    fn read_node_value(&self, name: &str) -> Result<Option<Bytes>, Error> {
        self.store.read_node_value(name)
    }

    fn write_node_value(&self, name: &str, value: Bytes) -> Result<(), Error> {
        self.store.write_node_value(name, value)
    }

    fn is_in_memory(&self) -> bool {
        self.store.is_in_memory()
    }

    fn queued_bytes(&self) -> usize {
        self.store.queued_bytes()
    }

    fn stalled_ms(&self) -> u64 {
        self.store.stalled_ms()
    }
}

/// Says of no message that it was delivered before.
struct MutantSessions(Arc<Broker>);

impl Sessions for MutantSessions {
    fn replied(&self, session: SessionId, group: GroupId, token: u64, replies: ChunkReplies) {
        self.0.replied(session, group, token, replies);
    }

    fn deliver(&self, mut delivery: SessionDelivery) {
        delivery.messages.iter_mut().for_each(|message| message.redelivered = false);
        self.0.deliver(delivery);
    }

    fn cancelled(&self, cancelled: queue::Cancelled) {
        self.0.cancelled(cancelled);
    }

    fn dead_letters(&self, group: GroupId, letters: DeadLetterBatch) {
        self.0.dead_letters(group, letters);
    }

    fn queues_ended(&self, group: GroupId, queues: Vec<queue::QueueEnded>) {
        self.0.queues_ended(group, queues);
    }

    fn alarms_changed(&self, alarms: Vec<(NodeId, AlarmKind)>) {
        self.0.alarms_changed(alarms);
    }

    fn sessions_lost(&self, group: GroupId) {
        self.0.sessions_lost(group);
    }
}

/// Answers publishes before anything was done with them.
struct MutantGroups {
    replication: Replication,
    broker: std::sync::Weak<Broker>,
}

impl Groups for MutantGroups {
    fn submit(&self, group: GroupId, session: SessionId, token: u64, commands: Vec<Command>, blob: Blob) {
        let are_publishes = commands.iter().all(|command| matches!(command, Command::Enqueue(_)));
        let answers = commands.iter().map(|_| Answer::Reply(Reply::Done)).collect();
        self.replication.submit(group, session, token, commands, blob);
        if let Some(broker) = self.broker.upgrade().filter(|_| are_publishes) {
            broker.replied(session, group, token, ChunkReplies::Applied(answers));
        }
    }

    fn is_leader(&self, group: GroupId) -> bool {
        self.replication.is_leader(group)
    }

    fn shards(&self) -> Vec<GroupId> {
        self.replication.shards()
    }

    fn is_node_up(&self, node: NodeId) -> bool {
        self.replication.is_node_up(node)
    }
}
