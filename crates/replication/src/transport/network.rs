//! openraft's network: each follower's append stream, votes, transfers and snapshots, multiplexed over the links of its node.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{Stream, StreamExt, future::BoxFuture, stream::BoxStream};
use openraft::{
    AnyError, OptionalSend, RaftNetworkFactory,
    errors::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption},
    raft::{
        AppendEntriesRequest, SnapshotResponse, StreamAppendError, StreamAppendResult, TransferLeaderError,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
    type_config::alias::SnapshotOf,
};
use parking_lot::Mutex;
use proto::generated::peer::{self as p, message::Kind};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use types::{GroupId, NodeId};

use super::{Peers, link::LinkKind, outbox::Outbox, server, snapshot, wire};
use crate::{
    mutation,
    raft_types::{C, LogId, Vote},
    state_machine::SnapshotData,
};

/// Appends of one stream that are sent and not answered. openraft's follower side pipelines 64.
const IN_FLIGHT_MAX: usize = 32;
/// A stream that is owed an answer for this long is broken off: a hung follower must not pin the log. Longer than a slow fsync.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// While nothing was answered for this long, nothing more is sent: what arrives keeps followers waiting for a leader that hears nothing.
/// Heartbeats have a link of their own, so a disk that takes its time disturbs nobody.
const HOLD_AFTER: Duration = Duration::from_millis(500);

/// How long a stream waits for its link before it says that the peer cannot be reached.
const LINK_WAIT: Duration = Duration::from_millis(200);
/// Pause of a stream that was refused or not answered.
const BACKOFF: Duration = Duration::from_millis(50);
/// Pause after a snapshot that was not taken.
const SNAPSHOT_PAUSE: Duration = Duration::from_millis(500);

/// How long a stream waits that has nothing to expect and may not send.
const FULL_PAUSE: Duration = Duration::from_millis(5);

type Rpc<T> = Result<T, RPCError<C>>;

/// What is asked and not answered on this node's links.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    next: AtomicU64,
    streams: Mutex<BTreeMap<u64, mpsc::Sender<p::AppendReply>>>,
    votes: Mutex<BTreeMap<u64, (NodeId, oneshot::Sender<p::VoteReply>)>>,
    transfers: Mutex<BTreeMap<u64, (NodeId, oneshot::Sender<p::TransferReply>)>>,
    owners: Mutex<BTreeMap<u64, (NodeId, LinkKind)>>,
}

impl Asked {
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// An answer came.
    pub(crate) fn answer(&self, kind: Kind) {
        match kind {
            Kind::AppendReply(reply) => {
                let sender = self.streams.lock().get(&reply.stream).cloned();
                if let Some(sender) = sender {
                    // Never more answers than requests, and the channel holds as many.
                    sender.try_send(reply).ok();
                }
            }
            Kind::VoteReply(reply) => {
                if let Some((_, sender)) = self.votes.lock().remove(&reply.seq) {
                    sender.send(reply).ok();
                }
            }
            Kind::TransferReply(reply) => {
                if let Some((_, sender)) = self.transfers.lock().remove(&reply.seq) {
                    sender.send(reply).ok();
                }
            }
            _ => {}
        }
    }

    /// A link broke: what was asked on it will not be answered.
    pub(crate) fn broken(&self, peer: NodeId, kind: LinkKind) {
        let gone: Vec<u64> = {
            let mut owners = self.owners.lock();
            let gone = owners.iter().filter(|(_, owner)| **owner == (peer, kind)).map(|(id, _)| *id).collect();
            owners.retain(|_, owner| *owner != (peer, kind));
            gone
        };
        let mut streams = self.streams.lock();
        for stream in gone {
            streams.remove(&stream);
        }
        drop(streams);
        if kind == LinkKind::Control {
            self.votes.lock().retain(|_, (node, _)| *node != peer);
            self.transfers.lock().retain(|_, (node, _)| *node != peer);
        }
    }
}

/// Makes the clients of one group.
#[derive(Clone, Debug)]
pub(crate) struct Factory {
    pub group: GroupId,
    pub peers: Arc<Peers>,
    pub asked: Arc<Asked>,
    /// Log entries whose blobs the machine needs now, for snapshots.
    pub live: snapshot::Live,
}

impl RaftNetworkFactory<C> for Factory {
    type Network = Client;

    async fn new_client(&mut self, target: u64, _: &openraft::impls::EmptyNode) -> Client {
        self.client(target, LinkKind::Raft)
    }

    async fn new_heartbeat_client(&mut self, target: u64, _: &openraft::impls::EmptyNode) -> Client {
        self.client(target, LinkKind::Control)
    }
}

impl Factory {
    fn client(&self, target: u64, kind: LinkKind) -> Client {
        Client { target: NodeId(target), kind, shared: self.clone() }
    }
}

/// One group's way to one peer.
#[derive(Debug)]
pub(crate) struct Client {
    target: NodeId,
    kind: LinkKind,
    shared: Factory,
}

#[derive(Debug, thiserror::Error)]
#[error("link to node {0} is down")]
struct LinkDown(NodeId);

fn unreachable(target: NodeId) -> RPCError<C> {
    RPCError::Unreachable(Unreachable::new(&LinkDown(target)))
}

/// One append stream while it lasts; its end is told to the peer.
struct AppendStream<S> {
    input: Option<S>,
    group: GroupId,
    stream: u64,
    seq: u64,
    target: NodeId,
    asked: Arc<Asked>,
    outbox: Arc<Outbox>,
    replies: mpsc::Receiver<p::AppendReply>,
    in_flight: VecDeque<Sent>,
    ended: bool,
}

/// One append that is not answered.
struct Sent {
    seq: u64,
    prev: Option<LogId>,
    last: Option<LogId>,
    at: Instant,
}

impl<S> Drop for AppendStream<S> {
    fn drop(&mut self) {
        self.asked.streams.lock().remove(&self.stream);
        self.asked.owners.lock().remove(&self.stream);
        let end = p::StreamEnd { group: self.group.0, stream: self.stream };
        self.outbox.push(wire::message(Kind::StreamEnd(end)));
    }
}

/// Until so old an append keeps others back.
async fn hold(oldest: Option<Instant>) {
    match oldest {
        Some(at) => tokio::time::sleep_until(at + HOLD_AFTER).await,
        None => std::future::pending().await,
    }
}

impl<S: Stream<Item = AppendEntriesRequest<C>> + Send + Unpin + 'static> AppendStream<S> {
    async fn next(&mut self) -> Option<Rpc<StreamAppendResult<C>>> {
        if self.ended {
            return None;
        }
        loop {
            let oldest = self.in_flight.front().map(|sent| sent.at);
            let is_held = oldest.is_some_and(|at| at.elapsed() >= HOLD_AFTER);
            let may_send = self.in_flight.len() < IN_FLIGHT_MAX && !self.outbox.is_full() && !is_held;
            let owed = !self.in_flight.is_empty();
            if self.input.is_none() && !owed {
                return None;
            }
            let request = async {
                match (&mut self.input, may_send) {
                    (Some(input), true) => input.next().await,
                    _ => std::future::pending().await,
                }
            };
            // Every branch may be dropped: a request is taken whole or not at all, and so is an answer.
            tokio::select! {
                biased;
                reply = self.replies.recv() => return Some(self.answered(reply)),
                request = request => match request {
                    Some(request) => if !self.send(request) {
                        self.ended = true;
                        return Some(Err(unreachable(self.target)));
                    },
                    None => self.input = None,
                },
                // Nobody tells when the outbox, which all groups share, has drained.
                () = tokio::time::sleep(FULL_PAUSE), if !may_send && !owed => {}
                () = hold(oldest), if owed && may_send => {}
                () = tokio::time::sleep(ANSWER_TIMEOUT), if owed => {
                    self.ended = true;
                    return Some(Err(unreachable(self.target)));
                }
            }
        }
    }

    fn send(&mut self, request: AppendEntriesRequest<C>) -> bool {
        self.seq += 1;
        let last = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
        self.in_flight.push_back(Sent { seq: self.seq, prev: request.prev_log_id, last, at: Instant::now() });
        let request = server::append_to_wire(self.group, self.stream, self.seq, &request);
        self.outbox.push(wire::message(Kind::Append(request)))
    }

    fn answered(&mut self, reply: Option<p::AppendReply>) -> Rpc<StreamAppendResult<C>> {
        let result = self.result(reply);
        self.ended = !matches!(result, Ok(Ok(_)));
        result
    }

    fn result(&mut self, reply: Option<p::AppendReply>) -> Rpc<StreamAppendResult<C>> {
        use p::append_reply::Result as R;
        let (Some(reply), Some(Sent { seq, prev, last, .. })) = (reply, self.in_flight.pop_front()) else {
            return Err(unreachable(self.target));
        };
        if reply.seq != seq {
            return Err(unreachable(self.target));
        }
        Ok(match reply.result() {
            R::Matched => Ok(last),
            R::Partial => Ok(reply.log_id.map(wire::log_id_from)),
            R::Conflict => match prev {
                Some(prev) => Err(StreamAppendError::Conflict(prev)),
                None => return Err(unreachable(self.target)),
            },
            R::HigherVote if mutation::ack_of_old_term() => Ok(last),
            R::HigherVote => {
                Err(StreamAppendError::HigherVote(wire::vote_from(reply.vote).map_err(|_| unreachable(self.target))?))
            }
            R::Failed => return Err(unreachable(self.target)),
        })
    }
}

impl NetStreamAppend<C> for Client {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Rpc<BoxStream<'s, Rpc<StreamAppendResult<C>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<C>> + OptionalSend + Unpin + 'static,
    {
        let shared = &self.shared;
        let outbox = shared.peers.outbox(self.target, self.kind);
        let (group, target, kind, asked) = (shared.group, self.target, self.kind, Arc::clone(&shared.asked));
        Box::pin(async move {
            let Some(outbox) = outbox else {
                // openraft pauses before it reads the next request, and so not at all when a stream does not begin.
                tokio::time::sleep(LINK_WAIT).await;
                return Err(unreachable(target));
            };
            // A link that comes back is used at once, and nothing is read for one that is down. Heartbeats come by themselves.
            if kind == LinkKind::Raft && tokio::time::timeout(LINK_WAIT, outbox.opened()).await.is_err() {
                return Err(unreachable(target));
            }
            let (sender, replies) = mpsc::channel(IN_FLIGHT_MAX + 1);
            let stream = asked.number();
            asked.owners.lock().insert(stream, (target, kind));
            asked.streams.lock().insert(stream, sender);
            let state = AppendStream {
                input: Some(input),
                group,
                stream,
                seq: 0,
                target,
                asked,
                outbox,
                replies,
                in_flight: VecDeque::new(),
                ended: false,
            };
            let answers = futures_util::stream::unfold(state, |mut state| async move {
                state.next().await.map(|answer| (answer, state))
            });
            let answers: BoxStream<'s, Rpc<StreamAppendResult<C>>> = Box::pin(answers);
            Ok(answers)
        })
    }
}

impl Client {
    async fn ask_vote(&self, request: VoteRequest<C>, pre_vote: bool, option: &RPCOption) -> Rpc<VoteResponse<C>> {
        let asked = &self.shared.asked;
        let seq = asked.number();
        let (sender, answer) = oneshot::channel();
        asked.votes.lock().insert(seq, (self.target, sender));
        let message = p::VoteRequest {
            group: self.shared.group.0,
            seq,
            vote: Some(wire::vote(&request.vote)),
            last: request.last_log_id.as_ref().map(wire::log_id),
            leadership_transfer: request.leadership_transfer,
            pre_vote,
        };
        let sent = self.control(Kind::Vote(message));
        let reply = if sent { tokio::time::timeout(option.soft_ttl(), answer).await.ok() } else { None };
        asked.votes.lock().remove(&seq);
        let failed = || unreachable(self.target);
        let reply = reply.and_then(Result::ok).filter(|reply| !reply.failed).ok_or_else(failed)?;
        let vote = wire::vote_from(reply.vote).map_err(|_| failed())?;
        Ok(VoteResponse::new(vote, reply.last.map(wire::log_id_from), reply.granted))
    }

    fn control(&self, kind: Kind) -> bool {
        let outbox = self.shared.peers.outbox(self.target, LinkKind::Control);
        outbox.is_some_and(|outbox| outbox.push(wire::message(kind)))
    }
}

impl NetVote<C> for Client {
    async fn vote(&mut self, rpc: VoteRequest<C>, option: RPCOption) -> Rpc<VoteResponse<C>> {
        self.ask_vote(rpc, false, &option).await
    }

    async fn pre_vote(&mut self, rpc: VoteRequest<C>, option: RPCOption) -> Rpc<VoteResponse<C>> {
        self.ask_vote(rpc, true, &option).await
    }
}

impl NetTransferLeader<C> for Client {
    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<C>,
        option: RPCOption,
    ) -> Rpc<TransferLeaderResponse<C>> {
        use p::transfer_reply::Result as R;
        let asked = &self.shared.asked;
        let seq = asked.number();
        let (sender, answer) = oneshot::channel();
        asked.transfers.lock().insert(seq, (self.target, sender));
        let message = p::TransferRequest {
            group: self.shared.group.0,
            seq,
            from: Some(wire::vote(request.from_leader())),
            to: *request.to_node_id(),
            last: request.last_log_id().map(wire::log_id),
        };
        let sent = self.control(Kind::Transfer(message));
        let reply = if sent { tokio::time::timeout(option.soft_ttl(), answer).await.ok() } else { None };
        asked.transfers.lock().remove(&seq);
        let failed = || unreachable(self.target);
        let reply = reply.and_then(Result::ok).ok_or_else(failed)?;
        Ok(match reply.result() {
            R::Done => Ok(()),
            R::VoteChanged => Err(TransferLeaderError::VoteChanged {
                expected: *request.from_leader(),
                actual: wire::vote_from(reply.actual_vote).map_err(|_| failed())?,
            }),
            R::LogNotFlushed => Err(TransferLeaderError::LogNotFlushed {
                expected: request.last_log_id().copied(),
                actual: reply.actual_log.map(wire::log_id_from),
            }),
            R::Failed => return Err(failed()),
        })
    }
}

impl NetBackoff<C> for Client {
    /// openraft's own doubles up to a second, and goes on after the link is back.
    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(BACKOFF)))
    }
}

impl NetSnapshot<C> for Client {
    type SnapshotData = SnapshotData;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<C, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<C>, StreamingError<C>> {
        let shared = &self.shared;
        let sending = snapshot::send(&shared.peers, self.target, shared.group, vote, snapshot, &shared.live);
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sending => match sent {
                Ok(vote) => Ok(SnapshotResponse::new(vote)),
                Err(error) => {
                    tracing::warn!(group_id = %shared.group, peer = %self.target, %error, "snapshot was not taken by the peer");
                    tokio::time::sleep(SNAPSHOT_PAUSE).await;
                    Err(StreamingError::Unreachable(Unreachable::new(&AnyError::error(error))))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};

    use super::*;
    use crate::{environment::Environment, transport::Local};

    #[tokio::test]
    async fn a_stream_to_a_node_that_is_no_member_any_more_is_not_begun_again_at_once() {
        let network = Environment::default().network;
        let local = Local { cluster_id: bytes::Bytes::new(), node: NodeId(1), boot: 1 };
        let live = snapshot::Live { indexes: Arc::new(Vec::new), is_in_memory: true, blob: Arc::new(|_| Ok(None)) };
        let peers = Arc::new(Peers::new(network, local, Vec::new()));
        let factory = Factory { group: GroupId(1), peers, asked: Arc::default(), live };
        let mut client = factory.client(2, LinkKind::Raft);
        let option = RPCOption::new(Duration::from_secs(1));
        let begin = client.stream_append(stream::empty::<AppendEntriesRequest<C>>(), option);
        tokio::pin!(begin);
        assert!((&mut begin).now_or_never().is_none(), "it takes its time");
        assert!(begin.await.is_err());
    }
}
