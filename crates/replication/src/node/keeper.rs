//! Follows the members and placements of the cluster: links to those who are members, replicas of the groups that are placed here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use metadata::{Admission, Cluster, ClusterCommand, Command};
use tokio::time::Instant;
use types::GroupId;

use super::Inner;
use crate::{
    blocking, founding,
    group::{Context, Group},
    shard::ShardMachine,
    transport::PeerAddress,
};

/// How often it is looked whether something was left undone.
const ROUND: Duration = Duration::from_secs(1);
/// How long a replica must have been unwanted, and not followed by any leader, before it is deleted.
const UNWANTED_FOR: Duration = Duration::from_secs(2);

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
        let mut unwanted = BTreeMap::new();
        loop {
            if let Some(cluster) = self.inner.members.recorded() {
                self.link(&cluster);
                if remembered.members != cluster.members && self.remember(&cluster).await {
                    remembered = cluster;
                }
                self.groups(&mut unwanted).await;
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
            address: inner.config.address_of(member, &inner.identity.founded),
        });
        inner.peers.set(&addresses.collect::<Vec<_>>());
    }

    /// Writes the members down for the next start.
    async fn remember(&self, cluster: &Cluster) -> bool {
        let (store, cluster) = (Arc::clone(&self.context.store), cluster.clone());
        let written = blocking::read(store.is_in_memory(), move || founding::remember(&store, &cluster)).await;
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
    async fn groups(&self, unwanted: &mut BTreeMap<GroupId, Instant>) {
        let inner = &self.inner;
        for group in (1..=inner.identity.shards).map(GroupId) {
            let replica = inner.shards.read().get(&group).cloned();
            let is_unwanted = !inner.members.concerns(group);
            let since = is_unwanted.then(|| *unwanted.entry(group).or_insert_with(Instant::now));
            if since.is_none() {
                unwanted.remove(&group);
            }
            match replica {
                None if !is_unwanted => {
                    tracing::info!(group_id = %group, "a replica of the group begins on this node");
                    if let Err(error) = inner.open_shard(&self.context, group, None).await {
                        tracing::error!(group_id = %group, %error, "group could not be opened");
                    }
                }
                Some(replica) if is_unwanted && self.is_needed(group, &replica) => {
                    unwanted.remove(&group);
                }
                Some(_) if since.is_some_and(|since| since.elapsed() >= UNWANTED_FOR) => {
                    inner.routes.batchers.write().remove(&group);
                    let closing = inner.shards.write().remove(&group);
                    if let Some(closing) = closing {
                        closing.close().await;
                    }
                }
                Some(_) | None => {}
            }
        }
    }

    /// Whether a replica that is not wanted here has a vote all the same, as far as it knows: then nothing is deleted.
    fn is_needed(&self, group: GroupId, replica: &Group<ShardMachine>) -> bool {
        let node = self.inner.identity.node;
        // Nobody else has it, whatever the metadata of other days says: a lost majority was given up.
        if replica.is_alone(node) {
            return true;
        }
        // Who was removed while it was away knows nothing of that; but who leads now does not send it anything.
        let leader_term = self.inner.client(group).known_leader_term();
        replica.is_plain_voter(node, self.inner.members.moved_at(group))
            && leader_term.is_none_or(|term| term == replica.term())
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
