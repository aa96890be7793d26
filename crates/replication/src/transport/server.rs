//! The answering side: takes the streams that peers dial, and gives what they ask to the groups.

use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use openraft::{
    raft::{
        AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse,
        VoteRequest, VoteResponse,
    },
    type_config::alias::SnapshotOf,
};
use proto::{
    DecodeError,
    generated::peer::{
        self as p, Batch, Hello, Message,
        message::Kind,
        peer_server::{Peer, PeerServer},
    },
};
use telemetry::task::TaskKind;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use types::{GroupId, NodeId};

use super::{
    Local, MESSAGE_BYTES_MAX, VERSION,
    link::{self, BATCHES, EXPELLED},
    outbox::Outbox,
    snapshot, wire,
};
use crate::{
    BoxFuture,
    api::{ASK_BYTES_MAX, AskError},
    environment::Listening,
    features::Features,
    raft_types::{C, Vote},
    state_machine::SnapshotData,
};

/// What the server needs of one group, whichever machine it has.
pub(crate) trait Port: Send + Sync + 'static {
    fn stream_append(
        &self,
        requests: ReceiverStream<AppendEntriesRequest<C>>,
    ) -> Pin<Box<dyn Stream<Item = Option<StreamAppendResult<C>>> + Send>>;
    fn vote(&self, request: VoteRequest<C>, pre_vote: bool) -> BoxFuture<Option<VoteResponse<C>>>;
    fn transfer(&self, request: TransferLeaderRequest<C>) -> BoxFuture<Option<TransferLeaderResponse<C>>>;
    fn install(&self, vote: Vote, snapshot: SnapshotOf<C, SnapshotData>) -> BoxFuture<Result<Vote, String>>;
    /// Stages blobs of a snapshot; waits while too much waits for the disk.
    fn put_blobs(&self, blobs: Vec<(u64, Bytes)>) -> BoxFuture<()>;
}

/// A group's port.
pub(crate) type PortBox = Arc<dyn Port>;

/// What the node does with requests that are not a group's.
pub(crate) trait Node: Send + Sync + 'static {
    fn port(&self, group: GroupId) -> Option<PortBox>;
    fn forwarded(&self, from: NodeId, message: Message);
    /// A peer tells which of its alarms stand.
    fn alarms(&self, from: NodeId, alarms: p::Alarms);
    /// A peer tells what it counts.
    fn counts(&self, from: NodeId, counts: p::Counts);
    /// A peer tells of its clock and its disk.
    fn health(&self, from: NodeId, health: p::Health);
    fn ask(&self, from: NodeId, question: Bytes) -> BoxFuture<Result<Bytes, AskError>>;
    /// A peer's incarnation dialled in.
    fn seen(&self, peer: NodeId, boot: u64, features: Features);
    fn found(&self, request: p::FoundRequest) -> p::FoundReply;
    /// Whether this node has too little disk to take in what can wait.
    fn is_short_of_disk(&self) -> bool;
    fn join(&self, request: p::JoinRequest) -> BoxFuture<p::JoinReply>;
    /// Whether that node was a member and is none any more.
    fn is_gone(&self, peer: NodeId) -> bool;
}

/// The gRPC service of one node.
pub(crate) struct Service {
    /// `None` until the node belongs to a cluster: then only founding is answered.
    pub local: Arc<parking_lot::RwLock<Option<Local>>>,
    pub node: Arc<dyn Node>,
}

/// Serves peers until the task is dropped.
pub(crate) async fn serve(service: Service, listener: Box<dyn Listening>) -> Result<(), tonic::transport::Error> {
    let service = PeerServer::new(service)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let router = tonic::transport::Server::builder()
        .initial_stream_window_size(link::STREAM_WINDOW)
        .initial_connection_window_size(link::CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(Duration::from_secs(5)))
        .http2_keepalive_timeout(Some(Duration::from_secs(3)))
        .add_service(service);
    listener.serve(router).await
}

type BatchStream = Pin<Box<dyn Stream<Item = Result<Batch, Status>> + Send>>;

impl Service {
    fn local(&self) -> Result<Local, Status> {
        self.local.read().clone().ok_or_else(|| Status::unavailable("this node belongs to no cluster yet"))
    }

    fn check(&self, local: &Local, hello: &Hello) -> Result<NodeId, Status> {
        if hello.version != VERSION {
            return Err(Status::failed_precondition(format!("version {} is not spoken here", hello.version)));
        }
        if hello.cluster_id != local.cluster_id {
            return Err(Status::permission_denied("this node belongs to another cluster"));
        }
        if hello.to != local.node.0 {
            return Err(Status::permission_denied(format!("this is node {}, not node {}", local.node, hello.to)));
        }
        let peer = NodeId(hello.node);
        if self.node.is_gone(peer) {
            return Err(Status::new(EXPELLED, format!("node {peer} is no member of the cluster any more")));
        }
        self.node.seen(peer, hello.boot, Features(hello.features));
        Ok(peer)
    }

    /// Takes the first batch, checks who speaks, and starts the task that handles the rest.
    async fn open(&self, request: Request<Streaming<Batch>>, forward: bool) -> Result<Response<BatchStream>, Status> {
        let local = self.local()?;
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|batch| batch.messages.into_iter().next());
        let Some(Message { kind: Some(Kind::Hello(hello)) }) = first else {
            return Err(Status::invalid_argument("a stream starts with a hello"));
        };
        let peer = self.check(&local, &hello)?;
        let outbox = Arc::new(Outbox::default());
        outbox.open();
        outbox.push(wire::message(Kind::Hello(link::hello(&local, peer))));
        let (sender, replies) = mpsc::channel(BATCHES);
        let stream = Incoming { peer, node: Arc::clone(&self.node), outbox, streams: BTreeMap::new(), forward };
        telemetry::task::spawn(TaskKind::Background, format!("stream from node {peer}"), stream.run(requests, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(replies).map(Ok))))
    }
}

#[tonic::async_trait]
impl Peer for Service {
    type RaftStream = BatchStream;
    type ControlStream = BatchStream;
    type ForwardStream = BatchStream;

    async fn raft(&self, request: Request<Streaming<Batch>>) -> Result<Response<BatchStream>, Status> {
        self.open(request, false).await
    }

    async fn control(&self, request: Request<Streaming<Batch>>) -> Result<Response<BatchStream>, Status> {
        self.open(request, false).await
    }

    async fn forward(&self, request: Request<Streaming<Batch>>) -> Result<Response<BatchStream>, Status> {
        self.open(request, true).await
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<p::SnapshotPart>>,
    ) -> Result<Response<p::SnapshotDone>, Status> {
        let local = self.local()?;
        let mut parts = request.into_inner();
        let start = snapshot::start(&mut parts).await?;
        self.check(&local, &start.hello.clone().unwrap_or_default())?;
        let group = GroupId(start.group);
        let port = self.node.port(group).ok_or_else(|| Status::not_found(format!("no group {group} here")))?;
        let vote = snapshot::receive(start, parts, &*port, || self.node.is_short_of_disk()).await?;
        Ok(Response::new(p::SnapshotDone { vote: Some(wire::vote(&vote)) }))
    }

    async fn found(&self, request: Request<p::FoundRequest>) -> Result<Response<p::FoundReply>, Status> {
        Ok(Response::new(self.node.found(request.into_inner())))
    }

    async fn join(&self, request: Request<p::JoinRequest>) -> Result<Response<p::JoinReply>, Status> {
        Ok(Response::new(self.node.join(request.into_inner()).await))
    }

    async fn ask(&self, request: Request<p::AskRequest>) -> Result<Response<p::AskReply>, Status> {
        let local = self.local()?;
        let p::AskRequest { hello, question } = request.into_inner();
        let peer = self.check(&local, &hello.unwrap_or_default())?;
        if question.len() > ASK_BYTES_MAX {
            return Err(Status::out_of_range(AskError::TooLarge.to_string()));
        }
        match self.node.ask(peer, question).await {
            Ok(answer) => Ok(Response::new(p::AskReply { answer })),
            Err(AskError::TooLarge) => Err(Status::out_of_range(AskError::TooLarge.to_string())),
            Err(AskError::Refused(why)) => Err(Status::unavailable(why)),
            Err(error @ (AskError::NoSuchNode | AskError::Down | AskError::Timeout)) => {
                Err(Status::unavailable(error.to_string()))
            }
        }
    }
}

pub(super) fn invalid(error: DecodeError) -> Status {
    Status::invalid_argument(error.to_string())
}

/// One stream that a peer dialled.
struct Incoming {
    peer: NodeId,
    node: Arc<dyn Node>,
    outbox: Arc<Outbox>,
    streams: BTreeMap<(u32, u64), mpsc::Sender<AppendEntriesRequest<C>>>,
    forward: bool,
}

/// Requests of one append stream that wait for its group; the peer sends no more than half of that unanswered.
const APPENDS_MAX: usize = 64;

impl Incoming {
    async fn run(mut self, mut requests: Streaming<Batch>, replies: mpsc::Sender<Batch>) {
        let outbox = Arc::clone(&self.outbox);
        let send = async {
            loop {
                let messages = outbox.take().await;
                if replies.send(Batch { messages }).await.is_err() {
                    return;
                }
            }
        };
        let receive = async {
            while let Ok(Some(batch)) = requests.message().await {
                // Who was removed while its stream was open learns that when it dials again.
                if self.node.is_gone(self.peer) {
                    return;
                }
                for message in batch.messages {
                    self.handle(message);
                }
            }
        };
        tokio::select! { () = send => {}, () = receive => {} }
        self.outbox.close();
    }

    fn handle(&mut self, message: Message) {
        if self.forward {
            self.node.forwarded(self.peer, message);
            return;
        }
        match message.kind {
            Some(Kind::Append(append)) => self.append(append),
            Some(Kind::StreamEnd(end)) => drop(self.streams.remove(&(end.group, end.stream))),
            Some(Kind::Vote(vote)) => self.vote(vote),
            Some(Kind::Transfer(transfer)) => self.transfer(transfer),
            Some(Kind::Alarms(alarms)) => self.node.alarms(self.peer, alarms),
            Some(Kind::Counts(counts)) => self.node.counts(self.peer, counts),
            Some(Kind::Health(health)) => self.node.health(self.peer, health),
            _ => tracing::debug!(peer = %self.peer, "message of an unknown kind passed over"),
        }
    }

    fn append(&mut self, append: p::AppendRequest) {
        let (group, stream, seq) = (append.group, append.stream, append.seq);
        let failed = || append_reply(group, stream, seq, p::append_reply::Result::Failed);
        let (Some(port), Ok(request)) = (self.node.port(GroupId(group)), append_from_wire(append)) else {
            self.outbox.push(failed());
            return;
        };
        let sender = self.streams.entry((group, stream)).or_insert_with(|| {
            let (sender, requests) = mpsc::channel(APPENDS_MAX);
            let answers = port.stream_append(ReceiverStream::new(requests));
            let outbox = Arc::clone(&self.outbox);
            telemetry::task::spawn(TaskKind::Background, "append stream", async move {
                answer_appends(answers, &outbox, group, stream).await;
            });
            sender
        });
        if sender.try_send(request).is_err() {
            self.streams.remove(&(group, stream));
            self.outbox.push(failed());
        }
    }

    fn vote(&self, vote: p::VoteRequest) {
        let seq = vote.seq;
        let failed = p::VoteReply { seq, failed: true, ..p::VoteReply::default() };
        let (Some(port), Ok(candidate)) = (self.node.port(GroupId(vote.group)), wire::vote_from(vote.vote)) else {
            self.outbox.push(wire::message(Kind::VoteReply(failed)));
            return;
        };
        let mut request = VoteRequest::new(candidate, vote.last.map(wire::log_id_from));
        request.leadership_transfer = vote.leadership_transfer;
        let answer = port.vote(request, vote.pre_vote);
        let outbox = Arc::clone(&self.outbox);
        telemetry::task::spawn(TaskKind::Background, "vote", async move {
            let reply = match answer.await {
                Some(response) => p::VoteReply {
                    seq,
                    vote: Some(wire::vote(&response.vote)),
                    granted: response.vote_granted,
                    last: response.last_log_id.as_ref().map(wire::log_id),
                    failed: false,
                },
                None => failed,
            };
            outbox.push(wire::message(Kind::VoteReply(reply)));
        });
    }

    fn transfer(&self, transfer: p::TransferRequest) {
        use openraft::raft::TransferLeaderError as E;
        use p::transfer_reply::Result as R;
        let seq = transfer.seq;
        let mut reply = p::TransferReply { seq, ..p::TransferReply::default() };
        reply.set_result(R::Failed);
        let (Some(port), Ok(from)) = (self.node.port(GroupId(transfer.group)), wire::vote_from(transfer.from)) else {
            self.outbox.push(wire::message(Kind::TransferReply(reply)));
            return;
        };
        let request = TransferLeaderRequest::new(from, transfer.to, transfer.last.map(wire::log_id_from));
        let answer = port.transfer(request);
        let outbox = Arc::clone(&self.outbox);
        telemetry::task::spawn(TaskKind::Background, "transfer of leadership", async move {
            match answer.await {
                Some(Ok(())) => reply.set_result(R::Done),
                Some(Err(E::VoteChanged { actual, .. })) => {
                    reply.set_result(R::VoteChanged);
                    reply.actual_vote = Some(wire::vote(&actual));
                }
                Some(Err(E::LogNotFlushed { actual, .. })) => {
                    reply.set_result(R::LogNotFlushed);
                    reply.actual_log = actual.as_ref().map(wire::log_id);
                }
                None => {}
            }
            outbox.push(wire::message(Kind::TransferReply(reply)));
        });
    }
}

async fn answer_appends(
    mut answers: Pin<Box<dyn Stream<Item = Option<StreamAppendResult<C>>> + Send>>,
    outbox: &Outbox,
    group: u32,
    stream: u64,
) {
    use p::append_reply::Result as R;
    let mut seq = 0;
    while let Some(answer) = answers.next().await {
        seq += 1;
        let mut reply = p::AppendReply { group, stream, seq, ..p::AppendReply::default() };
        match answer {
            Some(Ok(matched)) => {
                reply.set_result(R::Partial);
                reply.log_id = matched.as_ref().map(wire::log_id);
            }
            Some(Err(StreamAppendError::Conflict(_))) => reply.set_result(R::Conflict),
            Some(Err(StreamAppendError::HigherVote(vote))) => {
                reply.set_result(R::HigherVote);
                reply.vote = Some(wire::vote(&vote));
            }
            None => reply.set_result(R::Failed),
        }
        outbox.push(wire::message(Kind::AppendReply(reply)));
    }
}

fn append_reply(group: u32, stream: u64, seq: u64, result: p::append_reply::Result) -> Message {
    let mut reply = p::AppendReply { group, stream, seq, ..p::AppendReply::default() };
    reply.set_result(result);
    wire::message(Kind::AppendReply(reply))
}

pub(super) fn append_to_wire(
    group: GroupId,
    stream: u64,
    seq: u64,
    request: &AppendEntriesRequest<C>,
) -> p::AppendRequest {
    p::AppendRequest {
        group: group.0,
        stream,
        seq,
        vote: Some(wire::vote(&request.vote)),
        prev: request.prev_log_id.as_ref().map(wire::log_id),
        commit: request.leader_commit.as_ref().map(wire::log_id),
        entries: request.entries.iter().map(wire::entry).collect(),
    }
}

fn append_from_wire(append: p::AppendRequest) -> Result<AppendEntriesRequest<C>, DecodeError> {
    Ok(AppendEntriesRequest {
        vote: wire::vote_from(append.vote)?,
        prev_log_id: append.prev.map(wire::log_id_from),
        leader_commit: append.commit.map(wire::log_id_from),
        entries: append.entries.into_iter().map(wire::entry_from).collect::<Result<_, _>>()?,
    })
}

/// An append as it is understood, written anew.
#[cfg(feature = "fuzzing")]
pub(crate) fn append_again(append: p::AppendRequest) -> Option<p::AppendRequest> {
    let (group, stream, seq) = (GroupId(append.group), append.stream, append.seq);
    Some(append_to_wire(group, stream, seq, &append_from_wire(append).ok()?))
}
