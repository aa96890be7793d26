//! What a group needs from time to time while it runs: checkpoints and purges, clean-up after nodes that are gone, agreement
//! with metadata, and a leader on the node that is meant to have it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use metadata::{ClusterCommand, Observed, Placement, Plan};
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
    health::Health,
    liveness::{Liveness, Verdict},
    machine::Machine,
    meta::{MetaMachine, MetaState},
    moves::Moves,
    reconcile::{GroupChanges, Reconcile},
    reconfigure::Progress,
    shard::ShardMachine,
    upkeep::{Checkpoints, Standing},
};

/// How often a group is looked after when nothing wakes its supervisor.
const ROUND: Duration = Duration::from_millis(250);
/// How long a leader that is not the preferred one keeps a group after it took it over.
const BALANCE_AFTER: Duration = Duration::from_secs(5);
/// Entries that the preferred node may be behind when it is given a group.
const BALANCE_LAG_MAX: u64 = 16;
/// Pause between two steps of placing replicas.
const STEP_PAUSE: Duration = Duration::from_millis(500);
/// Pause before a step that only evens the load.
const BALANCE_PAUSE: Duration = Duration::from_secs(3);
/// How long a group waits for the metadata to take its report; it has other things to do.
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);
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
    /// When the cluster was changed last.
    stepped_at: Option<Instant>,
    moves: Moves,
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
            stepped_at: None,
            moves: Moves::default(),
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
            self.look_for_failure().await;
            self.checkpoint().await;
            let term = self.group.batcher.leading();
            if term != self.duty.term || !self.group.is_leader() {
                // Whoever led in between may have left something undone; and what changes now is seen at the start of a term.
                self.duty.term = term;
                self.duty.reconcile = Reconcile::default();
                self.duty.moves = Moves::default();
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

    /// Says once that the replica has failed: nobody else may notice while there is a majority without it. It answers nothing more.
    async fn look_for_failure(&self) {
        if let Some(error) = self.group.failure()
            && self.group.health.replica_fails(self.group.id)
        {
            let group_id = self.group.id;
            tracing::error!(%group_id, %error, "this node's replica of the group has failed, it is of no use until the node is started again");
            self.group.raft.shutdown().await.ok();
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
        let members = self.meta.members();
        let is_draining = !members.may_lead(self.node);
        let is_urgent = is_draining || members.is_pinned(self.group.id);
        let settled = self.duty.leading_since.is_some_and(|since| since.elapsed() > BALANCE_AFTER);
        let preferred = members.preferred(self.group.id).filter(|node| self.is_fit(*node));
        match preferred {
            Some(node) if node != self.node && (settled || is_urgent) => self.lead_at(node).await,
            Some(_) => {}
            None if is_draining => {
                // To one that should not lead either it would go back and forth.
                let heirs = self.group.voters().into_iter().filter(|node| members.may_lead(*node)).collect();
                self.lead_elsewhere(&heirs).await;
            }
            None => {}
        }
    }

    /// Whether that node is there and could lead: a disk that hangs could not.
    fn is_fit(&self, node: NodeId) -> bool {
        self.liveness.is_up(node) && self.group.health.could_lead(node, self.group.id)
    }

    /// Gives the group to whoever of these is there and has most of the log, rather to one that should lead.
    pub(crate) async fn lead_elsewhere(&mut self, heirs: &BTreeSet<NodeId>) {
        let members = self.meta.members();
        let (matched, voters) = (self.group.matched(), self.group.voters());
        let known = matched.iter().map(|(node, matched)| (NodeId(*node), *matched));
        // A learner has no vote yet.
        let heirs = known.filter(|(node, _)| heirs.contains(node) && voters.contains(node) && self.is_fit(*node));
        if let Some((heir, _)) = heirs.max_by_key(|(node, matched)| (members.may_lead(*node), *matched)) {
            self.lead_at(heir).await;
        }
    }

    async fn lead_at(&mut self, node: NodeId) {
        let caught_up = {
            let metrics = self.group.raft.metrics();
            let now = metrics.borrow_watched();
            let matched = now.replication.as_ref().and_then(|all| all.get(&node.0).cloned().flatten());
            matched.map_or(0, |id| id.index) + BALANCE_LAG_MAX >= now.last_log_index.unwrap_or(0)
        };
        if caught_up && self.group.raft.trigger().transfer_leader(node.0).await.is_ok() {
            tracing::info!(group_id = %self.group.id, to = %node, "leadership goes to another node");
            self.duty.leading_since = Some(Instant::now());
        }
    }

    /// Brings the group's voters to where metadata wants them, and reports where they are.
    async fn reconfigure(&mut self, learners: impl Fn(&BTreeSet<NodeId>) -> BTreeSet<NodeId> + Send) {
        let placement = self.meta.members().placement(self.group.id);
        let wanted = placement.as_ref().map_or_else(|| self.group.voters(), |placement| placement.wanted.clone());
        if let Some(placement) = &placement {
            match self.group.stable() {
                // One after another: what comes next is done by somebody who has seen the last report written down.
                Some((voters, index)) if is_unreported(placement, &voters, index) => {
                    return self.report(placement.round, voters, index).await;
                }
                Some(_) | None => {}
            }
        }
        match self.group.reconfigure(self.node, &wanted, &learners(&wanted), &self.liveness).await {
            Progress::LeadElsewhere => self.lead_elsewhere(&wanted).await,
            Progress::Settled | Progress::UnderWay => {}
        }
    }

    /// Tells the metadata where the group is. What was not written down is told again in the next round.
    async fn report(&self, round: u64, voters: BTreeSet<NodeId>, index: u64) {
        // Who was replaced without knowing it must not speak for the group.
        if !self.group.still_leads(REPORT_TIMEOUT).await {
            return;
        }
        let group = self.group.id;
        tracing::info!(group_id = %group, ?voters, "the group's voters are told");
        let moved = metadata::Command::Cluster(ClusterCommand::Moved { group, voters, round, index });
        tokio::time::timeout(REPORT_TIMEOUT, self.meta.propose(&moved)).await.ok();
    }
}

/// Whether the metadata does not know yet where a group is, or keeps replicas that are wanted no more until it is told again.
fn is_unreported(placement: &Placement, voters: &BTreeSet<NodeId>, index: u64) -> bool {
    placement.moved_at < index
        || placement.voters != *voters
        || (placement.wanted == *voters && !placement.is_settled())
}

impl Chores for Supervisor<ShardMachine> {
    async fn lead(&mut self) {
        // Before metadata says otherwise, the group has no learners.
        self.reconfigure(BTreeSet::clone).await;
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
            false if self.meta.members().is_gone(node) => Verdict::Gone,
            false => self.liveness.verdict(node, self.timers.peer_grace),
        };
        nodes.into_iter().filter_map(|known| node_over(known, verdict(known.node))).collect()
    }
}

/// What this node knows of the others, but for who has caught up.
pub(crate) fn observe(
    own: NodeId,
    cluster: &metadata::Cluster,
    liveness: &Liveness,
    health: &Health,
    timers: &Timers,
) -> Observed {
    let nodes = || cluster.members.keys().copied();
    let silent_for = |node: NodeId, time: Duration| node != own && liveness.silent_for(node) >= time;
    Observed {
        live: nodes().filter(|node| *node == own || liveness.is_up(*node)).collect(),
        silent: nodes().filter(|node| silent_for(*node, timers.replace_after)).collect(),
        serving: nodes().filter(|node| liveness.is_up(*node) && health.may_have_clients(*node)).collect(),
        lost: nodes().filter(|node| !timers.heal_after.is_zero() && silent_for(*node, timers.heal_after)).collect(),
        ..Observed::default()
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
        // Nodes that have no vote follow the metadata all the same.
        let members: BTreeSet<NodeId> = self.meta.members().nodes().into_iter().collect();
        self.reconfigure(|_| members.clone()).await;
        self.forget_memory().await;
        self.place().await;
    }
}

impl Supervisor<MetaMachine> {
    /// Takes the next step about members and placements, one at a time.
    async fn place(&mut self) {
        let Some(cluster) = self.meta.members().recorded() else { return };
        let Plan::Do(step) = cluster.plan(&self.observe(&cluster)) else { return };
        let pause = if step.is_balance { BALANCE_PAUSE } else { STEP_PAUSE };
        if self.duty.stepped_at.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        self.duty.stepped_at = Some(Instant::now());
        let command = match step.command {
            ClusterCommand::Remove { node, .. } => {
                let heir = Some(metadata::Home { node: self.node, boot: self.boot });
                ClusterCommand::Remove { node, heir }
            }
            command => command,
        };
        tracing::info!(?command, "the cluster changes");
        // Unanswered, it is planned again.
        if let Ok(metadata::Reply::Refused(refusal)) = self.meta.propose(&metadata::Command::Cluster(command)).await {
            tracing::warn!(reason = refusal.reply_text(), "a change of the cluster was refused");
        }
    }

    fn observe(&mut self, cluster: &metadata::Cluster) -> Observed {
        let mut observed = observe(self.node, cluster, &self.liveness, &self.group.health, &self.timers);
        let caught_up = |node: &NodeId| *node == self.node || self.group.is_caught_up(*node);
        observed.caught_up = cluster.members.keys().copied().filter(caught_up).collect();
        self.duty.moves.look(cluster, &mut observed, Instant::now());
        observed
    }

    /// What lived in the memory of nodes that are gone, or that started anew, goes from metadata.
    async fn forget_memory(&self) {
        let members: BTreeSet<NodeId> = self.meta.members().nodes().into_iter().collect();
        let is_gone = |node| self.meta.members().is_gone(node);
        let homes: Vec<metadata::Home> = {
            let machine = self.meta.read();
            machine.local_homes().filter(|home| members.contains(&home.node) || is_gone(home.node)).collect()
        };
        for home in homes {
            let last = if home.node == self.node {
                (home.boot < self.boot).then(|| self.boot.saturating_sub(1))
            } else if is_gone(home.node) {
                // It declared something while it was being removed.
                Some(home.boot)
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
