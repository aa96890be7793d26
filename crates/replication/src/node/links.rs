//! What comes in on this node's links, and what is done when one goes up or down.

use std::sync::atomic::Ordering;

use proto::generated::peer::{Message, message::Kind};
use types::{Blob, GroupId, NodeId};

use super::Inner;
use crate::{
    batcher::Submission,
    client::Route,
    features::Features,
    transport::{Down, LinkEvents, LinkKind, wire},
};

impl Inner {
    pub(super) fn handle(&self, from: NodeId, kind: Kind) -> Result<(), proto::DecodeError> {
        match kind {
            Kind::Submit(submit) => {
                self.forwarded.fetch_add(1, Ordering::Relaxed);
                let blob = Blob::from_bytes(submit.blob).map_err(|_| proto::DecodeError::new("message blob"))?;
                let submission = Submission { chunk: submit.chunk, blob };
                self.routes.submit(self.identity.node, GroupId(submit.group), submission);
            }
            Kind::Replies(replies) => {
                let (group, answers) = wire::replies_from(replies)?;
                self.client(group).answered(answers);
            }
            Kind::Deliver(deliver) => self.sessions.deliver(wire::deliver_from(deliver, self.identity.node)),
            Kind::Cancelled(cancelled) => {
                self.sessions.cancelled(wire::cancelled_from(&cancelled, self.identity.node));
            }
            Kind::Leader(leader) => self.learn_leader(GroupId(leader.group), from, leader.term),
            Kind::Applied(applied) => self.meta.spread(from, applied.index),
            _ => tracing::debug!(peer = %from, "message of an unknown kind passed over"),
        }
        Ok(())
    }

    fn learn_leader(&self, group: GroupId, node: NodeId, term: u64) {
        self.leaders.lock().insert(group, (node, term));
        if group == GroupId::META {
            self.meta.leader(node, term);
        } else {
            self.client(group).leader(node, term);
        }
    }

    /// This node's forward link to a peer is up: tell it what this node leads, send again what it has not answered, and what its
    /// sessions may have missed.
    fn link_up(&self, peer: NodeId, boot: u64, features: Features) {
        let was_refused = self.liveness.up(peer, boot, features);
        let restarted = self.peer_boots.lock().insert(peer, boot).is_some_and(|known| known != boot);
        if restarted {
            self.client(GroupId::local(peer)).lost(self.boot.max(self.clock.now().0));
            if !was_refused {
                // It was back so soon that this node has not found its process gone.
                self.take_over(peer);
            }
        }
        let meta = self.meta_group.get().and_then(|group| group.batcher.leading());
        if let Some(term) = meta {
            self.peers.forward(peer, wire::leader(GroupId::META, term));
        }
        for group in self.shards.read().values() {
            if let Some(term) = group.batcher.leading() {
                self.peers.forward(peer, wire::leader(group.id, term));
                group.machine.lock().reissue_to(peer);
            }
        }
        let local = GroupId::local(self.identity.node);
        self.peers.forward(peer, wire::leader(local, 0));
        crate::shard::reissue(&self.local_machine.lock(), &self.local_effects, peer);
        if let Some(applied) = self.meta_applied() {
            self.peers.forward(peer, wire::applied(applied));
        }
        self.meta.link_up(peer);
        let clients: Vec<_> = self.clients.read().values().cloned().collect();
        for client in clients {
            client.link_up(peer);
        }
    }
}

impl LinkEvents for Inner {
    fn up(&self, peer: NodeId, kind: LinkKind, boot: u64, features: Features) {
        match kind {
            LinkKind::Forward => {
                tracing::info!(%peer, "peer is up");
                self.link_up(peer, boot, features);
                self.alarms.peers_changed();
            }
            LinkKind::Control => {
                self.alarms.link_up(peer);
                self.counts.link_up(peer);
                self.health.tell_one(&self.peers, peer);
            }
            LinkKind::Raft => {}
        }
    }

    fn down(&self, peer: NodeId, kind: LinkKind, why: Down) {
        self.asked.broken(peer, kind);
        if why == Down::Expelled {
            self.expelled(peer);
        }
        if kind == LinkKind::Forward && self.liveness.down(peer, why) {
            tracing::warn!(%peer, ?why, "peer is down");
            self.alarms.peers_changed();
            if why == Down::Refused {
                self.take_over(peer);
            }
        }
    }

    fn message(&self, peer: NodeId, message: Message) {
        match message.kind {
            Some(kind @ (Kind::AppendReply(_) | Kind::VoteReply(_) | Kind::TransferReply(_))) => {
                self.asked.answer(kind)
            }
            _ => tracing::debug!(%peer, "message of an unknown kind passed over"),
        }
    }
}
