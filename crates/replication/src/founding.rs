//! Founding: how nodes without data become a cluster, and how a node with data knows which one it belongs to (ADR 0010).
//!
//! Every node makes a uuid once, before it answers anybody. A cluster is founded only when a node has heard from all configured
//! founders and all name the same founding set; its id is made from their uuids, so whoever founds first, founds the same cluster.
//! A founder that lost its disk has another uuid and is refused.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::RwLock;
use prost::Message as _;
use proto::generated::peer::{FoundReply, FoundRequest, Member};
use sha2::{Digest, Sha256};
use storage::LogStore;
use types::NodeId;

use crate::{
    config::{Config, Founder},
    transport::found_at,
};

const UUID: &str = "uuid";
const CLUSTER: &str = "cluster";
/// Pause between two rounds of asking the other founders.
const ROUND: Duration = Duration::from_millis(100);
/// Rounds between two log lines that name who is missing.
const ROUNDS_PER_LINE: u32 = 50;

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The node's id in the cluster.
    pub node: NodeId,
    /// The cluster.
    pub cluster_id: Bytes,
    /// How many shard groups the cluster has.
    pub shards: u32,
    /// All members by id: name and peer address.
    pub members: BTreeMap<NodeId, Founder>,
}

/// Why a node cannot take its place in the cluster.
#[derive(Debug, thiserror::Error)]
pub enum FoundingError {
    /// The store failed.
    #[error("the node's identity could not be read or written")]
    Store(#[from] storage::Error),
    /// What the store holds is damaged.
    #[error("the node's identity in its data directory is damaged")]
    Damaged(#[from] proto::DecodeError),
    /// The configuration does not name this node.
    #[error("node '{0}' is not among the configured nodes of the cluster; add it to [cluster] nodes")]
    NotAFounder(String),
    /// The data belongs to another node.
    #[error("the data directory belongs to a node that is not '{0}'; start it with the name it was founded with")]
    OtherName(String),
    /// The cluster knows this name with another disk.
    #[error(
        "the cluster knows node '{0}' with other data: its disk was emptied or replaced; it cannot come back as the old member"
    )]
    Replaced(String),
}

/// The state that answers [`FoundRequest`]s.
#[derive(Debug)]
pub(crate) struct Founding {
    config: Config,
    uuid: Bytes,
    founders: Bytes,
    record: RwLock<Option<FoundReply>>,
}

impl Founding {
    /// Reads, or makes, the node's uuid, and reads what it knows of its cluster.
    pub(crate) fn open(config: &Config, store: &Arc<dyn LogStore>) -> Result<Self, FoundingError> {
        if !config.founders.iter().any(|founder| founder.name == config.name) {
            return Err(FoundingError::NotAFounder(config.name.clone()));
        }
        let uuid = match store.read_node_value(UUID)? {
            Some(uuid) => uuid,
            None => {
                let uuid = Bytes::copy_from_slice(&rand::random::<[u8; 16]>());
                store.write_node_value(UUID, uuid.clone())?;
                uuid
            }
        };
        let record = match store.read_node_value(CLUSTER)? {
            Some(bytes) => Some(FoundReply::decode(bytes).map_err(|_| proto::DecodeError::new("founding record"))?),
            None => None,
        };
        Ok(Founding { founders: digest(config), config: config.clone(), uuid, record: RwLock::new(record) })
    }

    /// Answers another founder.
    pub(crate) fn answer(&self, request: &FoundRequest) -> FoundReply {
        if request.cluster_name != self.config.cluster_name {
            return FoundReply::default();
        }
        let record = self.record.read();
        record.clone().unwrap_or_else(|| FoundReply {
            name: self.config.name.clone(),
            uuid: self.uuid.clone(),
            founders: self.founders.clone(),
            ..FoundReply::default()
        })
    }

    /// Waits until this node knows its cluster.
    pub(crate) async fn complete(&self, store: &Arc<dyn LogStore>) -> Result<Identity, FoundingError> {
        let known = self.record.read().clone();
        if let Some(record) = known {
            return self.identity(&record);
        }
        let mut round = 0;
        loop {
            let mut missing = Vec::new();
            if let Some(record) = self.round(&mut missing).await? {
                store.write_node_value(CLUSTER, record.encode_to_vec().into())?;
                *self.record.write() = Some(record.clone());
                let identity = self.identity(&record)?;
                tracing::info!(node = %identity.node, members = identity.members.len(), "cluster founded");
                return Ok(identity);
            }
            if round % ROUNDS_PER_LINE == ROUNDS_PER_LINE - 1 {
                tracing::warn!(missing = missing.join(", "), "waiting for the other founding nodes");
            }
            round += 1;
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Asks every other founder once; the record, when all agree or a cluster is there already.
    async fn round(&self, missing: &mut Vec<String>) -> Result<Option<FoundReply>, FoundingError> {
        let mut uuids = self.own_uuid();
        for founder in self.others() {
            let reply = found_at(&*self.config.environment.network, &founder.address, self.request()).await;
            if let Some(record) = self.hear(founder, reply, &mut uuids, missing)? {
                return Ok(Some(record));
            }
        }
        Ok(self.agreed(&uuids))
    }

    fn others(&self) -> impl Iterator<Item = &Founder> {
        self.config.founders.iter().filter(|founder| founder.name != self.config.name)
    }

    fn own_uuid(&self) -> BTreeMap<String, Bytes> {
        BTreeMap::from([(self.config.name.clone(), self.uuid.clone())])
    }

    fn request(&self) -> FoundRequest {
        FoundRequest {
            cluster_name: self.config.cluster_name.clone(),
            name: self.config.name.clone(),
            uuid: self.uuid.clone(),
            founders: self.founders.clone(),
            cluster_id: Bytes::new(),
        }
    }

    /// Takes a founder's reply; the record, when it belongs to a cluster already.
    fn hear(
        &self,
        founder: &Founder,
        reply: Option<FoundReply>,
        uuids: &mut BTreeMap<String, Bytes>,
        missing: &mut Vec<String>,
    ) -> Result<Option<FoundReply>, FoundingError> {
        match reply {
            Some(reply) if !reply.cluster_id.is_empty() => return self.adopt(reply).map(Some),
            Some(reply) if reply.founders == self.founders && reply.name == founder.name => {
                uuids.insert(reply.name, reply.uuid);
            }
            Some(reply) if reply.founders.is_empty() => missing.push(format!("{} (another cluster)", founder.name)),
            Some(_) => missing.push(format!("{} (configured with other nodes)", founder.name)),
            None => missing.push(founder.name.clone()),
        }
        Ok(None)
    }

    /// The record of a new cluster, when all founders are of one mind.
    fn agreed(&self, uuids: &BTreeMap<String, Bytes>) -> Option<FoundReply> {
        (uuids.len() == self.config.founders.len()).then(|| self.found(uuids))
    }

    fn adopt(&self, reply: FoundReply) -> Result<FoundReply, FoundingError> {
        let known = reply.members.iter().any(|member| member.name == self.config.name && member.uuid == self.uuid);
        if known { Ok(reply) } else { Err(FoundingError::Replaced(self.config.name.clone())) }
    }

    fn found(&self, uuids: &BTreeMap<String, Bytes>) -> FoundReply {
        let mut hash = Sha256::new();
        hash.update(self.config.cluster_name.as_bytes());
        hash.update(self.config.shards.to_le_bytes());
        for (name, uuid) in uuids {
            hash.update(name.as_bytes());
            hash.update(uuid);
        }
        let cluster_id = Bytes::copy_from_slice(&hash.finalize()[..16]);
        let members = (1..).zip(uuids).map(|(node, (name, uuid))| Member {
            node,
            name: name.clone(),
            uuid: uuid.clone(),
            address: self
                .config
                .founders
                .iter()
                .find(|f| f.name == *name)
                .map_or_else(String::new, |f| f.address.clone()),
        });
        FoundReply {
            name: self.config.name.clone(),
            uuid: self.uuid.clone(),
            founders: self.founders.clone(),
            cluster_id,
            members: members.collect(),
            agreed: true,
            shards: self.config.shards,
        }
    }

    fn identity(&self, record: &FoundReply) -> Result<Identity, FoundingError> {
        let own = record.members.iter().find(|member| member.uuid == self.uuid);
        let own = own.ok_or_else(|| FoundingError::Replaced(self.config.name.clone()))?;
        if own.name != self.config.name {
            return Err(FoundingError::OtherName(self.config.name.clone()));
        }
        let members = record.members.iter().map(|member| {
            // Names stay, addresses may have moved: the configuration knows best.
            let configured = self.config.founders.iter().find(|founder| founder.name == member.name);
            let address = configured.map_or(&member.address, |founder| &founder.address).clone();
            (NodeId(member.node), Founder { name: member.name.clone(), address })
        });
        Ok(Identity {
            node: NodeId(own.node),
            cluster_id: record.cluster_id.clone(),
            shards: record.shards,
            members: members.collect(),
        })
    }
}

/// What all founders must agree on.
fn digest(config: &Config) -> Bytes {
    let mut founders: Vec<&Founder> = config.founders.iter().collect();
    founders.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hash = Sha256::new();
    hash.update(config.cluster_name.as_bytes());
    hash.update(config.shards.to_le_bytes());
    for founder in founders {
        hash.update(founder.name.as_bytes());
        hash.update([0]);
        hash.update(founder.address.as_bytes());
        hash.update([0]);
    }
    Bytes::copy_from_slice(&hash.finalize())
}

#[cfg(test)]
mod tests;
