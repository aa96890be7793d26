//! openraft's state machine around a [`Machine`]: applied log id, membership, leadership, checkpoints, snapshots.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    storage::{EntryResponder, RaftStateMachine, Snapshot},
    type_config::alias::SnapshotOf,
};
use parking_lot::Mutex;
use storage::{Checkpoint, InstalledSnapshot, LogStore};
use tokio::sync::{Notify, oneshot};
use types::{GroupId, NodeId};

use crate::{
    blocking,
    inspect::{EntryId, MachineState, Witness},
    log_codec,
    log_store::GroupLog,
    machine::{EntryAt, Machine, leader_of},
    metrics,
    raft_types::{C, LogId, SnapshotMeta, StoredMembership},
};

/// A group's state at one log index, as it is sent to a follower.
#[derive(Clone, Debug, Default)]
pub(crate) struct SnapshotData {
    /// The machine's pieces.
    pub segments: Arc<Vec<(u64, Bytes)>>,
    /// Log entries whose blobs it needs, ascending. Known on the receiving side; the sender asks its machine.
    pub live: Vec<u64>,
}

#[derive(Debug)]
pub(crate) struct StateMachine<M> {
    group: GroupId,
    node: NodeId,
    store: Arc<dyn LogStore>,
    log: GroupLog,
    machine: Arc<Mutex<M>>,
    applied: Option<LogId>,
    membership: StoredMembership,
    /// Entries of terms up to this one were proposed before this process started.
    past_term: u64,
    leading: Option<u64>,
    witness: Option<Arc<dyn Witness>>,
    guard: Guard,
}

/// Whether the task that applies entries has panicked. openraft notices no earlier than with the next entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Panicked(Arc<AtomicBool>);

impl Panicked {
    pub(crate) fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Dropped with the machine.
#[derive(Debug, Default)]
struct Guard(Panicked);

impl Drop for Guard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.0.store(true, Ordering::Relaxed);
        }
    }
}

impl<M: Machine> StateMachine<M> {
    /// Loads the group's checkpoint into the machine.
    pub(crate) fn open(
        group: GroupId,
        node: NodeId,
        store: Arc<dyn LogStore>,
        log: GroupLog,
        machine: Arc<Mutex<M>>,
        witness: Option<Arc<dyn Witness>>,
    ) -> Result<Self, io::Error> {
        let past_term = log.vote().map_or(0, |vote| vote.leader_id.term);
        let mut this = StateMachine {
            group,
            node,
            store,
            log,
            machine,
            applied: None,
            membership: StoredMembership::default(),
            past_term,
            leading: None,
            witness,
            guard: Guard::default(),
        };
        if let Some(checkpoint) = this.store.read_checkpoint(group).map_err(io::Error::other)? {
            let meta = log_codec::snapshot_meta(checkpoint.meta).map_err(io::Error::other)?;
            this.machine.lock().restore(checkpoint.segments).map_err(io::Error::other)?;
            this.applied = meta.last_log_id;
            this.membership = meta.last_membership;
            this.tell_restored();
        }
        Ok(this)
    }

    pub(crate) fn panicked(&self) -> Panicked {
        self.guard.0.clone()
    }

    fn apply_one(
        &mut self,
        log_id: LogId,
        payload: &EntryPayload<crate::raft_types::Batch, u64, openraft::impls::EmptyNode>,
    ) {
        let term = log_id.leader_id.term;
        let own = leader_of(&log_id) == self.node;
        let mut machine = self.machine.lock();
        if !own && self.leading.take().is_some() {
            machine.follow();
        }
        match payload {
            EntryPayload::Blank => {
                if own && term > self.past_term {
                    self.leading = Some(term);
                    machine.lead(term);
                    if let Some(witness) = &self.witness {
                        witness.leads(self.group, EntryId::from_raft(&log_id));
                    }
                }
            }
            EntryPayload::Normal(batch) => {
                let leading = own && self.leading == Some(term);
                machine.apply(EntryAt { index: log_id.index, leading }, batch);
            }
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(log_id), membership.clone());
            }
        }
        if let Some(witness) = &self.witness {
            let head = if let EntryPayload::Normal(batch) = payload { batch.head.clone() } else { Bytes::new() };
            witness.applied(self.group, EntryId::from_raft(&log_id), &head, &MachineState(&*machine));
        }
        self.applied = Some(log_id);
    }

    fn tell_restored(&self) {
        if let (Some(witness), Some(applied)) = (&self.witness, &self.applied) {
            witness.restored(self.group, EntryId::from_raft(applied), &MachineState(&*self.machine.lock()));
        }
    }
}

impl<M: Machine> RaftStateMachine<C> for StateMachine<M> {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<C>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            self.held_back(|machine| machine.congested()).await;
            self.apply_one(entry.log_id, &entry.payload);
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Self::SnapshotBuilder> {
        Some(self.builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.builder().await
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> Result<(), io::Error> {
        if meta.last_log_id.is_some() && meta.last_log_id <= self.applied {
            return Ok(()); // At start openraft offers the checkpoint that `open` has loaded.
        }
        let segments = snapshot.segments.as_ref().clone();
        {
            let mut machine = self.machine.lock();
            // Whoever needs a snapshot leads no more, though it may not have seen an entry of its successor yet.
            if self.leading.take().is_some() {
                machine.follow();
            }
            machine.restore(segments.clone()).map_err(io::Error::other)?;
        }
        let checkpoint = Checkpoint { meta: log_codec::snapshot_meta_bytes(meta), segments };
        let (sender, done) = oneshot::channel();
        let snapshot = InstalledSnapshot {
            up_to: meta.last_log_id.map_or(0, |id| id.index),
            last_purged: log_codec::log_id_bytes(meta.last_log_id.as_ref()),
            checkpoint,
            live: snapshot.live,
        };
        self.store.install_snapshot(self.group, snapshot, Box::new(move |result| drop(sender.send(result))));
        done.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        self.log.covered(meta.last_log_id);
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.tell_restored();
        metrics::snapshot_installed();
        tracing::info!(group_id = %self.group, index = meta.last_log_id.map_or(0, |id| id.index), "snapshot installed");
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<C, SnapshotData>>, io::Error> {
        let (store, group) = (Arc::clone(&self.store), self.group);
        let read = move || store.read_checkpoint(group);
        let checkpoint = blocking::read(self.store.is_in_memory(), read).await?.map_err(io::Error::other)?;
        let Some(checkpoint) = checkpoint else { return Ok(None) };
        let meta = log_codec::snapshot_meta(checkpoint.meta).map_err(io::Error::other)?;
        let snapshot = SnapshotData { segments: Arc::new(checkpoint.segments), live: Vec::new() };
        Ok(Some(Snapshot { meta, snapshot }))
    }
}

impl<M: Machine> StateMachine<M> {
    /// Waits as long as the machine says what to wait for. Nobody else waits for the same.
    async fn held_back(&self, by: impl Fn(&M) -> Option<Arc<Notify>>) {
        loop {
            let notify = by(&self.machine.lock());
            match notify {
                Some(notify) => notify.notified().await,
                None => return,
            }
        }
    }

    async fn builder(&self) -> Builder {
        // What died before this state must be on its way out of the store before the state is: nobody remembers it later.
        self.held_back(|machine| machine.unsettled()).await;
        let meta = SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() };
        let segments = self.machine.lock().snapshot();
        let bytes: usize = segments.iter().map(|(_, segment)| segment.len()).sum();
        self.log.set_state_bytes(u64::try_from(bytes).unwrap_or(u64::MAX));
        Builder { group: self.group, store: Arc::clone(&self.store), meta, segments: Arc::new(segments) }
    }
}

/// A frozen state on its way to the store.
#[derive(Debug)]
pub(crate) struct Builder {
    group: GroupId,
    store: Arc<dyn LogStore>,
    meta: SnapshotMeta,
    segments: Arc<Vec<(u64, Bytes)>>,
}

impl RaftSnapshotBuilder<C> for Builder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<C, SnapshotData>, io::Error> {
        let checkpoint =
            Checkpoint { meta: log_codec::snapshot_meta_bytes(&self.meta), segments: self.segments.as_ref().clone() };
        let (sender, done) = oneshot::channel();
        self.store.write_checkpoint(self.group, checkpoint, Box::new(move |result| drop(sender.send(result))));
        done.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        let snapshot = SnapshotData { segments: Arc::clone(&self.segments), live: Vec::new() };
        Ok(Snapshot { meta: self.meta.clone(), snapshot })
    }
}

#[cfg(test)]
mod tests;
