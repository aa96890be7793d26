//! Questions between nodes, for administration: one unary call each, on a connection of their own, so that a long listing holds up
//! neither heartbeats nor messages.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use proto::generated::peer::{AskRequest, Hello};
use tokio::sync::Semaphore;
use tonic::{Code, Request, transport::Channel};
use types::NodeId;

use crate::{
    api::{ASK_BYTES_MAX, AskError, BoxFuture, PeerAnswer},
    liveness::Liveness,
    transport::{Peers, ask_client, ask_endpoint, hello},
};

/// Questions of other nodes that are answered at the same time: answers are large.
const ANSWERING_MAX: usize = 16;

/// This node as one that asks and is asked.
pub(crate) struct Asking {
    peers: Arc<Peers>,
    liveness: Arc<Liveness>,
    /// Opened when they are needed first.
    channels: Mutex<BTreeMap<NodeId, (String, Channel)>>,
    answers: OnceLock<Arc<dyn PeerAnswer>>,
    answering: Semaphore,
}

impl Asking {
    pub(crate) fn new(peers: Arc<Peers>, liveness: Arc<Liveness>) -> Self {
        let (channels, answers) = (Mutex::default(), OnceLock::new());
        Asking { peers, liveness, channels, answers, answering: Semaphore::new(ANSWERING_MAX) }
    }

    /// Who answers on this node. A second call changes nothing.
    pub(crate) fn answer_with(&self, answers: Arc<dyn PeerAnswer>) {
        drop(self.answers.set(answers));
    }

    /// Asks a node.
    pub(crate) async fn ask(&self, node: NodeId, question: Bytes, limit: Duration) -> Result<Bytes, AskError> {
        let asking = async {
            if question.len() > ASK_BYTES_MAX {
                Err(AskError::TooLarge)
            } else if node == self.peers.local().node {
                self.answer(node, question).await
            } else {
                self.ask_peer(node, question, limit).await
            }
        };
        tokio::time::timeout(limit, asking).await.unwrap_or(Err(AskError::Timeout))
    }

    async fn ask_peer(&self, node: NodeId, question: Bytes, limit: Duration) -> Result<Bytes, AskError> {
        let channel = self.channel(node)?;
        let hello: Hello = hello(self.peers.local(), node);
        let mut request = Request::new(AskRequest { hello: Some(hello), question });
        request.set_timeout(limit);
        match ask_client(channel).ask(request).await {
            Ok(reply) => Ok(reply.into_inner().answer),
            Err(status) => Err(match status.code() {
                Code::OutOfRange => AskError::TooLarge,
                Code::DeadlineExceeded | Code::Cancelled => AskError::Timeout,
                _ => AskError::Refused(status.message().to_owned()),
            }),
        }
    }

    fn channel(&self, node: NodeId) -> Result<Channel, AskError> {
        let address = self.peers.address(node).ok_or(AskError::NoSuchNode)?;
        if !self.liveness.is_up(node) {
            return Err(AskError::Down);
        }
        let mut channels = self.channels.lock();
        if let Some((_, channel)) = channels.get(&node).filter(|(known, _)| *known == address) {
            return Ok(channel.clone());
        }
        let endpoint = ask_endpoint(&address).map_err(|error| AskError::Refused(error.to_string()))?;
        let channel = self.peers.network().connect_lazily(&endpoint);
        channels.insert(node, (address, channel.clone()));
        Ok(channel)
    }

    /// Answers a node.
    pub(crate) async fn answer(&self, from: NodeId, question: Bytes) -> Result<Bytes, AskError> {
        let refused = |why: &str| AskError::Refused(why.to_owned());
        let answers = self.answers.get().ok_or_else(|| refused("it is starting"))?;
        let _permit = self.answering.acquire().await.map_err(|_| refused("it is stopping"))?;
        let answer = answers.answer(from, question).await;
        if answer.len() > ASK_BYTES_MAX { Err(AskError::TooLarge) } else { Ok(answer) }
    }

    /// The same, as a future of its own.
    pub(crate) fn answering(self: Arc<Self>, from: NodeId, question: Bytes) -> BoxFuture<Result<Bytes, AskError>> {
        Box::pin(async move { self.answer(from, question).await })
    }
}
