//! `cluster.json`: what other programs may read about a local cluster.

use std::{fs, io::ErrorKind};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::ClusterSpec;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFile {
    /// Node 1, node 2, ...
    pub nodes: Vec<NodeEntry>,
}

/// One node. Addresses are `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// `node1`, ...
    pub name: String,
    /// Null while the node does not run.
    pub pid: Option<u32>,
    /// For clients.
    pub amqp: String,
    /// Health and metrics.
    pub http: String,
    /// For the other nodes.
    pub peer: String,
    /// Absolute.
    pub data_dir: String,
}

impl ClusterFile {
    /// A file in which no node runs.
    pub fn new(spec: &ClusterSpec) -> Self {
        let entry = |node: super::NodeSpec| NodeEntry {
            data_dir: node.data_dir().to_string_lossy().into_owned(),
            name: node.name,
            pid: None,
            amqp: node.amqp,
            http: node.http,
            peer: node.peer,
        };
        ClusterFile { nodes: spec.nodes().into_iter().map(entry).collect() }
    }

    /// Reads the cluster's file; `None` when there is none, that is when no cluster was started or it was taken down.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn read(spec: &ClusterSpec) -> Result<Option<Self>> {
        let path = spec.cluster_file();
        match fs::read(&path) {
            Ok(bytes) => {
                let file = serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?;
                Ok(Some(file))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Replaces the cluster's file; a reader sees the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, spec: &ClusterSpec) -> Result<()> {
        let path = spec.cluster_file();
        let fresh = path.with_extension("new");
        fs::write(&fresh, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", fresh.display()))?;
        fs::rename(&fresh, &path).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_is_read_where_nothing_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let spec = ClusterSpec::beside(folder.path(), "x", 0);
        fs::create_dir_all(&spec.folder).unwrap();
        assert_eq!(ClusterFile::read(&spec).unwrap(), None);
        let mut file = ClusterFile::new(&spec);
        file.nodes[1].pid = Some(7);
        file.write(&spec).unwrap();
        assert_eq!(ClusterFile::read(&spec).unwrap(), Some(file));
        fs::write(spec.cluster_file(), "{").unwrap();
        assert!(ClusterFile::read(&spec).is_err());
    }
}
