//! Where a local cluster's files and addresses are. Clusters with different folders and port offsets do not meet.

use std::path::{Path, PathBuf};

/// How many nodes a local cluster has.
pub const NODES: usize = 3;

/// Node N listens at these ports plus N plus the cluster's offset.
const AMQP_PORT: u16 = 5671;
const HTTP_PORT: u16 = 15671;
const PEER_PORT: u16 = 25671;

/// A local cluster's folder, name and addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSpec {
    /// Everything that the cluster writes is below.
    pub folder: PathBuf,
    /// The cluster's name.
    pub name: String,
    /// Added to every port.
    pub port_offset: u16,
    /// Lines of every node's configuration file beside the usual ones.
    pub settings: String,
}

/// One node's folder, name and addresses (`host:port`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// `node1`, ...
    pub name: String,
    /// Configuration, log and data are below.
    pub folder: PathBuf,
    /// For clients.
    pub amqp: String,
    /// Health and metrics.
    pub http: String,
    /// For the other nodes.
    pub peer: String,
}

impl ClusterSpec {
    /// The cluster of `cargo xtask cluster`: the standard ports, files under `target/cluster` of the checkout.
    pub fn standard(root: &Path) -> Self {
        ClusterSpec {
            folder: root.join("target/cluster"),
            name: "local".to_owned(),
            port_offset: 0,
            settings: String::new(),
        }
    }

    /// A cluster beside it, for a task of that name.
    pub fn beside(root: &Path, name: &str, port_offset: u16) -> Self {
        let folder = root.join("target").join(name);
        ClusterSpec { folder, name: name.to_owned(), port_offset, settings: String::new() }
    }

    /// Node `number`, counted from 1.
    pub fn node(&self, number: usize) -> NodeSpec {
        let last = u16::try_from(number).expect("a local cluster has few nodes") + self.port_offset;
        let name = format!("node{number}");
        NodeSpec {
            folder: self.folder.join(&name),
            name,
            amqp: format!("127.0.0.1:{}", AMQP_PORT + last),
            http: format!("127.0.0.1:{}", HTTP_PORT + last),
            peer: format!("127.0.0.1:{}", PEER_PORT + last),
        }
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> Vec<NodeSpec> {
        (1..=NODES).map(|number| self.node(number)).collect()
    }

    /// The nodes' URIs for the default user and vhost, in order.
    pub fn uris(&self) -> Vec<String> {
        self.nodes().iter().map(|node| format!("amqp://guest:guest@{}/%2F", node.amqp)).collect()
    }

    /// Where the cluster's state is written.
    pub fn cluster_file(&self) -> PathBuf {
        self.folder.join("cluster.json")
    }

    /// The cluster's copy of the broker.
    pub fn binary(&self) -> PathBuf {
        self.folder.join("quorate")
    }

    /// The text of a node's configuration file.
    pub fn config(&self, number: usize) -> String {
        let node = self.node(number);
        let peers = self
            .nodes()
            .iter()
            .map(|n| format!("  {{ name = {:?}, peer = {:?} }},\n", n.name, n.peer))
            .collect::<String>();
        format!(
            "[node]\nname = {:?}\ndata_dir = {:?}\n\n[listen]\namqp = {:?}\nhttp = {:?}\npeer = {:?}\n\n[cluster]\nname = {:?}\nnodes = [\n{peers}]\n{}",
            node.name,
            node.data_dir().to_string_lossy(),
            node.amqp,
            node.http,
            node.peer,
            self.name,
            self.settings,
        )
    }
}

impl NodeSpec {
    /// The broker's data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The node's own copy of the broker, when it is another than the cluster's.
    pub fn own_binary(&self) -> PathBuf {
        self.folder.join("quorate")
    }

    /// The broker's configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("quorate.toml")
    }

    /// What the broker writes to its standard output and error.
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_cluster_has_the_documented_ports() {
        let node = ClusterSpec::standard(Path::new("/x")).node(3);
        assert_eq!([node.amqp, node.http, node.peer], ["127.0.0.1:5674", "127.0.0.1:15674", "127.0.0.1:25674"]);
    }

    #[test]
    fn the_configuration_names_the_node_and_all_peers() {
        let config = ClusterSpec::beside(Path::new("/x"), "bench", 1000).config(2);
        let expected = r#"[node]
name = "node2"
data_dir = "/x/target/bench/node2/data"

[listen]
amqp = "127.0.0.1:6673"
http = "127.0.0.1:16673"
peer = "127.0.0.1:26673"

[cluster]
name = "bench"
nodes = [
  { name = "node1", peer = "127.0.0.1:26672" },
  { name = "node2", peer = "127.0.0.1:26673" },
  { name = "node3", peer = "127.0.0.1:26674" },
]
"#;
        assert_eq!(config, expected);
    }
}
