//! Counts by name over all nodes: each adds up its own, tells the others what has changed, and believes what they said last.
//!
//! What is told is late by [`PAUSE`] at most, so that clients which come and go by the thousand cost a few messages a second. Of
//! a node that cannot be reached nothing counts: its clients are gone, or cannot be told of.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use proto::generated::peer as p;
use tokio::sync::Notify;
use types::NodeId;

use crate::{
    api,
    liveness::Liveness,
    transport::{Peers, wire},
};

/// Pause between two tellings: short beside the time in which somebody opens connections to more than one node.
const PAUSE: Duration = Duration::from_millis(50);
/// Most counts of one message: with the longest names far below what a stream takes.
const MESSAGE_COUNTS_MAX: usize = 4096;

/// What this node counts, and what it knows that others count.
pub(crate) struct Counts {
    node: NodeId,
    peers: Arc<Peers>,
    liveness: Arc<Liveness>,
    state: Mutex<State>,
    has_news: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What each node counts, this one included. Nothing is kept of what is zero.
    nodes: BTreeMap<NodeId, BTreeMap<Bytes, u64>>,
    /// What peers have not been told.
    news: BTreeSet<Bytes>,
}

impl Counts {
    pub(crate) fn new(node: NodeId, peers: Arc<Peers>, liveness: Arc<Liveness>) -> Self {
        Counts { node, peers, liveness, state: Mutex::default(), has_news: Notify::new() }
    }

    /// Tells peers what has changed.
    pub(crate) async fn run(&self) {
        loop {
            self.has_news.notified().await;
            self.tell();
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The control link to a peer is up: it may have missed what was said.
    pub(crate) fn link_up(&self, peer: NodeId) {
        let state = self.state.lock();
        let own = state.own(self.node).iter().map(|(name, count)| (name.clone(), *count)).collect();
        for message in messages(own, true) {
            self.peers.control(peer, message);
        }
    }

    /// A peer says what it counts.
    pub(crate) fn heard(&self, peer: NodeId, said: p::Counts) {
        let mut state = self.state.lock();
        let counts = state.nodes.entry(peer).or_default();
        if said.afresh {
            counts.clear();
        }
        for p::Count { name, count } in said.counts {
            set(counts, name, count);
        }
    }

    /// Whether anything is counted here.
    pub(crate) fn is_any_here(&self) -> bool {
        !self.state.lock().own(self.node).is_empty()
    }

    fn tell(&self) {
        let mut state = self.state.lock();
        let news = std::mem::take(&mut state.news);
        let own = state.own(self.node);
        let counts = news.into_iter().map(|name| (name.clone(), own.get(&name).copied().unwrap_or(0))).collect();
        // Under the lock, so that the last word is the last that peers hear.
        for message in messages(counts, false) {
            self.peers.control_all(&message);
        }
    }
}

impl State {
    fn own(&self, node: NodeId) -> &BTreeMap<Bytes, u64> {
        static NONE: BTreeMap<Bytes, u64> = BTreeMap::new();
        self.nodes.get(&node).unwrap_or(&NONE)
    }
}

impl api::Counts for Counts {
    fn add(&self, name: &[u8], by: i64) {
        let mut state = self.state.lock();
        let own = state.nodes.entry(self.node).or_default();
        let name = Bytes::copy_from_slice(name);
        let count = own.get(&name).copied().unwrap_or(0).saturating_add_signed(by);
        set(own, name.clone(), count);
        state.news.insert(name);
        drop(state);
        self.has_news.notify_one();
    }

    fn total(&self, name: &[u8]) -> u64 {
        let state = self.state.lock();
        let there = state.nodes.iter().filter(|(node, _)| **node == self.node || self.liveness.is_up(**node));
        there.filter_map(|(_, counts)| counts.get(name)).fold(0, |sum, count| sum.saturating_add(*count))
    }
}

fn set(counts: &mut BTreeMap<Bytes, u64>, name: Bytes, count: u64) {
    if count == 0 {
        counts.remove(&name);
    } else {
        counts.insert(name, count);
    }
}

/// At least one message when all is told afresh.
fn messages(counts: Vec<(Bytes, u64)>, afresh: bool) -> Vec<p::Message> {
    let count = |(name, count): &(Bytes, u64)| p::Count { name: name.clone(), count: *count };
    let parts = counts.chunks(MESSAGE_COUNTS_MAX).map(|part| part.iter().map(count).collect());
    let mut parts: Vec<Vec<p::Count>> = parts.collect();
    if parts.is_empty() && afresh {
        parts.push(Vec::new());
    }
    let numbered = parts.into_iter().enumerate();
    let message = |(at, counts)| p::Counts { afresh: afresh && at == 0, counts };
    numbered.map(|part| wire::message(p::message::Kind::Counts(message(part)))).collect()
}

#[cfg(test)]
mod tests;
