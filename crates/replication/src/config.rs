//! Settings of replication.

use std::time::Duration;

use crate::{environment::Environment, upkeep::Checkpoints};

/// A node that takes part in founding the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founder {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Where it listens for peers, `host:port`.
    pub address: String,
}

/// Settings of replication.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the cluster; nodes with another name are not talked to.
    pub cluster_name: String,
    /// This node's name.
    pub name: String,
    /// All founding nodes. A node that is not among them joins the cluster of those that it finds.
    pub founders: Vec<Founder>,
    /// Other addresses (`host:port`) where members may be found.
    pub seeds: Vec<String>,
    /// Where other nodes reach this one, `host:port`. Needed by a node that is not among the founders.
    pub address: Option<String>,
    /// How many shard groups a new cluster gets. Fixed at founding.
    pub shards: u32,
    /// Raft's timers.
    pub timers: Timers,
    /// When checkpoints are due.
    pub checkpoints: Checkpoints,
    /// Where the node lives.
    pub environment: Environment,
}

impl Config {
    /// Where others reach this node, as far as it is configured.
    pub(crate) fn own_address(&self) -> Option<String> {
        let named = || self.founders.iter().find(|founder| founder.name == self.name);
        self.address.clone().or_else(|| named().map(|founder| founder.address.clone()))
    }

    /// Where to reach one of the founders: names stay, addresses may have moved, and the configuration knows best.
    pub(crate) fn founder_address(&self, name: &str, known: &str) -> String {
        let configured = self.founders.iter().find(|founder| founder.name == name);
        configured.map_or(known, |founder| founder.address.as_str()).to_owned()
    }

    /// Where to reach a member: another disk with a founder's name is where it said that it is.
    pub(crate) fn address_of(&self, member: &metadata::Member, founded: &metadata::Cluster) -> String {
        match founded.members.get(&member.node) {
            Some(founder) if founder.uuid == member.uuid => {
                self.founder_address(&member.name.to_string(), &member.address)
            }
            Some(_) | None => member.address.clone(),
        }
    }
}

/// Raft's timers. A crashed leader is replaced after its lease (`election_max`) plus a random time between `election_min` and
/// `election_max`, or at once when its process is gone.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    /// How often a leader says that it is there.
    pub heartbeat: Duration,
    /// Shortest wait of a follower before it stands for election.
    pub election_min: Duration,
    /// Longest wait, and the length of a leader's lease.
    pub election_max: Duration,
    /// A peer that cannot be reached (though its process may live) is given up, with its clients, after this time.
    pub peer_grace: Duration,
    /// A node of which nothing was heard for this time may be replaced by another disk with its name.
    pub replace_after: Duration,
    /// Replicas of a node of which nothing was heard for this time are made elsewhere, when there is a place. Zero: never.
    pub heal_after: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Timers {
            heartbeat: Duration::from_millis(100),
            election_min: Duration::from_millis(300),
            election_max: Duration::from_millis(500),
            peer_grace: Duration::from_secs(10),
            replace_after: Duration::from_secs(30),
            heal_after: Duration::from_secs(600),
        }
    }
}

impl Timers {
    /// openraft's settings of one group. Names and reasons: `docs/adr/0001-openraft.md`.
    pub(crate) fn raft(&self, cluster_name: &str) -> openraft::Config {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        openraft::Config {
            cluster_name: cluster_name.to_owned(),
            heartbeat_interval: ms(self.heartbeat),
            heartbeat_min_interval: Some(ms(self.heartbeat)),
            election_timeout_min: ms(self.election_min),
            election_timeout_max: ms(self.election_max),
            enable_pre_vote: Some(true),
            // A leader that no majority answers is silent for as long as others need to elect one (ADR 0035).
            quorum_loss_probe_interval: Some(2 * ms(self.election_max)),
            // The state machine is in memory and the committed log id is not synced: a restored leader would be unsafe.
            enable_leader_restore: Some(false),
            max_payload_entries: 64,
            max_append_entries: Some(512),
            api_batch_capacity: 256,
            api_batch_linger_ms: 0,
            // Entries are batches already: send each at once.
            broadcast_submitted_on_append: Some(true),
            // Checkpoints and purges are asked for by the group's supervisor.
            snapshot_policy: openraft::SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: u64::MAX,
            install_snapshot_timeout: 60_000,
            api_channel_size: Some(4096),
            notification_channel_size: Some(4096),
            log_stage_capacity: Some(64),
            ..openraft::Config::default()
        }
    }
}
