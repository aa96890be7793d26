//! A group whose leader's process is known to be gone gets another at once, past the old one's lease.
//!
//! Raft's safety does not depend on the lease: it only keeps a slow follower from disturbing a leader that is there.

use std::time::Duration;

use openraft::{Instant as _, async_runtime::WatchReceiver, errors::Fatal, raft::TransferLeaderRequest};
use types::NodeId;

use super::Group;
use crate::{
    machine::Machine,
    raft_types::{C, Instant},
};

/// How long each waits for the one before it to take a group over: longer than that takes with disks that work.
const TURN: Duration = Duration::from_millis(100);

impl<M: Machine> Group<M> {
    /// Stands for election when it is this node's turn and nobody leads yet.
    pub(crate) async fn take_over(&self, node: NodeId, gone: NodeId, turn: usize) {
        let turns = u32::try_from(turn).unwrap_or(u32::MAX);
        tokio::time::sleep(TURN.saturating_mul(turns)).await;
        // Once it has voted for another it knows no leader: the other may win.
        if self.leader() != Some(gone) {
            return;
        }
        if self.stand(node).await && turn > 0 {
            tokio::time::sleep(TURN / 2).await;
            if self.leader().is_none() {
                // Another candidate of the same term may have been in the way, in vain itself. Or it leads by now: that a vote would be
                // given is asked first, so that nobody is disturbed.
                self.raft.trigger().elect(true).await.ok();
            }
        }
    }

    /// Returns whether it did.
    pub(super) async fn stand(&self, node: NodeId) -> bool {
        if self.health.is_stalled() || !self.keeps_promise() {
            return false;
        }
        match self.try_to_stand(node).await {
            Ok(stands) => {
                if stands {
                    tracing::info!(group_id = %self.id, "standing for election, the leader's process is gone");
                }
                stands
            }
            Err(error) => {
                tracing::debug!(group_id = %self.id, %error, "could not stand for election");
                false
            }
        }
    }

    /// openraft waits until the vote that is given here is on its disk, and knows so only of what it has written since it started. Where it
    /// has not, a vote for this node is written first, in an election that others refuse while the lease lasts.
    async fn try_to_stand(&self, node: NodeId) -> Result<bool, Fatal<C>> {
        let vote = |state: &openraft::RaftState<C>| (*state.vote_ref(), state.vote_last_modified());
        let (mut current, heard_at) = self.raft.with_raft_state(vote).await?;
        if !self.is_within_lease(heard_at) {
            return Ok(false);
        }
        let written = self.raft.metrics().borrow_watched().vote;
        if written != current {
            self.raft.trigger().elect(false).await?;
            (current, _) = self.raft.with_raft_state(vote).await?;
        }
        // The log is written before the vote for which it counts.
        Ok(self.raft.handle_transfer_leader(TransferLeaderRequest::new(current, node.0, None)).await?.is_ok())
    }

    /// Whether this replica has heard its leader lately. Who has not may have missed the next one, and would put an end to its term; after
    /// the lease, ordinary elections come as soon.
    fn is_within_lease(&self, heard_at: Option<Instant>) -> bool {
        heard_at != self.began_at && heard_at.is_some_and(|at| at.elapsed() < self.lease)
    }
}
