//! The state of this node's replicas as one number each, so that replicas can be compared from outside.

use types::GroupId;

use super::Replication;

/// What a replica has applied, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    /// The group.
    pub group: GroupId,
    /// The last log index that was applied, or one just before it while entries are being applied.
    pub applied: u64,
    /// A hash of the whole state: equal on replicas of one program version that have applied the same entries.
    pub digest: u64,
}

impl Replication {
    /// The state of all replicas that this node has. Walks all of it, which takes time in its size, on copies: groups go on
    /// meanwhile. Not to be called on the runtime's threads.
    pub fn replicas(&self) -> Vec<ReplicaState> {
        let inner = &self.0;
        let meta = inner.meta_group.get().map(|group| ReplicaState {
            group: group.id,
            applied: group.applied(),
            digest: inner.meta.read().digest(),
        });
        let shards = inner.shards.read().values().cloned().collect::<Vec<_>>();
        let shards = shards.into_iter().map(|group| {
            let applied = group.applied();
            let queues = group.machine.lock().queues().clone();
            ReplicaState { group: group.id, applied, digest: queues.digest() }
        });
        meta.into_iter().chain(shards).collect()
    }
}
