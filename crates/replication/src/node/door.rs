//! What answers peers: founding from the start, groups as soon as they are there.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::RwLock;
use proto::generated::peer::{Alarms, Counts, FoundReply, FoundRequest, Health, JoinReply, JoinRequest, Message};
use types::{GroupId, NodeId};

use super::Inner;
use crate::{
    api::{AskError, BoxFuture},
    features::Features,
    founding::Founding,
    transport::{Local, Node, PortBox},
};

/// Answers peers: founding from the start, groups as soon as they are there.
pub(super) struct Door {
    pub(super) founding: Founding,
    pub(super) local: Arc<RwLock<Option<Local>>>,
    pub(super) inner: OnceLock<Arc<Inner>>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

impl Door {
    pub(super) fn new(founding: Founding) -> Self {
        Door { founding, local: Arc::default(), inner: OnceLock::new() }
    }
}

impl Node for Door {
    fn port(&self, group: GroupId) -> Option<PortBox> {
        let inner = self.inner.get()?;
        let port: PortBox = if group == GroupId::META {
            inner.meta_group.get()?.clone()
        } else {
            inner.shards.read().get(&group)?.clone()
        };
        Some(port)
    }

    fn forwarded(&self, from: NodeId, message: Message) {
        let (Some(inner), Some(kind)) = (self.inner.get(), message.kind) else { return };
        if let Err(error) = inner.handle(from, kind) {
            tracing::error!(peer = %from, %error, "message of a peer was dropped");
        }
    }

    fn alarms(&self, from: NodeId, alarms: Alarms) {
        if let Some(inner) = self.inner.get() {
            inner.alarms.heard(from, alarms);
        }
    }

    fn counts(&self, from: NodeId, counts: Counts) {
        if let Some(inner) = self.inner.get() {
            inner.counts.heard(from, counts);
        }
    }

    fn health(&self, from: NodeId, health: Health) {
        if let Some(inner) = self.inner.get() {
            inner.health.heard(from, &health);
        }
    }

    fn ask(&self, from: NodeId, question: Bytes) -> BoxFuture<Result<Bytes, AskError>> {
        match self.inner.get() {
            Some(inner) => Arc::clone(&inner.asking).answering(from, question),
            None => Box::pin(async { Err(AskError::Refused("it is starting".to_owned())) }),
        }
    }

    fn seen(&self, peer: NodeId, boot: u64, features: Features) {
        if let Some(inner) = self.inner.get() {
            inner.liveness.seen(peer, boot, features);
        }
    }

    fn is_short_of_disk(&self) -> bool {
        self.inner.get().is_some_and(|inner| inner.alarms.is_short_of_disk())
    }

    fn found(&self, request: FoundRequest) -> FoundReply {
        self.founding.answer(&request)
    }

    fn join(&self, request: JoinRequest) -> BoxFuture<JoinReply> {
        match self.inner.get() {
            Some(inner) => {
                let inner = Arc::clone(inner);
                Box::pin(async move { inner.let_in(request).await })
            }
            None => {
                let refused = "it is starting itself".to_owned();
                Box::pin(async move { JoinReply { refused, ..JoinReply::default() } })
            }
        }
    }

    fn is_gone(&self, peer: NodeId) -> bool {
        self.inner.get().is_some_and(|inner| inner.members.is_gone(peer))
    }
}
