//! All links of this node, by peer.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Arc, OnceLock, Weak},
};

use parking_lot::RwLock;
use proto::generated::peer::Message;
use telemetry::Shutdown;
use types::NodeId;

use super::{
    Local,
    link::{Down, Link, LinkEvents, LinkKind},
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
    peers: RwLock<BTreeMap<NodeId, PeerLinks>>,
    /// Set when the node is ready to be called; it owns these links.
    events: OnceLock<Weak<dyn LinkEvents>>,
}

#[derive(Debug)]
struct PeerLinks {
    address: String,
    raft: Arc<Outbox>,
    control: Arc<Outbox>,
    forward: Arc<Outbox>,
    stop: Shutdown,
}

impl PeerLinks {
    fn new(address: String) -> Self {
        let (raft, control, forward) = (Arc::default(), Arc::default(), Arc::default());
        PeerLinks { address, raft, control, forward, stop: Shutdown::new() }
    }
}

impl Peers {
    pub(crate) fn new(network: Arc<dyn Network>, local: Local, addresses: Vec<PeerAddress>) -> Self {
        let peers = addresses.into_iter().map(|peer| (peer.node, PeerLinks::new(peer.address)));
        Peers { network, local, peers: RwLock::new(peers.collect()), events: OnceLock::new() }
    }

    /// Starts dialling.
    pub(crate) fn start(&self, events: &Arc<dyn LinkEvents>) {
        drop(self.events.set(Arc::downgrade(events)));
        for (peer, links) in self.peers.read().iter() {
            self.dial(*peer, links);
        }
    }

    /// Brings the links in line: those to other nodes or addresses end, new ones are dialled.
    pub(crate) fn set(&self, addresses: &[PeerAddress]) {
        for node in self.nodes() {
            let known = self.address(node);
            if !addresses.iter().any(|peer| peer.node == node && Some(&peer.address) == known.as_ref()) {
                self.hang_up(node);
            }
        }
        let mut peers = self.peers.write();
        for peer in addresses {
            if let Entry::Vacant(place) = peers.entry(peer.node) {
                self.dial(peer.node, place.insert(PeerLinks::new(peer.address.clone())));
            }
        }
    }

    fn hang_up(&self, node: NodeId) {
        let Some(links) = self.peers.write().remove(&node) else { return };
        links.stop.request("the peer went or moved");
        if let Some(events) = self.events.get().and_then(Weak::upgrade) {
            [LinkKind::Raft, LinkKind::Control, LinkKind::Forward]
                .into_iter()
                .for_each(|kind| events.down(node, kind, Down::Unreachable));
        }
    }

    fn dial(&self, peer: NodeId, links: &PeerLinks) {
        let Some(events) = self.events.get().and_then(Weak::upgrade) else { return };
        let kinds =
            [(LinkKind::Raft, &links.raft), (LinkKind::Control, &links.control), (LinkKind::Forward, &links.forward)];
        for (kind, outbox) in kinds {
            Link {
                network: Arc::clone(&self.network),
                local: self.local.clone(),
                peer,
                address: links.address.clone(),
                kind,
                outbox: Arc::clone(outbox),
                events: Arc::clone(&events),
                stop: links.stop.clone(),
            }
            .spawn();
        }
    }

    pub(crate) fn network(&self) -> &dyn Network {
        &*self.network
    }

    pub(crate) fn local(&self) -> &Local {
        &self.local
    }

    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.peers.read().keys().copied().collect()
    }

    pub(crate) fn address(&self, node: NodeId) -> Option<String> {
        self.peers.read().get(&node).map(|links| links.address.clone())
    }

    pub(crate) fn outbox(&self, node: NodeId, kind: LinkKind) -> Option<Arc<Outbox>> {
        let peers = self.peers.read();
        let links = peers.get(&node)?;
        Some(Arc::clone(match kind {
            LinkKind::Raft => &links.raft,
            LinkKind::Control => &links.control,
            LinkKind::Forward => &links.forward,
        }))
    }

    /// Sends to one node what is sent again when its link was down.
    pub(crate) fn forward(&self, node: NodeId, message: Message) {
        if let Some(links) = self.peers.read().get(&node) {
            links.forward.push(message);
        }
    }

    /// Sends to one node what must not wait behind messages.
    pub(crate) fn control(&self, node: NodeId, message: Message) {
        if let Some(links) = self.peers.read().get(&node) {
            links.control.push(message);
        }
    }

    /// Sends to all nodes what must not wait behind messages.
    pub(crate) fn control_all(&self, message: &Message) {
        for links in self.peers.read().values() {
            links.control.push(message.clone());
        }
    }

    /// Sends to all nodes.
    pub(crate) fn broadcast(&self, message: &Message) {
        for links in self.peers.read().values() {
            links.forward.push(message.clone());
        }
    }
}
