//! One replicated group on this node: openraft around a machine, the task that proposes, and the port that the transport uses.

mod take_over;

use std::{collections::BTreeSet, io, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream::FuturesUnordered};
use openraft::{
    Raft,
    errors::{ClientWriteError, Fatal},
    impls::ProgressResponder,
    raft::{
        AppendEntriesRequest, StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse, VoteRequest,
        VoteResponse,
    },
    storage::RaftLogStorage,
    type_config::alias::SnapshotOf,
};
use parking_lot::Mutex;
use storage::LogStore;
use telemetry::{Shutdown, task::TaskKind};
use tokio::sync::oneshot;
use tokio_stream::wrappers::ReceiverStream;
use types::{GroupId, NodeId};

use crate::{
    BoxFuture,
    batcher::Batcher,
    blocking,
    config::Config,
    entry_cache::EntryCache,
    health::Health,
    inspect::Witness,
    log_store::GroupLog,
    machine::Machine,
    promise::Promise,
    raft_types::{self, Batch, C, Vote},
    state_machine::{Panicked, SnapshotData, StateMachine},
    transport::{Asked, Factory, Live, Peers, Port},
};

/// Pause after a refused proposal, before all that is unanswered is asked for again.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// Bytes that may wait for the disk before nothing more is proposed.
const STORE_QUEUED_MAX: usize = 64 * 1024 * 1024;
/// A follower takes nothing more in from a disk that has synced nothing for so long. Longer than a slow sync.
const STALLED_MS: u64 = 1_000;
/// How long to wait before looking again at a full queue.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a group's tasks may take to let go of it when it ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Who has the machine when a group has ended: the group itself.
const MACHINE_OWNERS: usize = 1;

/// What every group of the node is made with.
#[derive(Clone)]
pub(crate) struct Context {
    pub node: NodeId,
    pub config: Config,
    pub store: Arc<dyn LogStore>,
    pub peers: Arc<Peers>,
    pub asked: Arc<Asked>,
    pub health: Arc<Health>,
    /// The end of the node; of what a group is opened with, the end of the group.
    pub shutdown: Shutdown,
}

/// One replicated group.
pub(crate) struct Group<M: Machine> {
    pub id: GroupId,
    pub raft: Raft<C, StateMachine<M>>,
    pub machine: Arc<Mutex<M>>,
    pub batcher: Arc<Batcher>,
    pub log: GroupLog,
    pub health: Arc<Health>,
    store: Arc<dyn LogStore>,
    /// What earlier replicas of the group on this node have promised.
    promise: Promise,
    witness: Option<Arc<dyn Witness>>,
    panicked: Panicked,
    /// When openraft took the vote that it began with for fresh.
    began_at: Option<raft_types::Instant>,
    lease: Duration,
    /// Ends the group's tasks.
    life: Shutdown,
}

impl<M: Machine> Group<M> {
    /// Opens the group from the store and starts it. Founding voters make it begin, when it has not yet.
    pub(crate) async fn open(
        context: &Context,
        id: GroupId,
        machine: M,
        batcher: Arc<Batcher>,
        cache: Arc<EntryCache>,
        founding: Option<BTreeSet<NodeId>>,
    ) -> Result<Arc<Self>, io::Error> {
        context.health.forget_failure(id);
        let mut log = GroupLog::open(id, Arc::clone(&context.store), cache)?;
        let promise = Promise::read(&context.store, id).map_err(io::Error::other)?;
        if let Some(vote) = promise.vote.filter(|vote| log.vote() < Some(*vote)) {
            log.save_vote(&vote).await?;
        }
        let machine = Arc::new(Mutex::new(machine));
        let witness = context.config.environment.witness.clone();
        let state_machine = StateMachine::open(
            id,
            context.node,
            Arc::clone(&context.store),
            log.clone(),
            Arc::clone(&machine),
            witness.clone(),
        )?;
        let panicked = state_machine.panicked();
        let live = {
            let (machine, store) = (Arc::clone(&machine), Arc::clone(&context.store));
            Live {
                indexes: Arc::new(move || machine.lock().live()),
                is_in_memory: store.is_in_memory(),
                blob: Arc::new(move |index| store.read_blob(id, index)),
            }
        };
        let network = Factory { group: id, peers: Arc::clone(&context.peers), asked: Arc::clone(&context.asked), live };
        let config = openraft::Config {
            enable_elect: promise.allows(log.last_log_id()),
            ..context.config.timers.raft(&context.config.cluster_name)
        };
        let config = config.validate().map_err(io::Error::other)?;
        let raft = Raft::new(context.node.0, Arc::new(config), network, log.clone(), state_machine)
            .await
            .map_err(io::Error::other)?;
        let began_at = raft.with_raft_state(|state| state.vote_last_modified()).await.map_err(io::Error::other)?;
        let lease = context.config.timers.election_max;
        let (health, store) = (Arc::clone(&context.health), Arc::clone(&context.store));
        let life = context.shutdown.clone();
        let group =
            Group { id, raft, machine, batcher, log, health, store, promise, witness, panicked, began_at, lease, life };
        if let Some(voters) = founding.filter(|voters| voters.contains(&context.node)) {
            group.initialize(&voters).await?;
        }
        let group = Arc::new(group);
        let kind = TaskKind::Critical(context.shutdown.clone());
        telemetry::task::spawn(
            kind,
            format!("batcher of group {id}"),
            Arc::clone(&group).propose(context.shutdown.clone()),
        );
        if !group.keeps_promise() {
            let shutdown = context.shutdown.clone();
            let work = Arc::clone(&group).catch_up(shutdown);
            telemetry::task::spawn(TaskKind::Background, format!("promise of group {id}"), work);
        }
        Ok(group)
    }

    async fn initialize(&self, voters: &BTreeSet<NodeId>) -> Result<(), io::Error> {
        if self.raft.is_initialized().await.map_err(io::Error::other)? {
            return Ok(());
        }
        let voters: BTreeSet<u64> = voters.iter().map(|voter| voter.0).collect();
        match self.raft.initialize(voters).await {
            Ok(()) => Ok(()),
            // Another founder was faster and its first entry is here already.
            Err(openraft::errors::RaftError::APIError(openraft::errors::InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Whether this replica has as much of the log as earlier ones have acknowledged.
    fn keeps_promise(&self) -> bool {
        self.promise.allows(self.log.last_log_id())
    }

    /// Lets the replica stand for election once it may.
    async fn catch_up(self: Arc<Self>, shutdown: Shutdown) {
        while !self.keeps_promise() {
            tokio::select! {
                () = tokio::time::sleep(REFUSED_PAUSE) => {}
                () = shutdown.triggered() => return,
            }
        }
        self.raft.runtime_config().elect(true);
    }

    /// Proposes what the batcher gathers, until the node stops or the group fails.
    async fn propose(self: Arc<Self>, shutdown: Shutdown) {
        let mut proposals = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = self.batcher.woken() => {}
                Some((term, result)) = proposals.next(), if !proposals.is_empty() => {
                    if let Ok(Err(ClientWriteError::ForwardToLeader(_))) = result {
                        tokio::select! {
                            () = tokio::time::sleep(REFUSED_PAUSE) => {}
                            () = shutdown.triggered() => return,
                        }
                        // Whatever else was refused meanwhile is asked for again, too.
                        proposals.clear();
                        self.lead_again(term);
                    }
                }
                () = shutdown.triggered() => return,
            }
            while let Some(batch) = self.next_batch().await {
                // Asked after the batch was taken: a later term has dropped it, and everybody sends again.
                let Some(term) = self.batcher.leading() else { break };
                let (responder, result) = ProgressResponder::complete_only();
                proposals.push(async move { (term, result.await) });
                if let Err(error) = self.raft.client_write_ff(batch, Some(responder)).await {
                    tracing::error!(group_id = %self.id, %error, "group failed, its queues are not served by this node");
                    self.batcher.follow();
                    shutdown.triggered().await;
                    return;
                }
            }
        }
    }

    /// A proposal was refused though this node leads in that term: its lease had run out for a while, or it could not hand the
    /// group over. What was refused is lost, so everybody sends again what is not answered.
    fn lead_again(&self, term: u64) {
        let mut machine = self.machine.lock();
        // Who leads no more is told so by its machine under the same lock.
        if self.batcher.leading() == Some(term) && self.raft.is_leader() {
            machine.lead(term);
        }
    }

    /// The next entry to propose. Waits while too much waits for the disk.
    async fn next_batch(&self) -> Option<Batch> {
        while self.store.queued_bytes() > STORE_QUEUED_MAX {
            tokio::time::sleep(PAUSE).await;
        }
        self.batcher.next(|| self.health.time())
    }

    /// The leader that this node's replica knows of.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        use openraft::async_runtime::WatchReceiver;
        self.raft.metrics().borrow_watched().current_leader.map(NodeId)
    }

    /// The last entry that this node's replica has applied.
    pub(crate) fn applied(&self) -> u64 {
        use openraft::async_runtime::WatchReceiver;
        self.raft.metrics().borrow_watched().last_applied.map_or(0, |id| id.index)
    }

    /// Its voters, as this node's replica knows them.
    pub(crate) fn voters(&self) -> BTreeSet<NodeId> {
        self.raft.voter_ids().map(NodeId).collect()
    }

    /// Ends the replica and deletes its data.
    pub(crate) async fn close(self: Arc<Self>) {
        self.life.request("the group's replica on this node ends");
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(group_id = %self.id, %error, "group did not end in order");
        }
        // Whoever still works with the machine may write.
        let idle = async {
            while Arc::strong_count(&self.machine) > MACHINE_OWNERS {
                tokio::time::sleep(PAUSE).await;
            }
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, idle).await.is_err() {
            tracing::warn!(group_id = %self.id, "group is still in use though it ended");
        }
        if let Err(error) = self.keep_promise().await {
            tracing::error!(group_id = %self.id, %error, "what the group's replica has promised could not be kept, its data stays");
            return;
        }
        let (sender, done) = oneshot::channel();
        self.store.forget(self.id, Box::new(move |result| drop(sender.send(result))));
        match done.await {
            Ok(Ok(())) => {
                tracing::info!(group_id = %self.id, "the group's replica on this node is gone");
                self.witness.iter().for_each(|witness| witness.deleted(self.id));
            }
            Ok(Err(error)) => tracing::error!(group_id = %self.id, %error, "data of the group could not be deleted"),
            // The store has failed, which it says itself.
            Err(_) => {}
        }
        self.health.forget_failure(self.id);
    }

    /// What must outlive the replica.
    async fn keep_promise(&self) -> Result<(), io::Error> {
        let promise = self.promise.and(self.log.vote(), self.log.last_log_id());
        let (store, group) = (Arc::clone(&self.store), self.id);
        blocking::read(store.is_in_memory(), move || promise.keep(&store, group)).await?.map_err(io::Error::other)
    }

    /// How far each voter has the log, as a leader knows it.
    pub(crate) fn matched(&self) -> Vec<(u64, u64)> {
        use openraft::async_runtime::WatchReceiver;
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        let all = now.replication.iter().flatten();
        all.map(|(node, matched)| (*node, matched.as_ref().map_or(0, |id| id.index))).collect()
    }

    /// What ended the replica, when it was not told to end.
    pub(crate) fn failure(&self) -> Option<String> {
        use openraft::async_runtime::WatchReceiver;
        if self.panicked.is_so() {
            return Some("a panic while an entry was applied".to_owned());
        }
        let mut metrics = self.raft.metrics();
        let state = metrics.borrow_and_update().running_state.clone();
        match state {
            Err(Fatal::Stopped) => None,
            Err(error) => Some(error.to_string()),
            // Who writes there has ended without saying why.
            Ok(()) if matches!(metrics.changed().now_or_never(), Some(Err(_))) => {
                Some("a panic in Raft's core".to_owned())
            }
            Ok(()) => None,
        }
    }

    /// The term that this replica is in.
    pub(crate) fn term(&self) -> u64 {
        use openraft::async_runtime::WatchReceiver;
        self.raft.metrics().borrow_watched().current_term
    }

    /// Whether this node's replica leads.
    pub(crate) fn is_leader(&self) -> bool {
        self.batcher.leading().is_some() && self.raft.is_leader()
    }
}

impl<M: Machine> Port for Group<M> {
    fn stream_append(
        &self,
        requests: ReceiverStream<AppendEntriesRequest<C>>,
    ) -> Pin<Box<dyn Stream<Item = Option<StreamAppendResult<C>>> + Send>> {
        // A disk that hangs takes nothing in: what is taken in waits in memory.
        let store = Arc::clone(&self.store);
        let requests = requests.then(move |request| {
            let store = Arc::clone(&store);
            async move {
                while store.queued_bytes() > STORE_QUEUED_MAX || store.stalled_ms() > STALLED_MS {
                    tokio::time::sleep(PAUSE).await;
                }
                request
            }
        });
        Box::pin(self.raft.stream_append(Box::pin(requests)).map(Result::ok))
    }

    fn vote(&self, request: VoteRequest<C>, pre_vote: bool) -> BoxFuture<Option<VoteResponse<C>>> {
        if !self.promise.allows(request.last_log_id) {
            let refusal =
                VoteResponse::new(self.log.vote().unwrap_or_else(|| Vote::new(0, 0)), self.promise.last, false);
            return Box::pin(std::future::ready(Some(refusal)));
        }
        let raft = self.raft.clone();
        Box::pin(
            async move { if pre_vote { raft.pre_vote(request).await.ok() } else { raft.vote(request).await.ok() } },
        )
    }

    fn transfer(&self, request: TransferLeaderRequest<C>) -> BoxFuture<Option<TransferLeaderResponse<C>>> {
        let is_here = request.to_node_id() == self.raft.node_id();
        if is_here && (self.health.is_stalled() || !self.keeps_promise()) {
            return Box::pin(async { None }); // It could not even note its vote, or may not stand.
        }
        let raft = self.raft.clone();
        Box::pin(async move { raft.handle_transfer_leader(request).await.ok() })
    }

    fn install(&self, vote: Vote, snapshot: SnapshotOf<C, SnapshotData>) -> BoxFuture<Result<Vote, String>> {
        let raft = self.raft.clone();
        Box::pin(async move {
            raft.install_full_snapshot(vote, snapshot).await.map(|done| done.vote).map_err(|error| error.to_string())
        })
    }

    fn put_blobs(&self, blobs: Vec<(u64, Bytes)>) -> BoxFuture<()> {
        let (store, group) = (Arc::clone(&self.store), self.id);
        Box::pin(async move {
            while store.queued_bytes() > STORE_QUEUED_MAX {
                tokio::time::sleep(PAUSE).await;
            }
            store.put_blobs(group, blobs);
        })
    }
}

#[cfg(test)]
mod tests;
