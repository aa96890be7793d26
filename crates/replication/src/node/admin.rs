//! The life of the cluster, for operators: who is in it, who comes, who goes, who leads.
//!
//! Everything is a proposal to the metadata; what follows from it is done by the leaders of the groups, and told by the status.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use metadata::{Admission, Cluster, ClusterCommand, ClusterRefusal, Command, MemberState, Plan, Refusal, Reply};
use proto::generated::peer::{JoinReply, JoinRequest};
use tokio::sync::watch;
use types::{GroupId, NodeId, ShortStr};

use super::{Inner, Replication};
use crate::{
    api::MetadataUnavailable,
    features::Features,
    founding::{self, members_to_wire},
    members::OwnState,
    supervisor::observe,
    transport,
};

/// How long an order waits for its effect before it says what it waits for.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A host's name has 253 characters, a port five.
const ADDRESS_BYTES_MAX: usize = 253 + 1 + 5;
/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

/// The state of a group as this node sees it.
#[derive(Clone, Debug)]
pub struct GroupStatus {
    /// The group.
    pub group: GroupId,
    /// Its leader, when one is known.
    pub leader: Option<NodeId>,
    /// Its voters.
    pub members: Vec<NodeId>,
    /// The voters that it is to have.
    pub wanted: Vec<NodeId>,
}

/// The state of a member as this node sees it.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// Its id.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Where other nodes reach it.
    pub address: String,
    /// What it is up to.
    pub state: MemberState,
    /// Whether it is there.
    pub live: bool,
    /// The groups of which it has a replica, the metadata group among them.
    pub replicas: usize,
    /// The groups that it leads.
    pub leads: Vec<GroupId>,
}

/// All members and groups, and what is under way.
#[derive(Clone, Debug)]
pub struct ClusterStatus {
    /// All members.
    pub nodes: Vec<NodeStatus>,
    /// All groups; the first is the metadata group.
    pub groups: Vec<GroupStatus>,
    /// What is under way or cannot go on.
    pub waiting: Option<String>,
}

/// Why an order to the cluster was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// No majority answered.
    #[error(transparent)]
    Unavailable(#[from] MetadataUnavailable),
    /// There is no such node.
    #[error("the cluster has no node '{0}'")]
    NoSuchNode(String),
    /// It is there.
    #[error("node '{0}' is up: stop it, or let it leave with decommission")]
    IsUp(String),
    /// The cluster cannot change in that way.
    #[error("{0}")]
    Refused(String),
}

/// All groups, all members.
impl Replication {
    /// All groups, as this node sees them.
    pub fn status(&self) -> Vec<GroupStatus> {
        let placements = self.0.members.cluster().placements;
        let nodes = |nodes: BTreeSet<NodeId>| nodes.into_iter().collect();
        let status = placements.into_iter().map(|(group, placement)| GroupStatus {
            group,
            leader: self.leader(group),
            members: nodes(placement.voters),
            wanted: nodes(placement.wanted),
        });
        status.collect()
    }

    /// All members and groups, and what is under way.
    pub fn cluster_status(&self) -> ClusterStatus {
        let inner = &self.0;
        let (cluster, groups) = (inner.members.cluster(), self.status());
        let node = |member: &metadata::Member| NodeStatus {
            node: member.node,
            name: member.name.to_string(),
            address: inner.config.address_of(member, &inner.identity.founded),
            state: member.state,
            live: member.node == inner.identity.node || inner.liveness.is_up(member.node),
            replicas: groups.iter().filter(|group| group.members.contains(&member.node)).count(),
            leads: groups.iter().filter(|g| g.leader == Some(member.node)).map(|group| group.group).collect(),
        };
        ClusterStatus { nodes: cluster.members.values().map(node).collect(), waiting: inner.waiting(), groups }
    }

    /// What this node is to the cluster.
    pub fn own_state(&self) -> OwnState {
        if self.0.expelled.load(Ordering::Relaxed) { OwnState::Gone } else { self.0.members.own_state() }
    }

    /// Tells when [`Replication::own_state`] may have changed.
    pub fn own_state_changes(&self) -> watch::Receiver<u64> {
        self.0.members.subscribe()
    }
}

/// Orders. Each answers with what was done, or what it waits for.
impl Replication {
    /// A member's replicas go to others, then it leaves.
    ///
    /// # Errors
    /// When groups would have too few replicas and that is not forced, or no majority answers.
    pub async fn decommission(&self, name: &str, force: bool) -> Result<String, ClusterError> {
        let node = self.0.named(name).await?;
        self.0.set_state(node, MemberState::Leaving, force).await?;
        self.0.until(|inner| inner.members.is_gone(node)).await;
        Ok(self.0.outcome(name, node, "has left the cluster", "leaves the cluster"))
    }

    /// A member that is down for ever goes; its replicas are made elsewhere as far as there is a place.
    ///
    /// # Errors
    /// When it is up, or no majority answers.
    pub async fn forget(&self, name: &str) -> Result<String, ClusterError> {
        let node = self.0.named(name).await?;
        if node == self.0.identity.node || self.0.liveness.is_up(node) {
            return Err(ClusterError::IsUp(name.to_owned()));
        }
        // A link that is down for a moment is no dead node.
        if let Some(seconds) = self.0.silence_lacking(node) {
            return Err(ClusterError::Refused(format!(
                "node '{name}' was heard from a moment ago; it may be forgotten when it has been silent for {seconds} s more"
            )));
        }
        self.0.set_state(node, MemberState::Leaving, true).await?;
        self.0.until(|inner| inner.members.is_gone(node)).await;
        Ok(self.0.outcome(name, node, "is forgotten", "is about to be forgotten"))
    }

    /// A member gives up what it leads and its clients, and gets no others.
    ///
    /// # Errors
    /// When it is no full member, or no majority answers.
    pub async fn drain(&self, name: &str) -> Result<String, ClusterError> {
        let node = self.0.named(name).await?;
        self.0.set_state(node, MemberState::Draining, false).await?;
        let leads = || self.status().into_iter().filter(|group| group.leader == Some(node)).count();
        self.0.until(|_| leads() == 0).await;
        Ok(match leads() {
            0 => format!("node {name} is drained: it leads nothing and takes no clients"),
            count => format!("node {name} takes no clients; waiting for others to lead {count} groups that it leads"),
        })
    }

    /// A member that was drained, or was about to leave, serves again.
    ///
    /// # Errors
    /// When no majority answers.
    pub async fn undrain(&self, name: &str) -> Result<String, ClusterError> {
        let node = self.0.named(name).await?;
        if self.0.members.is_joining(node) {
            return Err(ClusterError::Refused(ClusterRefusal::Joining.to_string()));
        }
        self.0.set_state(node, MemberState::Up, false).await?;
        Ok(format!("node {name} serves again; it gets its share of leaders within seconds"))
    }

    /// A node is to lead a group, until the next [`Replication::rebalance`].
    ///
    /// # Errors
    /// When it has no replica of the group, or no majority answers.
    pub async fn transfer_leader(&self, group: GroupId, name: &str) -> Result<String, ClusterError> {
        let node = self.0.named(name).await?;
        self.0.change(ClusterCommand::Prefer { group, leader: Some(node) }).await?;
        self.0.until(|_| self.leader(group) == Some(node)).await;
        Ok(match self.leader(group) {
            Some(leader) if leader == node => format!("node {name} leads group {group}"),
            _ => format!("waiting for node {name} to be up and to have all of the log of group {group}"),
        })
    }

    /// Leaders go back to where every node has its share. Replicas do so by themselves.
    ///
    /// # Errors
    /// When no majority answers.
    pub async fn rebalance(&self) -> Result<String, ClusterError> {
        self.0.record().await?;
        let pinned = self.0.members.cluster().placements.into_iter().filter(|(_, p)| p.leader.is_some());
        for (group, _) in pinned {
            self.0.change(ClusterCommand::Prefer { group, leader: None }).await?;
        }
        let elsewhere = || {
            let preferred = |group: GroupId| self.0.members.preferred(group);
            let status = self.status();
            let moves = status.into_iter().filter(|g| preferred(g.group).is_some_and(|p| Some(p) != g.leader));
            moves.map(|group| group.group.to_string()).collect::<Vec<_>>()
        };
        self.0.until(|inner| elsewhere().is_empty() && inner.under_way().is_none()).await;
        let waiting = self.0.under_way().map(|what| format!("; {what}")).unwrap_or_default();
        Ok(match elsewhere() {
            groups if groups.is_empty() => format!("every node leads its share{waiting}"),
            groups => format!("waiting for the leaders of groups {} to change{waiting}", groups.join(", ")),
        })
    }
}

impl Inner {
    /// What is under way, and what cannot go on.
    fn waiting(&self) -> Option<String> {
        let failed = self.health.failed_replicas(self.identity.node).into_iter().map(|(node, group)| {
            let name = self.members.get(node).map_or_else(|| node.to_string(), |member| member.name.to_string());
            format!("the replica of group {group} on {name} has failed: its log says why, start that node again")
        });
        let all: Vec<String> = self.under_way().into_iter().chain(failed).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// What the metadata leader would be about, as far as this node can see.
    fn under_way(&self) -> Option<String> {
        let cluster = self.members.recorded()?;
        let mut observed = observe(self.identity.node, &cluster, &self.liveness, &self.health, &self.config.timers);
        // Whether a newcomer has caught up only the leader knows.
        observed.caught_up.clear();
        match cluster.plan(&observed) {
            Plan::Wait(why) => Some(why),
            Plan::Do(step) => Some(in_words(&cluster, &step.command)),
            Plan::Idle => {
                let joining = |member: &&metadata::Member| member.state == MemberState::Joining;
                let member = cluster.members.values().find(joining)?;
                Some(format!("node {} joins: it catches up with the metadata", member.name))
            }
        }
    }

    fn outcome(&self, name: &str, node: NodeId, done: &str, under_way: &str) -> String {
        if self.members.is_gone(node) {
            return format!("node {name} {done}");
        }
        let waiting = self.under_way().unwrap_or_else(|| "the next step is about to be taken".to_owned());
        format!("node {name} {under_way}; waiting: {waiting}")
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool + Send + Sync) {
        let waiting = async {
            while !is_so(self) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(EFFECT_TIMEOUT, waiting).await.ok();
    }

    /// The member of that name, once members are recorded.
    async fn named(&self, name: &str) -> Result<NodeId, ClusterError> {
        self.record().await?;
        let member = self.members.cluster().by_name(name.as_bytes()).map(|member| member.node);
        member.ok_or_else(|| ClusterError::NoSuchNode(name.to_owned()))
    }

    /// Writes the founding record down in the metadata. Only now, so that a cluster in the middle of an upgrade to this version does
    /// not meet commands that not all of its nodes know.
    async fn record(&self) -> Result<(), ClusterError> {
        let is_founder = !self.identity.founded.placements.is_empty();
        if self.members.recorded().is_none() && is_founder {
            self.change(ClusterCommand::Record(self.identity.founded.clone())).await?;
        }
        Ok(())
    }

    async fn set_state(&self, node: NodeId, state: MemberState, force: bool) -> Result<(), ClusterError> {
        self.change(ClusterCommand::SetState { node, state, force }).await.map(drop)
    }

    async fn change(&self, command: ClusterCommand) -> Result<Reply, ClusterError> {
        let cluster = self.members.cluster();
        let (mut members, patience) = (cluster.members.values(), self.config.timers.replace_after);
        if let Some(old) = members.find(|member| self.liveness.is_older(member.node, Features::MEMBERS, patience)) {
            let (node, name) = (old.node, &old.name);
            return Err(ClusterError::Refused(format!(
                "node {node} ({name}) runs an older version that knows no changes of the cluster: upgrade it first"
            )));
        }
        match self.meta.propose(&Command::Cluster(command)).await? {
            Reply::Refused(refusal) => Err(ClusterError::Refused(refusal.reply_text())),
            reply => Ok(reply),
        }
    }

    /// Answers a node without a cluster that wants to be a member.
    pub(super) async fn let_in(&self, request: JoinRequest) -> JoinReply {
        let refused = |refused: String| JoinReply { refused, ..JoinReply::default() };
        if request.cluster_name != self.config.cluster_name || request.cluster_id != self.identity.cluster_id {
            return refused("another cluster".to_owned());
        }
        if request.version != transport::VERSION {
            return refused(format!("version {} is not spoken here", request.version));
        }
        if Features(request.features) < Features::MEMBERS {
            return refused("the cluster is of a newer version: upgrade this node".to_owned());
        }
        let is_address = request.address.len() <= ADDRESS_BYTES_MAX && request.address.contains(':');
        if request.uuid.len() != founding::UUID_BYTES || !is_address || ShortStr::copy_from(&request.name).is_err() {
            return refused("it does not say who and where it is".to_owned());
        }
        match self.admit(&request).await {
            Ok(node) => {
                tracing::info!(%node, name = request.name, address = request.address, "node is let in");
                let members = members_to_wire(&self.members.cluster());
                JoinReply { node: node.0, members, shards: self.identity.shards, refused: String::new() }
            }
            Err(error) => refused(error.to_string()),
        }
    }

    /// For how many seconds more nothing must be heard of a node before it is taken for gone; `None`: it is gone.
    fn silence_lacking(&self, node: NodeId) -> Option<u64> {
        let silent_for = if node == self.identity.node { Duration::ZERO } else { self.liveness.silent_for(node) };
        let lacking = self.config.timers.replace_after.checked_sub(silent_for)?;
        (!lacking.is_zero()).then(|| lacking.as_secs() + 1)
    }

    async fn admit(&self, request: &JoinRequest) -> Result<NodeId, ClusterError> {
        self.record().await?;
        let cluster = self.members.cluster();
        let is_other_disk = |member: &&metadata::Member| member.uuid != request.uuid;
        let known = cluster.by_name(request.name.as_bytes()).filter(is_other_disk).map(|member| member.node);
        if let Some(known) = known
            && let Some(wait) = self.silence_lacking(known)
        {
            return Err(ClusterError::Refused(format!(
                "the node of that name was heard from with other data; it may be replaced when it has been silent for {wait} s more"
            )));
        }
        let name = ShortStr::truncated(&request.name);
        let (uuid, address) = (request.uuid.clone(), request.address.clone());
        let admission = Admission { name: name.clone(), uuid, address, replaces: known };
        match self.change(ClusterCommand::Admit(admission)).await? {
            Reply::Admitted { node } => Ok(node),
            _ => Err(ClusterError::Refused(Refusal::Cluster(ClusterRefusal::NameTaken(name)).reply_text())),
        }
    }

    /// A peer says that this node is no member any more.
    pub(super) fn expelled(&self, peer: NodeId) {
        if !self.expelled.swap(true, Ordering::Relaxed) {
            tracing::error!(
                %peer,
                "this node was removed from the cluster or replaced; empty its data directory to let it join as a new one"
            );
            self.members.touch();
        }
    }
}

/// A step in words.
fn in_words(cluster: &Cluster, command: &ClusterCommand) -> String {
    let name = |node: &NodeId| cluster.members.get(node).map_or_else(|| node.to_string(), |m| m.name.to_string());
    match command {
        ClusterCommand::Place { group, wanted, .. } => {
            let names: Vec<String> = wanted.iter().map(name).collect();
            format!("group {group} is about to move to {}", names.join(", "))
        }
        ClusterCommand::Remove { node, .. } => format!("node {} is about to be removed", name(node)),
        ClusterCommand::SetState { node, state, .. } => {
            format!("node {} is about to be {}", name(node), state.as_str())
        }
        ClusterCommand::Record(_)
        | ClusterCommand::Admit(_)
        | ClusterCommand::Moved { .. }
        | ClusterCommand::Prefer { .. } => "members change".to_owned(),
    }
}
