//! Which peers are there, as this node sees it: by its own links and by who dialled in.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use types::NodeId;

use crate::{features::Features, transport::Down};

/// What is known of one peer.
#[derive(Clone, Copy, Debug)]
struct Peer {
    /// The latest incarnation that was heard of; zero when none was.
    boot: u64,
    /// What that incarnation understands, once it has said so.
    features: Option<Features>,
    /// Whether this node's forward link to it is up.
    up: bool,
    down_since: Instant,
    refused: bool,
    /// When it was heard from last: its link was up, or it dialled in.
    heard_at: Instant,
}

/// Why sessions of a node are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is there, in this incarnation; earlier ones are over.
    Here { boot: u64 },
    /// Its process is gone, or it was out of reach for too long.
    Gone,
    /// Too early to tell.
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Liveness {
    peers: Mutex<BTreeMap<NodeId, Peer>>,
    changed: Notify,
    since: Instant,
}

impl Default for Liveness {
    fn default() -> Self {
        Liveness { peers: Mutex::default(), changed: Notify::new(), since: Instant::now() }
    }
}

impl Liveness {
    /// Returns whether its process was known to be gone.
    pub(crate) fn up(&self, node: NodeId, boot: u64, features: Features) -> bool {
        let mut peers = self.peers.lock();
        let peer = peers.entry(node).or_insert_with(Peer::new);
        peer.up = true;
        let was_refused = std::mem::take(&mut peer.refused);
        peer.heard(boot, features);
        drop(peers);
        self.changed.notify_waiters();
        was_refused
    }

    pub(crate) fn seen(&self, node: NodeId, boot: u64, features: Features) {
        let mut peers = self.peers.lock();
        let peer = peers.entry(node).or_insert_with(Peer::new);
        peer.heard(boot, features);
        peer.heard_at = Instant::now();
        drop(peers);
        self.changed.notify_waiters();
    }

    /// For how long nothing was heard from a node, as far as this one can tell.
    pub(crate) fn silent_for(&self, node: NodeId) -> Duration {
        match self.peers.lock().get(&node) {
            Some(peer) if peer.up => Duration::ZERO,
            Some(peer) => peer.heard_at.elapsed(),
            None => self.since.elapsed(),
        }
    }

    /// Returns whether this is news.
    pub(crate) fn down(&self, node: NodeId, why: Down) -> bool {
        let mut peers = self.peers.lock();
        let peer = peers.entry(node).or_insert_with(Peer::new);
        let refused = why == Down::Refused;
        let news = peer.up || (refused && !peer.refused);
        if peer.up {
            peer.down_since = Instant::now();
            peer.heard_at = peer.down_since;
        }
        peer.up = false;
        peer.refused = refused;
        drop(peers);
        if news {
            self.changed.notify_waiters();
        }
        news
    }

    /// Whether a node is known to understand less than that. One that was never heard of is not, nor is one that has been silent for
    /// longer than `patience`: it may be gone for good, and must not stand in the way of being forgotten.
    pub(crate) fn is_older(&self, node: NodeId, than: Features, patience: Duration) -> bool {
        let peers = self.peers.lock();
        let Some(peer) = peers.get(&node) else { return false };
        let is_there = peer.up || peer.heard_at.elapsed() < patience;
        is_there && peer.features.is_some_and(|features| features < than)
    }

    pub(crate) fn is_up(&self, node: NodeId) -> bool {
        self.peers.lock().get(&node).is_some_and(|peer| peer.up)
    }

    pub(crate) fn verdict(&self, node: NodeId, grace: Duration) -> Verdict {
        match self.peers.lock().get(&node) {
            Some(peer) if peer.up => Verdict::Here { boot: peer.boot },
            Some(peer) if peer.refused || peer.down_since.elapsed() > grace => Verdict::Gone,
            Some(_) | None => Verdict::Unknown,
        }
    }

    /// Waits for the next change. Cancel safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Peer {
    fn new() -> Self {
        let now = Instant::now();
        Peer { boot: 0, features: None, up: false, down_since: now, refused: false, heard_at: now }
    }

    fn heard(&mut self, boot: u64, features: Features) {
        if boot >= self.boot {
            (self.boot, self.features) = (boot, Some(features));
        }
    }
}

#[cfg(test)]
mod tests;
