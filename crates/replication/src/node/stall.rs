//! A node whose disk hangs leads nothing: heartbeats do not need the disk, so nobody else would notice.

use std::time::Duration;

use super::{Inner, Replication};
use crate::{group::Group, machine::Machine};

/// How long leaderships may take to go; then it is tried again as long as the disk hangs.
const HAND_OVER: Duration = Duration::from_secs(1);

impl Replication {
    /// The disk hangs, or does so no more. Called again and again while it hangs.
    ///
    /// As long as it hangs, what this node leads and others have too goes to them. Where nobody can be given it, this node is silent
    /// until somebody stands for election. It neither stands for election itself nor is it given anything.
    pub async fn set_disk_stalled(&self, stalled: bool) {
        let inner = &self.0;
        let news = inner.health.is_stalled() != stalled;
        inner.health.set_stalled(stalled);
        if news {
            inner.health.tell(&inner.peers);
        }
        inner.be_silent(stalled);
        if stalled {
            self.hand_over(HAND_OVER).await;
        }
    }

    /// Groups that this node leads and another could lead.
    pub fn leads_for_others(&self) -> usize {
        fn counts<M: Machine>(group: &Group<M>) -> bool {
            group.raft.is_leader() && group.voters().len() > 1
        }
        let meta = self.0.meta_group.get().is_some_and(|meta| counts(meta));
        usize::from(meta) + self.0.shards.read().values().filter(|group| counts(group)).count()
    }
}

impl Inner {
    fn be_silent(&self, silent: bool) {
        if let Some(meta) = self.meta_group.get() {
            meta.be_silent(silent);
        }
        for group in self.shards.read().values() {
            group.be_silent(silent);
        }
    }
}

impl<M: Machine> Group<M> {
    /// Whether heartbeats are sent and elections held. One that is alone cannot be replaced, so it need not be silent.
    fn be_silent(&self, silent: bool) {
        let active = !silent || self.voters().len() == 1;
        self.raft.runtime_config().heartbeat(active);
        self.raft.runtime_config().elect(active);
    }
}
