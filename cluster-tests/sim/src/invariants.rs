//! What must hold, one file for each invariant. The clients' are called by the [book](crate::oracle); Raft's are told what the
//! replicas do.

pub(crate) mod acked_never_returns;
pub(crate) mod bodies_are_there;
pub(crate) mod confirmed_is_kept;
pub(crate) mod declared_is_there;
mod election_safety;
pub(crate) mod fifo;
mod leader_completeness;
pub(crate) mod log_matching;
mod monotonic;
pub(crate) mod no_phantom;
pub(crate) mod one_holder;
pub(crate) mod redelivery_is_flagged;
mod replicas_are_equal;
mod state_machine_safety;

use replication::{EntryId, ReplicaView};
use types::GroupId;

use crate::oracle::Verdict;

/// Raft's invariants over all nodes of a run.
#[derive(Debug, Default)]
pub(crate) struct Raft {
    applied: state_machine_safety::Applied,
    digests: replicas_are_equal::Digests,
    progress: monotonic::Progress,
}

impl Raft {
    /// A node has applied an entry; `content` stands for what it says, `digest` for the state after it.
    pub(crate) fn applied(
        &mut self,
        node: usize,
        group: GroupId,
        entry: EntryId,
        content: u64,
        digest: Option<u64>,
    ) -> Verdict {
        self.progress.applied(node, group, entry)?;
        self.applied.applied(node, group, entry, content)?;
        digest.map_or(Ok(()), |digest| self.digests.at(node, group, entry.index, digest))
    }

    /// A node has taken over a state, its own checkpoint or a leader's snapshot.
    pub(crate) fn restored(&mut self, node: usize, group: GroupId, up_to: EntryId, digest: u64) -> Verdict {
        self.progress.restored(node, group, up_to);
        self.applied.covers(node, group, up_to)?;
        self.digests.at(node, group, up_to.index, digest)
    }

    /// A node leads; `first` is the first entry that it has proposed, `find` looks into its log.
    pub(crate) fn leads(
        &mut self,
        node: usize,
        group: GroupId,
        first: EntryId,
        find: impl Fn(u64) -> leader_completeness::Found,
    ) -> Verdict {
        // Others may have applied that entry, and what later leaders proposed: then it is compared with theirs, as all are.
        let Some(committed) = self.applied.last(group).filter(|committed| committed.index < first.index) else {
            return Ok(());
        };
        election_safety::check(group, first, committed)?;
        leader_completeness::check(node, group, first, committed, find)
    }

    /// How a replica looks now.
    pub(crate) fn seen(&mut self, node: usize, view: &ReplicaView) -> Verdict {
        self.progress.seen(node, view)
    }

    /// A node's process is over: what was in its memory may be lost.
    pub(crate) fn ended(&mut self, node: usize) {
        self.progress.ended(node);
    }

    /// A node has deleted its replica: the next one begins from nothing, but for what this one has promised.
    pub(crate) fn deleted(&mut self, node: usize, group: GroupId) {
        self.progress.deleted(node, group);
    }

    /// A node has a new disk, and is nobody that was there before.
    pub(crate) fn wiped(&mut self, node: usize) {
        self.progress.wiped(node);
    }

    /// How far each group is known to be applied.
    pub(crate) fn last_applied(&self, group: GroupId) -> Option<EntryId> {
        self.applied.last(group)
    }
}

pub(crate) use leader_completeness::Found;
