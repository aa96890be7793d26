//! The alarms of all nodes: each tells the others which of its own stand, and publishers everywhere wait while one does.
//!
//! A node that cannot be reached has none: it takes nothing in anyway.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::Mutex;
use proto::generated::peer as p;
use types::NodeId;

use crate::{
    api::{AlarmKind, Sessions},
    liveness::Liveness,
    transport::{Peers, wire},
};

/// What this node knows of alarms.
pub(crate) struct Alarms {
    node: NodeId,
    peers: Arc<Peers>,
    liveness: Arc<Liveness>,
    sessions: Arc<dyn Sessions>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What each node said last, this one included.
    nodes: BTreeMap<NodeId, BTreeSet<AlarmKind>>,
    /// What the sessions were told last.
    told: Vec<(NodeId, AlarmKind)>,
}

impl Alarms {
    pub(crate) fn new(node: NodeId, peers: Arc<Peers>, liveness: Arc<Liveness>, sessions: Arc<dyn Sessions>) -> Self {
        Alarms { node, peers, liveness, sessions, state: Mutex::default() }
    }

    /// An alarm of this node is raised or cleared.
    pub(crate) fn set_local(&self, kind: AlarmKind, stands: bool) {
        let mut state = self.state.lock();
        let own = state.nodes.entry(self.node).or_default();
        let is_news = if stands { own.insert(kind) } else { own.remove(&kind) };
        if is_news {
            // Under the lock, so that the last word is the last that peers hear.
            self.peers.control_all(&message(own));
            self.refresh(&mut state);
        }
    }

    /// Whether this node's own disk alarm stands.
    pub(crate) fn is_short_of_disk(&self) -> bool {
        self.state.lock().nodes.get(&self.node).is_some_and(|own| own.contains(&AlarmKind::Disk))
    }

    /// The control link to a peer is up: it may have missed what was said.
    pub(crate) fn link_up(&self, peer: NodeId) {
        let mut state = self.state.lock();
        self.peers.control(peer, message(state.nodes.entry(self.node).or_default()));
    }

    /// A peer says which of its alarms stand.
    pub(crate) fn heard(&self, peer: NodeId, alarms: p::Alarms) {
        let mut state = self.state.lock();
        let kinds = [(AlarmKind::Memory, alarms.memory), (AlarmKind::Disk, alarms.disk)];
        state.nodes.insert(peer, kinds.into_iter().filter(|(_, stands)| *stands).map(|(kind, _)| kind).collect());
        self.refresh(&mut state);
    }

    /// A peer came or went.
    pub(crate) fn peers_changed(&self) {
        self.refresh(&mut self.state.lock());
    }

    /// The alarms that stand on nodes that are there.
    pub(crate) fn standing(&self) -> Vec<(NodeId, AlarmKind)> {
        self.state.lock().told.clone()
    }

    fn refresh(&self, state: &mut State) {
        let is_there = |node: NodeId| node == self.node || self.liveness.is_up(node);
        let there = state.nodes.iter().filter(|(node, _)| is_there(**node));
        let standing: Vec<_> = there.flat_map(|(node, kinds)| kinds.iter().map(|kind| (*node, *kind))).collect();
        if standing != state.told {
            state.told.clone_from(&standing);
            self.sessions.alarms_changed(standing);
        }
    }
}

fn message(kinds: &BTreeSet<AlarmKind>) -> p::Message {
    let (memory, disk) = (kinds.contains(&AlarmKind::Memory), kinds.contains(&AlarmKind::Disk));
    wire::message(p::message::Kind::Alarms(p::Alarms { memory, disk }))
}
