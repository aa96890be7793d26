//! What a group needs from time to time while it runs: checkpoints and purges, clean-up after nodes that are gone, agreement
//! with metadata, and a leader on the node that is meant to have it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use openraft::async_runtime::WatchReceiver;
use queue::{Chunk, Command, Producer};
use telemetry::Shutdown;
use tokio::time::Instant;
use types::{Blob, NodeId, SessionId};

use crate::{
    api::Sessions,
    batcher::Submission,
    config::Timers,
    group::Group,
    liveness::{Liveness, Verdict},
    machine::Machine,
    meta::{MetaMachine, MetaState},
    reconcile::{GroupChanges, Reconcile},
    shard::ShardMachine,
    upkeep::{Checkpoints, Standing},
};

/// How often a group is looked after when nothing wakes its supervisor.
const ROUND: Duration = Duration::from_millis(250);
/// How long a leader that is not the preferred one keeps a group after it took it over.
const BALANCE_AFTER: Duration = Duration::from_secs(5);
/// Entries that the preferred node may be behind when it is given a group.
const BALANCE_LAG_MAX: u64 = 16;
/// Commands of one chunk that a leader proposes.
const COMMANDS_MAX: usize = 1000;

/// Looks after one group.
pub(crate) struct Supervisor<M: Machine> {
    pub group: Arc<Group<M>>,
    pub node: NodeId,
    pub liveness: Arc<Liveness>,
    pub timers: Timers,
    pub checkpoints: Checkpoints,
    pub shutdown: Shutdown,
    /// Who should lead when everybody is there.
    pub preferred: NodeId,
    pub boot: u64,
    pub meta: Arc<MetaState>,
    /// Queues of the group whose settings have changed.
    pub changes: Arc<GroupChanges>,
    pub sessions: Arc<dyn Sessions>,
    pub duty: Duty,
}

/// What was done when.
#[derive(Debug)]
pub(crate) struct Duty {
    checkpoint_at: Instant,
    checkpoint_index: u64,
    purge_at: Instant,
    leading_since: Option<Instant>,
    /// The term in which this node led in the last round.
    term: Option<u64>,
    reconcile: Reconcile,
}

impl Default for Duty {
    fn default() -> Self {
        Duty {
            checkpoint_at: Instant::now(),
            checkpoint_index: 0,
            purge_at: Instant::now(),
            leading_since: None,
            term: None,
            reconcile: Reconcile::default(),
        }
    }
}

/// What only one kind of group needs.
pub(crate) trait Chores {
    /// Called each round while this node leads.
    fn lead(&mut self) -> impl Future<Output = ()> + Send;
}

impl<M: Machine> Supervisor<M>
where
    Self: Chores + Send,
{
    /// Runs until the node stops.
    pub(crate) async fn run(mut self) {
        self.duty.checkpoint_index = self.snapshot_index();
        loop {
            tokio::select! {
                () = tokio::time::sleep(ROUND) => {}
                () = self.liveness.changed() => {}
                () = self.changes.changed() => {}
                () = self.shutdown.triggered() => return,
            }
            self.checkpoint().await;
            let term = self.group.batcher.leading();
            if term != self.duty.term || !self.group.is_leader() {
                // Whoever led in between may have left something undone; and what changes now is seen at the start of a term.
                self.duty.term = term;
                self.duty.reconcile = Reconcile::default();
                self.changes.clear();
            }
            if self.group.is_leader() {
                self.duty.leading_since.get_or_insert_with(Instant::now);
                self.lead().await;
                self.balance().await;
            } else {
                self.duty.leading_since = None;
            }
        }
    }

    fn snapshot_index(&self) -> u64 {
        self.group.raft.metrics().borrow_watched().snapshot.map_or(0, |id| id.index)
    }

    /// Takes a checkpoint when one is due, and lets go of the log below the last one.
    async fn checkpoint(&mut self) {
        let at = self.standing();
        let (is_due, up_to) = {
            let size = self.group.log.size();
            let is_due = self.checkpoints.is_checkpoint_due(&at, size.after(at.checkpoint));
            (is_due, self.checkpoints.purge(&at, |index| size.after(index), |bytes| size.heads_within(bytes)))
        };
        if is_due && self.group.raft.trigger().snapshot().await.is_ok() {
            self.duty.checkpoint_index = at.applied;
            self.duty.checkpoint_at = Instant::now();
        }
        if let Some(up_to) = up_to {
            self.duty.purge_at = Instant::now();
            // A failed group says so elsewhere.
            self.group.raft.trigger().purge_log(up_to).await.ok();
        }
    }

    fn standing(&self) -> Standing {
        let metrics = self.group.raft.metrics();
        let now = metrics.borrow_watched();
        let index = |id: Option<crate::raft_types::LogId>| id.map_or(0, |id| id.index);
        let matched = now.replication.iter().flatten();
        Standing {
            applied: index(now.last_applied),
            checkpoint: self.duty.checkpoint_index,
            snapshot: index(now.snapshot),
            purged: index(now.purged),
            slowest: matched.map(|(_, matched)| matched.as_ref().map_or(0, |id| id.index)).min(),
            state_bytes: self.group.log.state_bytes(),
            age: self.duty.checkpoint_at.elapsed(),
            purge_age: self.duty.purge_at.elapsed(),
        }
    }

    /// Gives the group to the node that is meant to lead it.
    async fn balance(&mut self) {
        let settled = self.duty.leading_since.is_some_and(|since| since.elapsed() > BALANCE_AFTER);
        let is_fit = self.liveness.is_up(self.preferred) && !self.group.health.is_peer_stalled(self.preferred);
        if self.preferred == self.node || !settled || !is_fit {
            return;
        }
        let caught_up = {
            let metrics = self.group.raft.metrics();
            let now = metrics.borrow_watched();
            let matched = now.replication.as_ref().and_then(|all| all.get(&self.preferred.0).cloned().flatten());
            matched.map_or(0, |id| id.index) + BALANCE_LAG_MAX >= now.last_log_index.unwrap_or(0)
        };
        if caught_up && self.group.raft.trigger().transfer_leader(self.preferred.0).await.is_ok() {
            tracing::info!(group_id = %self.group.id, to = %self.preferred, "leadership goes to the preferred node");
            self.duty.leading_since = Some(Instant::now());
        }
    }
}

impl Chores for Supervisor<ShardMachine> {
    async fn lead(&mut self) {
        let mut commands = self.nodes_over();
        loop {
            let round = {
                // In this order: who reads both takes metadata first.
                let meta = self.meta.read();
                let machine = self.group.machine.lock();
                self.duty.reconcile.round(self.group.id, &self.changes, &meta, machine.queues())
            };
            commands.extend(round.commands);
            if !round.ended.is_empty() {
                self.sessions.queues_ended(self.group.id, round.ended);
            }
            if !round.again {
                break;
            }
            tokio::task::yield_now().await;
        }
        for commands in commands.chunks(COMMANDS_MAX) {
            self.group.batcher.push(system_chunk(commands.to_vec()));
        }
    }
}

impl Supervisor<ShardMachine> {
    /// Nodes whose sessions here are over.
    fn nodes_over(&self) -> Vec<Command> {
        let nodes = self.group.machine.lock().queues().nodes();
        let verdict = |node| match node == self.node {
            true => Verdict::Here { boot: self.boot },
            false => self.liveness.verdict(node, self.timers.peer_grace),
        };
        nodes.into_iter().filter_map(|known| node_over(known, verdict(known.node))).collect()
    }
}

/// The command that ends the sessions of a node that are over, when there are any.
pub(crate) fn node_over(known: queue::NodePresence, verdict: Verdict) -> Option<Command> {
    match verdict {
        Verdict::Here { boot } => {
            let first_serial = crate::node::first_session_serial(boot);
            let old_boot = known.boot.is_some_and(|known| known < boot);
            // New sessions may be there beside old ones: clients come back as soon as their node does.
            let old_sessions = known.session_serial_min.is_some_and(|serial| serial < first_serial);
            (old_boot || old_sessions).then(|| Command::NodeDown {
                node: known.node,
                boot: boot.saturating_sub(1),
                sessions_up_to: first_serial.saturating_sub(1),
            })
        }
        Verdict::Gone => Some(Command::NodeDown {
            node: known.node,
            boot: known.boot.unwrap_or(0),
            sessions_up_to: known.session_serial_max.unwrap_or(0),
        }),
        Verdict::Unknown => None,
    }
}

/// The encoded chunk of a group's own commands, which no node numbers.
pub(crate) fn system_chunk(commands: Vec<Command>) -> Submission {
    let chunk = Chunk { producer: Producer::default(), seq: 0, session: SessionId::default(), commands, slots: 0 };
    Submission { chunk: proto::chunk::encode(&chunk), blob: Blob::default() }
}

impl Chores for Supervisor<MetaMachine> {
    async fn lead(&mut self) {
        self.admit_learners().await;
        self.forget_memory().await;
    }
}

impl Supervisor<MetaMachine> {
    /// Nodes that have no vote follow the metadata all the same.
    async fn admit_learners(&self) {
        let members: BTreeSet<u64> = {
            let metrics = self.group.raft.metrics();
            let now = metrics.borrow_watched();
            now.membership_config.membership().nodes().map(|(node, _)| *node).collect()
        };
        let missing = self.meta.members().find(|node| !members.contains(&node.0));
        if let Some(node) = missing
            && let Err(error) = self.group.raft.add_learner(node.0, openraft::impls::EmptyNode {}, false).await
        {
            tracing::warn!(%node, %error, "node could not be admitted to the metadata group");
        }
    }

    /// What lived in the memory of nodes that are gone, or that started anew, goes from metadata.
    async fn forget_memory(&self) {
        let members: BTreeSet<NodeId> = self.meta.members().collect();
        let homes: Vec<metadata::Home> =
            self.meta.read().local_homes().filter(|home| members.contains(&home.node)).collect();
        for home in homes {
            let last = if home.node == self.node {
                (home.boot < self.boot).then(|| self.boot.saturating_sub(1))
            } else {
                match self.liveness.verdict(home.node, self.timers.peer_grace) {
                    Verdict::Here { boot } if home.boot < boot => Some(boot.saturating_sub(1)),
                    Verdict::Gone => Some(home.boot),
                    Verdict::Here { .. } | Verdict::Unknown => None,
                }
            };
            let Some(boot) = last else { continue };
            let heir = Some(metadata::Home { node: self.node, boot: self.boot });
            let gone = metadata::NodeGone { home: metadata::Home { node: home.node, boot }, heir };
            tracing::info!(node = %home.node, "queues in the memory of a node that is gone go with it");
            let Ok(changed) = self.meta.change(&metadata::Command::NodeGone(gone)).await else { return };
            changed.spread.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_an_earlier_incarnation_are_over_though_new_ones_are_there() {
        let (boot, first) = (7, crate::node::first_session_serial(7));
        let known = |least, greatest| queue::NodePresence {
            node: NodeId(1),
            boot: Some(boot),
            session_serial_min: Some(least),
            session_serial_max: Some(greatest),
        };
        let over = |known| node_over(known, Verdict::Here { boot });
        let down = Command::NodeDown { node: NodeId(1), boot: boot - 1, sessions_up_to: first - 1 };
        assert_eq!(over(known(first - 1, first + 1)), Some(down.clone()));
        assert_eq!(over(known(first - 1, first - 1)), Some(down));
        assert_eq!(over(known(first, first + 1)), None);
    }
}
