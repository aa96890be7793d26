//! A group whose leader's process is known to be gone gets another at once, past the old one's lease.
//!
//! Raft's safety does not depend on the lease: it only keeps a slow follower from disturbing a leader that is there.

use std::time::Duration;

use openraft::{async_runtime::WatchReceiver, errors::Fatal, raft::TransferLeaderRequest};
use types::NodeId;

use super::Group;
use crate::{machine::Machine, raft_types::C};

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
        self.stand(node).await;
        if turn > 0 {
            // Whoever stood before in vain votes for nobody else in that term. This node knows of it now, and asks in the next one.
            tokio::time::sleep(TURN / 2).await;
            if self.leader().is_none() {
                self.stand(node).await;
            }
        }
    }

    pub(super) async fn stand(&self, node: NodeId) {
        if self.health.is_stalled() || !self.keeps_promise() {
            return;
        }
        tracing::info!(group_id = %self.id, "standing for election, the leader's process is gone");
        if let Err(error) = self.try_to_stand(node).await {
            tracing::debug!(group_id = %self.id, %error, "could not stand for election");
        }
    }

    /// openraft waits until the vote that is given here is on its disk, and knows so only of what it has written since it started. Where it
    /// has not, a vote for this node is written first, in an election that others refuse while the lease lasts.
    async fn try_to_stand(&self, node: NodeId) -> Result<(), Fatal<C>> {
        let vote = |state: &openraft::RaftState<C>| *state.vote_ref();
        let mut current = self.raft.with_raft_state(vote).await?;
        let written = self.raft.metrics().borrow_watched().vote;
        if written != current {
            self.raft.trigger().elect(false).await?;
            current = self.raft.with_raft_state(vote).await?;
        }
        // The log is written before the vote for which it counts.
        let answer = self.raft.handle_transfer_leader(TransferLeaderRequest::new(current, node.0, None)).await?;
        if let Err(error) = answer {
            tracing::debug!(group_id = %self.id, %error, "could not stand for election");
        }
        Ok(())
    }
}
