//! One standing stream to one peer: dialled again and again until the node stops.

use std::{error::Error as _, io, sync::Arc, time::Duration};

use proto::generated::peer::{
    Batch, FoundReply, FoundRequest, Hello, JoinReply, JoinRequest, Message, message::Kind, peer_client::PeerClient,
};
use telemetry::{Shutdown, task::TaskKind};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Streaming,
    transport::{Channel, Endpoint},
};
use types::NodeId;

use super::{Local, MESSAGE_BYTES_MAX, VERSION, outbox::Outbox, wire};
use crate::{environment::Network, features::Features};

/// Batches between an outbox and the HTTP/2 stream. Each is up to 1 MiB, so few: what waits, waits in the outbox, where it is
/// still gathered.
pub(super) const BATCHES: usize = 2;
/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a node may take to let another join: it writes that down.
const JOIN_TIMEOUT: Duration = Duration::from_secs(15);
/// Pause after the first failed attempt; doubles up to the maximum.
const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(500);
/// HTTP/2 windows: large and fixed, so that one append of 1 MiB never waits for a window update.
pub(crate) const STREAM_WINDOW: u32 = 8 * 1024 * 1024;
/// See [`STREAM_WINDOW`].
pub(crate) const CONNECTION_WINDOW: u32 = 32 * 1024 * 1024;

/// What a link is for. Each kind has a connection of its own, so that votes never wait behind bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    Raft,
    Control,
    Forward,
}

/// The answer to a node that was a member and is none any more.
pub(super) const EXPELLED: Code = Code::Unauthenticated;

/// Why a link is not up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// Nobody listens there: the process is gone.
    Refused,
    /// The peer says that this node is no member of its cluster any more.
    Expelled,
    /// Anything else: slow, cut off, or another node than the one that was meant.
    Unreachable,
}

/// Told what happens on a link. Calls must not block.
pub(crate) trait LinkEvents: Send + Sync + 'static {
    fn up(&self, peer: NodeId, kind: LinkKind, boot: u64, features: Features);
    fn down(&self, peer: NodeId, kind: LinkKind, why: Down);
    fn message(&self, peer: NodeId, message: Message);
}

pub(crate) struct Link {
    pub network: Arc<dyn Network>,
    pub local: Local,
    pub peer: NodeId,
    pub address: String,
    pub kind: LinkKind,
    pub outbox: Arc<Outbox>,
    pub events: Arc<dyn LinkEvents>,
    /// Ends the link for good.
    pub stop: Shutdown,
}

impl Link {
    /// Starts the link's task.
    pub(crate) fn spawn(self) {
        let name = format!("{:?} link to node {}", self.kind, self.peer);
        telemetry::task::spawn(TaskKind::Background, name, self.run());
    }

    async fn run(self) {
        tokio::select! {
            () = self.dial() => {}
            () = self.stop.triggered() => {}
        }
        self.outbox.close();
    }

    async fn dial(&self) {
        let mut backoff = BACKOFF_MIN;
        loop {
            let why = match self.connect().await {
                Ok((sender, replies, (boot, features))) => {
                    backoff = BACKOFF_MIN;
                    self.outbox.open();
                    self.events.up(self.peer, self.kind, boot, features);
                    let error = self.exchange(sender, replies).await;
                    self.outbox.close();
                    tracing::info!(peer = %self.peer, kind = ?self.kind, %error, "link to peer broke");
                    Down::Unreachable
                }
                Err(why) => why,
            };
            self.events.down(self.peer, self.kind, why);
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn connect(&self) -> Result<(mpsc::Sender<Batch>, Streaming<Batch>, (u64, Features)), Down> {
        let endpoint = endpoint(&self.address).map_err(|_| Down::Unreachable)?;
        let channel = self.network.connect(endpoint).await.map_err(|error| why(&error))?;
        let mut client = client(channel);
        let (sender, receiver) = mpsc::channel(BATCHES);
        let hello = hello(&self.local, self.peer);
        let first = Batch { messages: vec![wire::message(Kind::Hello(hello))] };
        sender.try_send(first).map_err(|_| Down::Unreachable)?;
        let requests = ReceiverStream::new(receiver);
        let opening = async {
            let reply = match self.kind {
                LinkKind::Raft => client.raft(requests).await,
                LinkKind::Control => client.control(requests).await,
                LinkKind::Forward => client.forward(requests).await,
            };
            let mut replies = reply?.into_inner();
            let hello = replies.message().await?;
            Ok::<_, tonic::Status>((replies, hello))
        };
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, opening).await.map_err(|_| Down::Unreachable)?;
        let (replies, hello) = opened.map_err(|status| {
            tracing::debug!(peer = %self.peer, kind = ?self.kind, %status, "peer refused the link");
            if status.code() == EXPELLED { Down::Expelled } else { Down::Unreachable }
        })?;
        let hello = hello.and_then(hello_of).ok_or(Down::Unreachable)?;
        Ok((sender, replies, (hello.boot, Features(hello.features))))
    }

    /// Sends and receives until one of the two ends.
    async fn exchange(&self, sender: mpsc::Sender<Batch>, mut replies: Streaming<Batch>) -> String {
        let send = async {
            loop {
                let messages = self.outbox.take().await;
                if sender.send(Batch { messages }).await.is_err() {
                    return "stream closed".to_owned();
                }
            }
        };
        let receive = async {
            loop {
                match replies.message().await {
                    Ok(Some(batch)) => batch.messages.into_iter().for_each(|m| self.events.message(self.peer, m)),
                    Ok(None) => return "peer closed the stream".to_owned(),
                    Err(status) => return status.to_string(),
                }
            }
        };
        tokio::select! { end = send => end, end = receive => end }
    }
}

/// What this node says first to a peer.
pub(crate) fn hello(local: &Local, to: NodeId) -> Hello {
    let Local { cluster_id, node, boot } = local.clone();
    Hello { cluster_id, node: node.0, boot, version: VERSION, to: to.0, features: Features::OWN.0 }
}

fn hello_of(batch: Batch) -> Option<Hello> {
    match batch.messages.into_iter().next()?.kind? {
        Kind::Hello(hello) => Some(hello),
        _ => None,
    }
}

/// The endpoint of a peer's address (`host:port`).
pub(crate) fn endpoint(address: &str) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(3))
        .keep_alive_while_idle(true))
}

/// The endpoint of a peer that is asked now and then.
pub(crate) fn ask_endpoint(address: &str) -> Result<Endpoint, tonic::transport::Error> {
    Ok(endpoint(address)?.keep_alive_while_idle(false))
}

/// A client with our size limit.
pub(crate) fn client(channel: Channel) -> PeerClient<Channel> {
    PeerClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// Asks a founder who it is; `None` when it does not answer in time.
pub(crate) async fn found_at(network: &dyn Network, address: &str, request: FoundRequest) -> Option<FoundReply> {
    let asking = async {
        let channel = network.connect(endpoint(address).ok()?).await.ok()?;
        Some(client(channel).found(request).await.ok()?.into_inner())
    };
    tokio::time::timeout(CONNECT_TIMEOUT, asking).await.ok().flatten()
}

/// Asks a node to let this one join its cluster; `None` when it does not answer in time. It may have to wait for a majority.
pub(crate) async fn join_at(network: &dyn Network, address: &str, request: JoinRequest) -> Option<JoinReply> {
    let asking = async {
        let channel = network.connect(endpoint(address).ok()?).await.ok()?;
        Some(client(channel).join(request).await.ok()?.into_inner())
    };
    tokio::time::timeout(JOIN_TIMEOUT, asking).await.ok().flatten()
}

fn why(error: &tonic::transport::Error) -> Down {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return Down::Refused;
        }
        source = cause.source();
    }
    Down::Unreachable
}
