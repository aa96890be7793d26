//! A group's leader brings its voters to where metadata wants them: newcomers learn first, then the voters change in one joint step.
//!
//! One change at a time, and none without a live majority of the voters before and after it. Whoever leads next goes on from what
//! is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use openraft::{ChangeMembers, ReadPolicy, async_runtime::WatchReceiver, impls::EmptyNode};
use types::NodeId;

use crate::{group::Group, liveness::Liveness, machine::Machine};

/// Entries that a newcomer may be behind when it gets a vote: it catches up with the rest while the others confirm.
const CAUGHT_UP_LAG_MAX: u64 = 64;
/// How long one change may take before it is looked at again.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a group stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It is there, and nothing is under way.
    Settled,
    /// It is on its way.
    UnderWay,
    /// This node is to give up its vote; another should lead first.
    LeadElsewhere,
}

/// A membership as far as it matters here.
struct Now {
    voters: BTreeSet<NodeId>,
    learners: BTreeSet<NodeId>,
    is_joint: bool,
    is_committed: bool,
    /// Where in the log it is.
    index: u64,
}

impl<M: Machine> Group<M> {
    /// Takes the next step towards these voters and learners. Called on the leader.
    pub(crate) async fn reconfigure(
        &self,
        node: NodeId,
        wanted: &BTreeSet<NodeId>,
        learners: &BTreeSet<NodeId>,
        liveness: &Liveness,
    ) -> Progress {
        let now = self.membership();
        if !now.is_committed {
            return Progress::UnderWay;
        }
        if !now.is_joint && now.voters == *wanted {
            return self.change_learners(&now, learners, liveness).await;
        }
        let is_up = |other: &NodeId| *other == node || liveness.is_up(*other);
        let newcomers: BTreeSet<NodeId> = wanted.difference(&now.voters).copied().collect();
        if let Some(newcomer) = newcomers.iter().find(|newcomer| !now.learners.contains(newcomer)) {
            if is_up(newcomer) {
                let add = ChangeMembers::AddNodes(BTreeMap::from([(newcomer.0, EmptyNode {})]));
                self.change(add, true, "a replica begins to learn").await;
            }
            return Progress::UnderWay;
        }
        let has_majority = |voters: &BTreeSet<NodeId>| 2 * voters.iter().filter(|v| is_up(v)).count() > voters.len();
        let is_safe = has_majority(&now.voters) && has_majority(wanted) && newcomers.iter().all(is_up);
        if !is_safe || !newcomers.iter().all(|newcomer| self.is_caught_up(*newcomer)) {
            return Progress::UnderWay;
        }
        let stays = wanted.iter().any(|other| *other != node && now.voters.contains(other) && is_up(other));
        if !wanted.contains(&node) && stays && !now.is_joint {
            return Progress::LeadElsewhere;
        }
        let voters = wanted.iter().map(|voter| voter.0).collect();
        // Who loses its vote learns on when it is meant to.
        let retain = now.voters.difference(wanted).any(|leaver| learners.contains(leaver));
        self.change(ChangeMembers::ReplaceAllVoters(voters), retain, "voters change").await;
        Progress::UnderWay
    }

    async fn change_learners(&self, now: &Now, learners: &BTreeSet<NodeId>, liveness: &Liveness) -> Progress {
        let surplus: BTreeSet<u64> = now.learners.difference(learners).map(|learner| learner.0).collect();
        if !surplus.is_empty() {
            self.change(ChangeMembers::RemoveNodes(surplus), false, "replicas end").await;
            return Progress::UnderWay;
        }
        let is_missing = |learner: &NodeId| !now.voters.contains(learner) && !now.learners.contains(learner);
        let missing = learners.iter().find(|learner| is_missing(learner) && liveness.is_up(**learner));
        if let Some(learner) = missing {
            let add = ChangeMembers::AddNodes(BTreeMap::from([(learner.0, EmptyNode {})]));
            self.change(add, true, "a node begins to learn").await;
            return Progress::UnderWay;
        }
        Progress::Settled
    }

    /// The group's voters and where in the log they are named, when no change of them is under way.
    pub(crate) fn stable(&self) -> Option<(BTreeSet<NodeId>, u64)> {
        let now = self.membership();
        (now.is_committed && !now.is_joint).then_some((now.voters, now.index))
    }

    /// Whether a node has a vote in the last membership of this replica's log, committed or not, and is not about to lose it; and
    /// nobody was told of a membership that comes after it, whose place in the log is `told_at`.
    pub(crate) fn is_plain_voter(&self, node: NodeId, told_at: u64) -> bool {
        let now = self.membership();
        !now.is_joint && now.voters.contains(&node) && now.index >= told_at
    }

    /// Whether this replica is all of the group.
    pub(crate) fn is_alone(&self, node: NodeId) -> bool {
        let now = self.membership();
        !now.is_joint && now.voters == BTreeSet::from([node])
    }

    /// Whether a majority follows this node still.
    pub(crate) async fn still_leads(&self, timeout: Duration) -> bool {
        let confirmed = self.raft.ensure_linearizable(ReadPolicy::ReadIndex);
        matches!(tokio::time::timeout(timeout, confirmed).await, Ok(Ok(_)))
    }

    fn membership(&self) -> Now {
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        let membership = now.membership_config.membership();
        Now {
            voters: membership.voter_ids().map(NodeId).collect(),
            learners: membership.learner_ids().map(NodeId).collect(),
            is_joint: membership.get_joint_config().len() > 1,
            // What is applied is committed.
            index: now.membership_config.log_id().map_or(0, |id| id.index),
            is_committed: *now.membership_config.log_id() <= now.last_applied,
        }
    }

    /// Whether a learner has all of the log but the very end.
    pub(crate) fn is_caught_up(&self, node: NodeId) -> bool {
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        let matched = now.replication.as_ref().and_then(|all| all.get(&node.0).cloned().flatten());
        matched.is_some_and(|id| id.index + CAUGHT_UP_LAG_MAX >= now.last_log_index.unwrap_or(0))
    }

    async fn change(&self, change: ChangeMembers<u64, EmptyNode>, retain: bool, what: &'static str) {
        tracing::info!(group_id = %self.id, change = ?change, "{what}");
        // When it takes too long it goes on by itself, and the next round finds out what became of it.
        match tokio::time::timeout(CHANGE_TIMEOUT, self.raft.change_membership(change, retain)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(group_id = %self.id, %error, "membership of the group was not changed"),
            Err(_) => tracing::warn!(group_id = %self.id, "membership of the group changes slowly"),
        }
    }
}
