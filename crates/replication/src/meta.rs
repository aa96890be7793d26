//! The metadata group's machine, and this node's way to propose to it.
//!
//! Every node applies the whole metadata log. A proposal carries who asked, so that the asking node finds the answer when it applies
//! the entry itself; nothing but the command travels.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;
use types::{Blob, GroupId, NodeId};

use crate::{
    api::{AppliedChange, MetadataObserver, MetadataUnavailable},
    batcher::{self, Batcher, Submission},
    client::Route,
    liveness::Liveness,
    machine::{EntryAt, Machine},
    members::Members,
    metrics,
    proposals::Proposals,
    raft_types::Batch,
    reconcile::Changes,
    spread::Spread,
    transport::{Peers, wire},
};

/// How long a proposal waits for a majority.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer waits for the other live nodes to have applied it. A node that is slower than that is not waited for.
const SPREAD_TIMEOUT: Duration = Duration::from_secs(1);
/// Proposals of this node that may wait for an answer.
const PENDING_MAX: usize = 65_536;
/// node, incarnation and number of a proposal.
const ORIGIN_BYTES: usize = 24;

/// What the metadata machine and the proposers share.
pub(crate) struct MetaState {
    node: NodeId,
    boot: u64,
    machine: RwLock<metadata::Machine>,
    observer: Arc<dyn MetadataObserver>,
    peers: Arc<Peers>,
    route: Arc<dyn Route>,
    liveness: Arc<Liveness>,
    pending: Mutex<Pending>,
    members: Arc<Members>,
    changes: Changes,
    spread: Arc<Spread>,
}

/// What is known of other nodes, and the ways to them.
pub(crate) struct Others {
    pub peers: Arc<Peers>,
    pub route: Arc<dyn Route>,
    pub liveness: Arc<Liveness>,
    pub members: Arc<Members>,
}

#[derive(Default)]
struct Pending {
    next: u64,
    leader: Option<(NodeId, u64)>,
    waiting: BTreeMap<u64, (Bytes, oneshot::Sender<(u64, metadata::Reply)>)>,
}

impl MetaState {
    pub(crate) fn new(node: NodeId, boot: u64, observer: Arc<dyn MetadataObserver>, others: Others) -> Self {
        let Others { peers, route, liveness, members } = others;
        MetaState {
            node,
            boot,
            machine: RwLock::new(metadata::Machine::new()),
            observer,
            peers,
            route,
            liveness,
            pending: Mutex::default(),
            members,
            changes: Changes::default(),
            spread: Arc::default(),
        }
    }

    pub(crate) fn read(&self) -> parking_lot::RwLockReadGuard<'_, metadata::Machine> {
        self.machine.read()
    }

    /// Queues whose settings have changed.
    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// All members of the cluster, as they are known here.
    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    /// Proposes at once, and waits for the answer; what it gives waits for the live nodes.
    pub(crate) fn change(
        self: &Arc<Self>,
        command: &metadata::Command,
    ) -> impl Future<Output = Result<AppliedChange, MetadataUnavailable>> + Send + use<> {
        let (sender, answer) = oneshot::channel();
        let sent = self.send(command, sender);
        let this = Arc::clone(self);
        async move {
            let id = sent?;
            let Ok(Ok((index, reply))) = tokio::time::timeout(ANSWER_TIMEOUT, answer).await else {
                this.pending.lock().waiting.remove(&id);
                return Err(MetadataUnavailable);
            };
            let spread = this.spread.wait(index, this.live_peers());
            let spread = Box::pin(async move {
                if tokio::time::timeout(SPREAD_TIMEOUT, spread).await.is_err() {
                    tracing::warn!(index, "answered before all nodes had applied the metadata");
                }
            });
            Ok(AppliedChange { reply, spread })
        }
    }

    /// Proposes, and waits for the answer and for the live nodes.
    pub(crate) async fn propose(
        self: &Arc<Self>,
        command: &metadata::Command,
    ) -> Result<metadata::Reply, MetadataUnavailable> {
        let AppliedChange { reply, spread } = self.change(command).await?;
        spread.await;
        Ok(reply)
    }

    fn send(
        &self,
        command: &metadata::Command,
        sender: oneshot::Sender<(u64, metadata::Reply)>,
    ) -> Result<u64, MetadataUnavailable> {
        let command = proto::metadata::encode_command(command);
        let mut pending = self.pending.lock();
        if pending.waiting.len() >= PENDING_MAX {
            return Err(MetadataUnavailable);
        }
        pending.next += 1;
        let id = pending.next;
        let mut chunk = BytesMut::with_capacity(ORIGIN_BYTES + command.len());
        chunk.put_u64_le(self.node.0);
        chunk.put_u64_le(self.boot);
        chunk.put_u64_le(id);
        chunk.put_slice(&command);
        let chunk = chunk.freeze();
        pending.waiting.insert(id, (chunk.clone(), sender));
        if let Some((leader, _)) = pending.leader {
            self.route.submit(leader, GroupId::META, Submission { chunk, blob: Blob::default() });
        }
        Ok(id)
    }

    fn live_peers(&self) -> impl Iterator<Item = NodeId> {
        // Who joins serves nobody before it has all metadata: nobody waits for it.
        let nodes = self.peers.nodes().into_iter();
        nodes.filter(move |node| self.liveness.is_up(*node) && !self.members.is_joining(*node))
    }

    /// A node says how far it has applied the metadata.
    pub(crate) fn spread(&self, node: NodeId, index: u64) {
        self.spread.note(node, index, self.live_peers());
    }

    /// How far a node had applied the metadata when it said so last.
    pub(crate) fn spread_of(&self, node: NodeId) -> Option<u64> {
        self.spread.of(node)
    }

    /// A node says that it leads the metadata group.
    pub(crate) fn leader(&self, node: NodeId, term: u64) {
        let mut pending = self.pending.lock();
        if pending.leader.is_some_and(|(_, known)| known > term) {
            return;
        }
        pending.leader = Some((node, term));
        for (chunk, _) in pending.waiting.values() {
            let submission = Submission { chunk: chunk.clone(), blob: Blob::default() };
            self.route.submit(node, GroupId::META, submission);
        }
    }

    pub(crate) fn known_leader(&self) -> Option<NodeId> {
        self.pending.lock().leader.map(|(node, _)| node)
    }

    /// The link to a node came back.
    pub(crate) fn link_up(&self, node: NodeId) {
        let leader = self.pending.lock().leader;
        if let Some((leader, term)) = leader
            && leader == node
        {
            self.leader(node, term);
        }
    }
}

/// Applies the metadata log.
pub(crate) struct MetaMachine {
    state: Arc<MetaState>,
    batcher: Arc<Batcher>,
    proposals: Proposals,
}

/// The key of [`Proposals`] in snapshots, far from those of the metadata.
const PROPOSALS_KEY: u64 = u64::MAX;

impl MetaMachine {
    pub(crate) fn new(state: Arc<MetaState>, batcher: Arc<Batcher>) -> Self {
        MetaMachine { state, batcher, proposals: Proposals::default() }
    }

    fn apply_chunk(&mut self, mut chunk: Bytes, now: types::Timestamp, index: u64) {
        assert!(chunk.len() >= ORIGIN_BYTES, "a committed proposal names its origin");
        let (node, boot, id) = (NodeId(chunk.get_u64_le()), chunk.get_u64_le(), chunk.get_u64_le());
        // Every replica reads the same bytes: what cannot be read stops this group everywhere (ADR 0011).
        let command =
            proto::metadata::decode_command(chunk).expect("a committed command is of a version this node knows");
        let own = node == self.state.node && boot == self.state.boot;
        if !self.proposals.is_first(node, boot, id) {
            if own {
                self.answer_copy(id, &command, index);
            }
            return;
        }
        let (reply, events) = self.state.machine.write().apply(&command, now);
        // Observers hear of a change before the answer is given: who is answered sees it.
        if !events.is_empty() {
            self.state.observer.changed(&self.state.machine.read(), &events);
            self.state.changes.note(&events);
            if events.contains(&metadata::Event::ClusterChanged) {
                self.state.members.update(&self.state.machine.read());
            }
        }
        let waiting = if own { self.state.pending.lock().waiting.remove(&id) } else { None };
        if let Some((_, sender)) = waiting {
            sender.send((index, reply)).ok();
        }
    }

    /// A copy of a proposal that was applied before. Its proposer has its answer, but when a snapshot took the place of that entry
    /// here: then it is told what holds now, or that nobody knows.
    fn answer_copy(&self, id: u64, command: &metadata::Command, index: u64) {
        let waiting = self.state.pending.lock().waiting.remove(&id);
        if let Some((_, sender)) = waiting
            && let Some(reply) = self.state.machine.read().answer_if_unchanged(command)
        {
            sender.send((index, reply)).ok();
        }
    }
}

impl Machine for MetaMachine {
    fn apply(&mut self, at: EntryAt, batch: &Batch) {
        let (now, chunks) = batcher::disassemble(batch.head.clone())
            .expect("a committed entry has the layout of a version this node knows");
        for chunk in chunks {
            self.apply_chunk(chunk, now, at.index);
        }
        self.state.peers.broadcast(&wire::applied(at.index));
        if at.leading {
            self.batcher.applied();
        }
    }

    fn lead(&mut self, term: u64) {
        tracing::info!(term, "leading the metadata group");
        metrics::leadership();
        // The metadata keeps no time of its own.
        self.batcher.lead(term, types::Timestamp::default());
        self.state.leader(self.state.node, term);
        self.state.peers.broadcast(&wire::leader(GroupId::META, term));
    }

    fn follow(&mut self) {
        self.batcher.follow();
    }

    fn snapshot(&self) -> Vec<(u64, Bytes)> {
        let mut segments = proto::metadata::encode_snapshot(&self.state.machine.read());
        segments.push((PROPOSALS_KEY, self.proposals.encode()));
        segments
    }

    fn restore(&mut self, mut segments: Vec<(u64, Bytes)>) -> Result<(), proto::DecodeError> {
        let proposals = segments.iter().position(|(key, _)| *key == PROPOSALS_KEY).map(|at| segments.remove(at).1);
        self.proposals = proposals.map(Proposals::decode).transpose()?.unwrap_or_default();
        *self.state.machine.write() = proto::metadata::decode_snapshot(segments)?;
        let machine = self.state.machine.read();
        self.state.members.update(&machine);
        self.state.observer.replaced(&machine);
        Ok(())
    }

    fn digest(&self) -> u64 {
        self.state.machine.read().digest()
    }

    fn live(&self) -> Vec<u64> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
