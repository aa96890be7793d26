//! Follows the members and placements of the cluster: links to those who are members, replicas of the groups that are placed here.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use metadata::{Admission, Cluster, ClusterCommand, Command};
use types::GroupId;

use super::Inner;
use crate::{founding, group::Context, transport::PeerAddress};

/// How often it is looked whether something was left undone.
const ROUND: Duration = Duration::from_secs(1);

/// Keeps links and replicas in line with the metadata.
pub(super) struct Keeper {
    pub(super) inner: Arc<Inner>,
    pub(super) context: Context,
}

impl Keeper {
    /// Runs until the node stops.
    pub(super) async fn run(self) {
        let mut changes = self.inner.members.subscribe();
        let mut remembered = Cluster::default();
        loop {
            if let Some(cluster) = self.inner.members.recorded() {
                self.link(&cluster);
                if remembered.members != cluster.members && self.remember(&cluster).await {
                    remembered = cluster;
                }
                self.groups().await;
                self.say_where().await;
            }
            // The sender is as old as the node: it is not dropped.
            tokio::time::timeout(ROUND, changes.changed()).await.ok();
        }
    }

    fn link(&self, cluster: &Cluster) {
        let inner = &self.inner;
        // Two members with one name have one address, and only the newer one answers there.
        let others = cluster.members.values().filter(|member| member.node != inner.identity.node);
        let addresses = others.map(|member| PeerAddress {
            node: member.node,
            address: inner.config.address_of(&member.name.to_string(), &member.address),
        });
        inner.peers.set(&addresses.collect::<Vec<_>>());
    }

    /// Writes the members down for the next start.
    async fn remember(&self, cluster: &Cluster) -> bool {
        let (store, cluster) = (Arc::clone(&self.context.store), cluster.clone());
        let written = tokio::task::spawn_blocking(move || founding::remember(&store, &cluster)).await;
        match written {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "members could not be written down");
                false
            }
            Err(_) => false,
        }
    }

    /// Opens and closes replicas, so that this node has those that are placed here.
    async fn groups(&self) {
        let inner = &self.inner;
        let alone = BTreeSet::from([inner.identity.node]);
        for group in (1..=inner.identity.shards).map(GroupId) {
            let replica = inner.shards.read().get(&group).cloned();
            let open = replica.is_some();
            // Nobody else has it, whatever the metadata of other days says: a lost majority was given up.
            let is_alone = || replica.and_then(|replica| replica.stable_voters()) == Some(alone.clone());
            match inner.members.concerns(group) {
                true if !open => {
                    tracing::info!(group_id = %group, "a replica of the group begins on this node");
                    if let Err(error) = inner.open_shard(&self.context, group, None).await {
                        tracing::error!(group_id = %group, %error, "group could not be opened");
                    }
                }
                false if open && !is_alone() => {
                    inner.routes.batchers.write().remove(&group);
                    let closing = inner.shards.write().remove(&group);
                    if let Some(closing) = closing {
                        closing.close().await;
                    }
                }
                true | false => {}
            }
        }
    }

    /// Tells the cluster where this node is, when it has moved.
    async fn say_where(&self) {
        let inner = &self.inner;
        let (Some(own), Some(address)) = (inner.members.get(inner.identity.node), inner.config.own_address()) else {
            return;
        };
        if own.address == address {
            return;
        }
        let (name, uuid) = (own.name, inner.identity.uuid.clone());
        let moved = Admission { name, uuid, address, replaces: None };
        // Unanswered, it is told again.
        inner.meta.propose(&Command::Cluster(ClusterCommand::Admit(moved))).await.ok();
    }
}
