//! Which peers are there, as this node sees it: by its own links and by who dialled in.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use types::NodeId;

use crate::transport::Down;

/// What is known of one peer.
#[derive(Clone, Copy, Debug)]
struct Peer {
    /// The latest incarnation that was heard of; zero when none was.
    boot: u64,
    /// Whether this node's forward link to it is up.
    up: bool,
    down_since: Instant,
    refused: bool,
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

#[derive(Debug, Default)]
pub(crate) struct Liveness {
    peers: Mutex<BTreeMap<NodeId, Peer>>,
    changed: Notify,
}

impl Liveness {
    pub(crate) fn up(&self, node: NodeId, boot: u64) {
        let mut peers = self.peers.lock();
        let peer = peers.entry(node).or_insert_with(Peer::new);
        peer.up = true;
        peer.refused = false;
        peer.boot = peer.boot.max(boot);
        drop(peers);
        self.changed.notify_waiters();
    }

    pub(crate) fn seen(&self, node: NodeId, boot: u64) {
        let mut peers = self.peers.lock();
        let peer = peers.entry(node).or_insert_with(Peer::new);
        peer.boot = peer.boot.max(boot);
        drop(peers);
        self.changed.notify_waiters();
    }

    /// Returns whether this is news.
    pub(crate) fn down(&self, node: NodeId, why: Down) -> bool {
        let mut peers = self.peers.lock();
        let peer = peers.entry(node).or_insert_with(Peer::new);
        let refused = why == Down::Refused;
        let news = peer.up || (refused && !peer.refused);
        if peer.up {
            peer.down_since = Instant::now();
        }
        peer.up = false;
        peer.refused = refused;
        drop(peers);
        if news {
            self.changed.notify_waiters();
        }
        news
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
        Peer { boot: 0, up: false, down_since: Instant::now(), refused: false }
    }
}

#[cfg(test)]
mod tests;
