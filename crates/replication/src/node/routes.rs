//! Where submissions go: to a batcher of this node, into its memory group, or to a peer.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLock;
use types::{GroupId, NodeId};

use crate::{
    batcher::{Batcher, Submission},
    client::Route,
    local::LocalQueue,
    transport::{Peers, wire},
};

/// Where submissions go: to a batcher of this node, into its memory group, or to a peer.
pub(super) struct Routes {
    pub(super) node: NodeId,
    pub(super) peers: Arc<Peers>,
    pub(super) batchers: RwLock<BTreeMap<GroupId, Arc<Batcher>>>,
    pub(super) local: Arc<LocalQueue>,
}

impl Route for Routes {
    fn submit(&self, to: NodeId, group: GroupId, submission: Submission) {
        if to != self.node {
            self.peers.forward(to, wire::submit(group, submission.chunk, submission.blob.as_bytes().clone()));
        } else if group == GroupId::local(self.node) {
            self.local.push(submission);
        } else if let Some(batcher) = self.batchers.read().get(&group) {
            batcher.push(submission);
        }
    }
}
