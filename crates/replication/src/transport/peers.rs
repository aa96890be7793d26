//! All links of this node, by peer.

use std::{collections::BTreeMap, sync::Arc};

use proto::generated::peer::Message;
use types::NodeId;

use super::{
    Local,
    link::{Link, LinkEvents, LinkKind},
    outbox::Outbox,
};
use crate::environment::Network;

/// Where a peer listens for other nodes.
#[derive(Clone, Debug)]
pub(crate) struct PeerAddress {
    pub node: NodeId,
    /// `host:port`
    pub address: String,
}

/// The outgoing side of all links.
#[derive(Debug)]
pub(crate) struct Peers {
    network: Arc<dyn Network>,
    local: Local,
    peers: BTreeMap<NodeId, PeerLinks>,
}

#[derive(Debug)]
struct PeerLinks {
    address: String,
    raft: Arc<Outbox>,
    control: Arc<Outbox>,
    forward: Arc<Outbox>,
}

impl Peers {
    pub(crate) fn new(network: Arc<dyn Network>, local: Local, addresses: Vec<PeerAddress>) -> Self {
        let peers = addresses.into_iter().map(|peer| {
            let links = PeerLinks {
                address: peer.address,
                raft: Arc::default(),
                control: Arc::default(),
                forward: Arc::default(),
            };
            (peer.node, links)
        });
        Peers { network, local, peers: peers.collect() }
    }

    /// Starts dialling.
    pub(crate) fn start(&self, events: &Arc<dyn LinkEvents>) {
        for (peer, links) in &self.peers {
            let kinds = [
                (LinkKind::Raft, &links.raft),
                (LinkKind::Control, &links.control),
                (LinkKind::Forward, &links.forward),
            ];
            for (kind, outbox) in kinds {
                Link {
                    network: Arc::clone(&self.network),
                    local: self.local.clone(),
                    peer: *peer,
                    address: links.address.clone(),
                    kind,
                    outbox: Arc::clone(outbox),
                    events: Arc::clone(events),
                }
                .spawn();
            }
        }
    }

    pub(crate) fn network(&self) -> &dyn Network {
        &*self.network
    }

    pub(crate) fn local(&self) -> &Local {
        &self.local
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.peers.keys().copied()
    }

    pub(crate) fn address(&self, node: NodeId) -> Option<&str> {
        self.peers.get(&node).map(|links| links.address.as_str())
    }

    pub(crate) fn outbox(&self, node: NodeId, kind: LinkKind) -> Option<Arc<Outbox>> {
        let links = self.peers.get(&node)?;
        Some(Arc::clone(match kind {
            LinkKind::Raft => &links.raft,
            LinkKind::Control => &links.control,
            LinkKind::Forward => &links.forward,
        }))
    }

    /// Sends to one node what is sent again when its link was down.
    pub(crate) fn forward(&self, node: NodeId, message: Message) {
        if let Some(links) = self.peers.get(&node) {
            links.forward.push(message);
        }
    }

    /// Sends to one node what must not wait behind messages.
    pub(crate) fn control(&self, node: NodeId, message: Message) {
        if let Some(links) = self.peers.get(&node) {
            links.control.push(message);
        }
    }

    /// Sends to all nodes what must not wait behind messages.
    pub(crate) fn control_all(&self, message: &Message) {
        for links in self.peers.values() {
            links.control.push(message.clone());
        }
    }

    /// Sends to all nodes.
    pub(crate) fn broadcast(&self, message: &Message) {
        for links in self.peers.values() {
            links.forward.push(message.clone());
        }
    }
}
