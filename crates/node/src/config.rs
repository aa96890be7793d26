//! Settings of a node: defaults, then the TOML file, then `QUORATE_*` variables, then flags.

mod vhosts;

use std::{
    fs,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
};

use amqp_server::IpNet;
use anyhow::{Context, bail};
use auth::Mechanism;
use broker::VhostTemplates;
use management::Amount;
use metadata::QueueType;
use replication::Checkpoints;
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::{
    alarms::{Limits, MIB},
    config::vhosts::{DefaultLimitsSection, DefaultPoliciesSection},
    keys::{self, Flags},
};

/// All settings.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub node: NodeSection,
    pub listen: ListenSection,
    pub cluster: ClusterSection,
    pub storage: StorageSection,
    pub memory: MemorySection,
    pub limits: LimitsSection,
    pub proxy_protocol: ProxyProtocolSection,
    pub auth: AuthSection,
    pub defaults: DefaultsSection,
    pub definitions: DefinitionsSection,
    pub default_limits: DefaultLimitsSection,
    pub default_policies: DefaultPoliciesSection,
    pub log: LogSection,
    pub product: ProductSection,
}

/// `[node]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NodeSection {
    pub name: String,
    pub data_dir: PathBuf,
}

/// `[listen]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ListenSection {
    pub amqp: String,
    pub http: String,
    pub peer: String,
    pub connections_max: usize,
}

/// `[cluster]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClusterSection {
    pub name: String,
    /// All founding nodes; none means a cluster of this node alone.
    pub nodes: Vec<NodeEntry>,
    /// Addresses where members of a cluster may be found.
    pub seeds: Vec<String>,
    /// Where other nodes reach this one; empty: as in `nodes`, or where it listens.
    pub address: String,
    /// Shard groups of a new cluster; zero chooses by the number of cores.
    pub shards: u32,
    pub heartbeat_ms: u64,
    pub election_min_ms: u64,
    pub election_max_ms: u64,
    pub peer_grace_ms: u64,
    pub replace_after_ms: u64,
    pub heal_after_ms: u64,
}

/// One entry of `[cluster] nodes`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeEntry {
    pub name: String,
    pub peer: String,
}

/// `[storage]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StorageSection {
    /// Memory for data that is not in table files yet.
    pub memory_mb: usize,
    /// Publishers are blocked below this much free disk.
    pub disk_free_limit_mb: u64,
    /// A group's state is written down after so many entries.
    pub checkpoint_entries: u64,
    /// So many entries are kept for a follower that is behind.
    pub lag_entries_max: u64,
}

/// `[memory]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MemorySection {
    /// Publishers are blocked when the process uses more than this part of the memory that the machine, or its control group,
    /// has.
    pub high_watermark: f64,
    /// The same as a number of MiB, which then counts alone. Zero: not set.
    pub high_watermark_mb: u64,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsSection {
    pub message_bytes_max: u64,
    pub frame_max: u32,
    pub channel_max: u16,
    pub heartbeat_s: u16,
    /// Zero: no limit.
    pub connections_per_node_max: u64,
    /// Zero: no limit.
    pub channels_per_node_max: u64,
    /// Zero: no limit.
    pub consumers_per_channel_max: usize,
    /// Zero: for ever.
    pub consumer_timeout_ms: u64,
}

/// `[proxy_protocol]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProxyProtocolSection {
    /// Networks (`10.0.0.0/8`) or addresses. What connects from there must say with a PROXY header who the client is.
    pub from: Vec<String>,
}

impl ProxyProtocolSection {
    /// The networks; an address alone is a network of one.
    pub(crate) fn networks(&self) -> anyhow::Result<Vec<IpNet>> {
        let network = |text: &String| match text.parse::<IpAddr>() {
            Ok(address) => Ok(IpNet::from(address)),
            Err(_) => text.parse().with_context(|| format!("proxy_protocol.from: '{text}' is not a network")),
        };
        self.from.iter().map(network).collect()
    }
}

/// `[auth]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuthSection {
    /// The SASL mechanisms that AMQP clients are offered.
    pub mechanisms: Vec<String>,
    /// Whom clients log in as with the mechanism ANONYMOUS.
    pub anonymous_user: String,
}

impl AuthSection {
    /// What clients are offered.
    pub(crate) fn offered(&self) -> anyhow::Result<String> {
        let offered = Mechanism::offered(&self.mechanisms).context("auth.mechanisms")?;
        if offered.is_empty() {
            bail!("auth.mechanisms: without any nobody can log in");
        }
        let is_anonymous = self.mechanisms.iter().any(|name| name == Mechanism::Anonymous.as_str());
        if is_anonymous && self.anonymous_user.is_empty() {
            bail!("auth.mechanisms: ANONYMOUS needs auth.anonymous_user");
        }
        Ok(offered)
    }
}

/// `[defaults]`: what a new cluster starts with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DefaultsSection {
    pub vhost: String,
    pub user: String,
    pub password: String,
    /// Not only at the start: the type of queues whose vhost has no default. Empty: none.
    pub queue_type: String,
    /// Not only at the start: users that may log in from this machine only.
    pub loopback_users: Vec<String>,
}

/// `[definitions]`: what is imported at the start.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DefinitionsSection {
    /// Empty: none.
    pub file: PathBuf,
    pub skip_if_unchanged: bool,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogSection {
    pub filter: String,
    pub json: bool,
}

/// `[product]`: what clients are told, since some branch on it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProductSection {
    pub name: String,
    pub version: String,
}

/// Largest value of `limits.message_bytes_max`: what one message between nodes can carry, with room for the rest.
const MESSAGE_BYTES_MAX: u64 = 32 * 1024 * 1024;

impl Default for NodeSection {
    fn default() -> Self {
        NodeSection { name: "node1".to_owned(), data_dir: PathBuf::from("data") }
    }
}

impl Default for ListenSection {
    fn default() -> Self {
        ListenSection {
            amqp: "127.0.0.1:5672".to_owned(),
            http: "127.0.0.1:15672".to_owned(),
            peer: "127.0.0.1:25672".to_owned(),
            connections_max: 65_536,
        }
    }
}

impl Default for ClusterSection {
    fn default() -> Self {
        ClusterSection {
            name: "quorate".to_owned(),
            nodes: Vec::new(),
            seeds: Vec::new(),
            address: String::new(),
            shards: 0,
            heartbeat_ms: 100,
            election_min_ms: 300,
            election_max_ms: 500,
            peer_grace_ms: 10_000,
            replace_after_ms: 30_000,
            heal_after_ms: 600_000,
        }
    }
}

impl Default for StorageSection {
    fn default() -> Self {
        let Checkpoints { entries: checkpoint_entries, lag_entries_max, .. } = Checkpoints::default();
        StorageSection { memory_mb: 256, disk_free_limit_mb: 50, checkpoint_entries, lag_entries_max }
    }
}

impl Default for MemorySection {
    fn default() -> Self {
        MemorySection { high_watermark: 0.6, high_watermark_mb: 0 }
    }
}

impl MemorySection {
    /// The limit that counts.
    fn limit(&self) -> Amount {
        match self.high_watermark_mb {
            0 => Amount::OfMemory(self.high_watermark),
            mb => Amount::Bytes(mb.saturating_mul(MIB)),
        }
    }
}

impl Default for LimitsSection {
    fn default() -> Self {
        LimitsSection {
            message_bytes_max: types::limits::MESSAGE_BYTES_MAX_DEFAULT,
            frame_max: 131_072,
            channel_max: 2047,
            heartbeat_s: 60,
            connections_per_node_max: 0,
            channels_per_node_max: 0,
            consumers_per_channel_max: 0,
            consumer_timeout_ms: 0,
        }
    }
}

impl Default for AuthSection {
    fn default() -> Self {
        let mechanisms = Mechanism::USUAL.map(|mechanism| mechanism.as_str().to_owned());
        AuthSection { mechanisms: mechanisms.to_vec(), anonymous_user: String::new() }
    }
}

impl Default for DefaultsSection {
    fn default() -> Self {
        let guest = || "guest".to_owned();
        DefaultsSection {
            vhost: "/".to_owned(),
            user: guest(),
            password: guest(),
            queue_type: String::new(),
            loopback_users: vec![guest()],
        }
    }
}

impl DefaultsSection {
    /// The default queue type, if there is one.
    pub(crate) fn queue_type(&self) -> anyhow::Result<Option<QueueType>> {
        if self.queue_type.is_empty() {
            return Ok(None);
        }
        let known = QueueType::parse(self.queue_type.as_bytes());
        let known = known.with_context(|| format!("defaults.queue_type: there is no type '{}'", self.queue_type))?;
        Ok(Some(known))
    }
}

impl Default for DefinitionsSection {
    fn default() -> Self {
        DefinitionsSection { file: PathBuf::new(), skip_if_unchanged: true }
    }
}

impl Default for LogSection {
    fn default() -> Self {
        LogSection { filter: "info,openraft=error".to_owned(), json: false }
    }
}

impl Default for ProductSection {
    fn default() -> Self {
        ProductSection { name: "Quorate".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

impl Config {
    /// Reads the file, if one is named, and lays flags and variables over it.
    pub(crate) fn load(flags: &Flags) -> anyhow::Result<Self> {
        let mut table = match &flags.config {
            Some(path) => {
                let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
                // Read as a whole first, so that an error names its line.
                toml::from_str::<Config>(&text)
                    .and_then(|_| toml::from_str::<Table>(&text))
                    .with_context(|| format!("{} is not a valid configuration", path.display()))?
            }
            None => Table::new(),
        };
        let defaults = Table::try_from(Config::default()).context("the defaults are a table")?;
        keys::lay_over(&mut table, &defaults, &flags.given)?;
        let mut config: Config = table.try_into().context("flags or variables are not valid")?;
        config.fill_in();
        config.check()?;
        Ok(config)
    }

    /// What follows from other settings.
    fn fill_in(&mut self) {
        if self.cluster.nodes.is_empty() && self.cluster.seeds.is_empty() {
            self.cluster.nodes = vec![NodeEntry { name: self.node.name.clone(), peer: self.listen.peer.clone() }];
        }
        if self.cluster.shards == 0 {
            // Leaders per node as cores, between 2 and 8; the same on every node of a cluster or it does not found.
            let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 8);
            let nodes = self.cluster.nodes.len().max(1);
            self.cluster.shards = u32::try_from(cores * nodes).unwrap_or(6);
        }
    }

    /// From where on publishers are blocked.
    pub(crate) fn resource_limits(&self) -> Limits {
        let disk_free = Amount::Bytes(self.storage.disk_free_limit_mb.saturating_mul(MIB));
        Limits { disk_free, memory: self.memory.limit() }
    }

    /// What new virtual hosts start with.
    pub(crate) fn vhost_templates(&self) -> anyhow::Result<VhostTemplates> {
        vhosts::templates(&self.default_limits, &self.default_policies)
    }

    /// Where other nodes reach this one, as far as that is known.
    pub(crate) fn peer_address(&self) -> Option<String> {
        let is_everywhere =
            || self.listen.peer.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_unspecified());
        let named = self.cluster.nodes.iter().find(|node| node.name == self.node.name);
        match (&*self.cluster.address, named) {
            ("", Some(node)) => Some(node.peer.clone()),
            ("", None) if is_everywhere() => None,
            ("", None) => Some(self.listen.peer.clone()),
            (address, _) => Some(address.to_owned()),
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        self.proxy_protocol.networks()?;
        self.defaults.queue_type()?;
        self.vhost_templates()?;
        self.auth.offered()?;
        if self.limits.message_bytes_max > MESSAGE_BYTES_MAX {
            bail!("limits.message_bytes_max is at most {MESSAGE_BYTES_MAX}, larger messages do not fit between nodes");
        }
        if self.storage.checkpoint_entries == 0 {
            bail!("storage.checkpoint_entries is at least 1");
        }
        if !(self.memory.high_watermark > 0.0 && self.memory.high_watermark <= 1.0) {
            bail!("memory.high_watermark is a part of the memory: above 0, at most 1");
        }
        if self.limits.frame_max != 0 && self.limits.frame_max < 4096 {
            bail!("limits.frame_max is at least 4096, or 0 for no limit");
        }
        if self
            .defaults
            .loopback_users
            .iter()
            .chain([&self.defaults.user, &self.defaults.vhost, &self.auth.anonymous_user])
            .any(|name| name.len() > 255)
        {
            bail!("names in [defaults] and [auth] have at most 255 bytes");
        }
        for (index, node) in self.cluster.nodes.iter().enumerate() {
            if self.cluster.nodes[..index].iter().any(|other| other.name == node.name) {
                bail!("cluster.nodes names '{}' twice", node.name);
            }
        }
        Ok(())
    }
}

/// The first address that a `host:port` stands for.
pub(crate) fn resolve(what: &str, address: &str) -> anyhow::Result<SocketAddr> {
    let mut found = address.to_socket_addrs().with_context(|| format!("{what} = '{address}' is not an address"))?;
    found.next().with_context(|| format!("{what} = '{address}' stands for no address"))
}

#[cfg(test)]
mod tests {
    //! What the file, the flags and the defaults make of each other.

    use super::*;

    #[test]
    fn without_a_file_a_node_is_a_cluster_of_its_own() {
        let config = Config::load(&Flags::default()).unwrap();
        assert_eq!(config.cluster.nodes.len(), 1);
        assert_eq!(config.cluster.nodes[0].name, config.node.name);
    }

    #[test]
    fn flags_win_over_the_file() {
        let folder = std::env::temp_dir().join(format!("quorate-config-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("quorate.toml");
        fs::write(&file, "[node]\nname = \"a\"\n[listen]\namqp = \"127.0.0.1:1\"\n").unwrap();
        let flags = Flags { config: Some(file), given: vec![("node.name", "b".to_owned())] };
        let config = Config::load(&flags).unwrap();
        assert_eq!((config.node.name.as_str(), config.listen.amqp.as_str()), ("b", "127.0.0.1:1"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn networks_of_proxies_are_networks_or_addresses() {
        let section = |text: &str| ProxyProtocolSection { from: vec![text.to_owned()] };
        assert_eq!(section("10.0.0.0/8").networks().unwrap()[0].to_string(), "10.0.0.0/8");
        assert_eq!(section("::1").networks().unwrap()[0].to_string(), "::1/128");
        let error = section("proxy.example").networks().unwrap_err();
        assert!(error.to_string().contains("proxy.example"), "{error}");
    }

    #[test]
    fn mechanisms_are_those_that_there_are_and_anonymous_ones_need_a_user() {
        let section = |names: &[&str], user: &str| AuthSection {
            mechanisms: names.iter().map(|name| (*name).to_owned()).collect(),
            anonymous_user: user.to_owned(),
        };
        assert_eq!(AuthSection::default().offered().unwrap(), "PLAIN AMQPLAIN");
        assert_eq!(section(&["PLAIN", "ANONYMOUS"], "guest").offered().unwrap(), "PLAIN ANONYMOUS");
        for (names, user) in [(&["PLAIN", "ANONYMOUS"][..], ""), (&["EXTERNAL"], ""), (&[], "")] {
            assert!(section(names, user).offered().is_err(), "{names:?}");
        }
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let error = toml::from_str::<Config>("[node]\nnmae = \"a\"\n").unwrap_err();
        assert!(error.to_string().contains("nmae"), "{error}");
    }
}
