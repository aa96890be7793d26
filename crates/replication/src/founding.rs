//! Founding: how nodes without data become a cluster, and how a node with data knows which one it belongs to (ADR 0010).
//!
//! Every node makes a uuid once, before it answers anybody. A cluster is founded only when a node has heard from all configured
//! founders and all name the same founding set; its id is made from their uuids, so whoever founds first, founds the same cluster.
//!
//! A node that is no founder, or a founder that lost its disk and so has another uuid, never founds: it asks the cluster that it
//! finds to be a member.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::RwLock;
use prost::Message as _;
use proto::generated::peer::{FoundReply, FoundRequest, JoinReply, JoinRequest, Member, Members};
use sha2::{Digest, Sha256};
use storage::LogStore;
use types::{NodeId, ShortStr};

use crate::{
    config::{Config, Founder},
    features::Features,
    transport::{VERSION, found_at, join_at},
};

pub(crate) const UUID: &str = "uuid";
/// Bytes of a uuid.
pub(crate) const UUID_BYTES: usize = 16;
pub(crate) const CLUSTER: &str = "cluster";
/// The members that were known last.
pub(crate) const MEMBERS: &str = "members";
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
    /// The members that it knew last, by id: name and peer address.
    pub members: BTreeMap<NodeId, Founder>,
    /// The cluster as it was founded; of a node that joined later, only who was there.
    pub(crate) founded: metadata::Cluster,
    /// Made once in the data directory.
    pub(crate) uuid: Bytes,
}

/// What a node learns from one that answers.
#[derive(Debug)]
enum Heard {
    /// It belongs to a cluster, and so does this node.
    Record(FoundReply),
    /// It belongs to a cluster that does not know this node.
    Cluster(Bytes),
    /// It has none.
    Nothing,
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
    /// The configuration does not name this node, nor where others are.
    #[error(
        "node '{0}' is not among the configured nodes of the cluster; add it to [cluster] nodes, or give [cluster] seeds"
    )]
    NotAFounder(String),
    /// A node that others do not have in their configuration has to say where it is.
    #[error(
        "node '{0}' is not among the configured nodes of the cluster and does not say where others reach it; set [cluster] address"
    )]
    NoAddress(String),
    /// The data belongs to another node.
    #[error("the data directory belongs to a node that is not '{0}'; start it with the name it was founded with")]
    OtherName(String),
    /// The founding record is not this disk's.
    #[error("the data directory of node '{0}' is of another node")]
    OtherDisk(String),
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
        let is_founder = config.founders.iter().any(|founder| founder.name == config.name);
        if !is_founder && config.founders.is_empty() && config.seeds.is_empty() {
            return Err(FoundingError::NotAFounder(config.name.clone()));
        }
        if !is_founder && config.address.is_none() {
            return Err(FoundingError::NoAddress(config.name.clone()));
        }
        let uuid = match store.read_node_value(UUID)? {
            Some(uuid) => uuid,
            None => {
                let uuid = Bytes::copy_from_slice(&rand::random::<[u8; UUID_BYTES]>());
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
            return self.identity(&record, store);
        }
        let mut round = 0;
        loop {
            let mut missing = Vec::new();
            if let Some(record) = self.round(&mut missing).await {
                store.write_node_value(CLUSTER, record.encode_to_vec().into())?;
                *self.record.write() = Some(record.clone());
                let identity = self.identity(&record, store)?;
                let joined = record.founders.is_empty();
                tracing::info!(node = %identity.node, members = identity.members.len(), joined, "cluster found or founded");
                return Ok(identity);
            }
            if round % ROUNDS_PER_LINE == ROUNDS_PER_LINE - 1 {
                tracing::warn!(missing = missing.join(", "), "waiting for the other nodes");
            }
            round += 1;
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Asks everybody once; the record, when all founders agree or a cluster is there that lets this node in.
    async fn round(&self, missing: &mut Vec<String>) -> Option<FoundReply> {
        let mut uuids = self.own_uuid();
        let network = &*self.config.environment.network;
        let mut seeds_answered = true;
        let seeds = self.config.seeds.iter().map(|address| (None, address));
        for (founder, address) in self.others().map(|founder| (Some(founder), &founder.address)).chain(seeds) {
            let reply = found_at(network, address, self.request()).await;
            seeds_answered &= founder.is_some() || reply.is_some();
            let heard = match founder {
                Some(founder) => self.hear(founder, reply, &mut uuids, missing),
                None => self.hear_seed(address, reply, missing),
            };
            match heard {
                Heard::Record(record) => return Some(record),
                Heard::Cluster(cluster) => {
                    let reply = join_at(network, address, self.join_request(cluster.clone())).await;
                    match reply {
                        Some(reply) if reply.node != 0 => return Some(joined(cluster, reply)),
                        Some(reply) => missing.push(format!("{address} ({})", reply.refused)),
                        None => missing.push(format!("{address} (it does not let this node join)")),
                    }
                    // A cluster is there: another must not be founded.
                    seeds_answered = false;
                }
                Heard::Nothing => {}
            }
        }
        // A seed that does not answer may know a cluster.
        if seeds_answered { self.agreed(&uuids) } else { None }
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

    fn join_request(&self, cluster_id: Bytes) -> JoinRequest {
        JoinRequest {
            cluster_name: self.config.cluster_name.clone(),
            cluster_id,
            name: self.config.name.clone(),
            uuid: self.uuid.clone(),
            address: self.own_address().unwrap_or_default(),
            version: VERSION,
            features: Features::OWN.0,
        }
    }

    /// Where others reach this node.
    fn own_address(&self) -> Option<String> {
        self.config.own_address()
    }

    /// Takes a founder's reply.
    fn hear(
        &self,
        founder: &Founder,
        reply: Option<FoundReply>,
        uuids: &mut BTreeMap<String, Bytes>,
        missing: &mut Vec<String>,
    ) -> Heard {
        match reply {
            Some(reply) if !reply.cluster_id.is_empty() => return self.adopt(reply),
            Some(reply) if reply.founders == self.founders && reply.name == founder.name => {
                uuids.insert(reply.name, reply.uuid);
            }
            Some(reply) if reply.founders.is_empty() => missing.push(format!("{} (another cluster)", founder.name)),
            Some(_) => missing.push(format!("{} (configured with other nodes)", founder.name)),
            None => missing.push(founder.name.clone()),
        }
        Heard::Nothing
    }

    /// Takes the reply from a seed.
    fn hear_seed(&self, address: &str, reply: Option<FoundReply>, missing: &mut Vec<String>) -> Heard {
        match reply {
            Some(reply) if !reply.cluster_id.is_empty() => return self.adopt(reply),
            Some(reply) if reply.name.is_empty() => missing.push(format!("{address} (another cluster)")),
            // This node itself, or another that waits.
            Some(_) => {}
            None => missing.push(address.to_owned()),
        }
        Heard::Nothing
    }

    /// The record of a new cluster, when all founders are of one mind.
    fn agreed(&self, uuids: &BTreeMap<String, Bytes>) -> Option<FoundReply> {
        let is_founder = self.config.founders.iter().any(|founder| founder.name == self.config.name);
        (is_founder && uuids.len() == self.config.founders.len()).then(|| self.found(uuids))
    }

    fn adopt(&self, reply: FoundReply) -> Heard {
        let known = reply.members.iter().any(|member| member.name == self.config.name && member.uuid == self.uuid);
        if known { Heard::Record(reply) } else { Heard::Cluster(reply.cluster_id) }
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

    fn identity(&self, record: &FoundReply, store: &Arc<dyn LogStore>) -> Result<Identity, FoundingError> {
        let own = record.members.iter().find(|member| member.uuid == self.uuid);
        let own = own.ok_or_else(|| FoundingError::OtherDisk(self.config.name.clone()))?;
        if own.name != self.config.name {
            return Err(FoundingError::OtherName(self.config.name.clone()));
        }
        let latest = match store.read_node_value(MEMBERS)? {
            Some(bytes) => Members::decode(bytes).map_err(|_| proto::DecodeError::new("list of members"))?.members,
            None => record.members.clone(),
        };
        let members = latest.into_iter().map(|member| {
            let is_founder = record.members.iter().any(|founder| founder.uuid == member.uuid);
            let address = match is_founder {
                true => self.config.founder_address(&member.name, &member.address),
                false => member.address,
            };
            (NodeId(member.node), Founder { name: member.name, address })
        });
        let cluster_members = record.members.iter().map(|member| metadata::Member {
            node: NodeId(member.node),
            name: ShortStr::truncated(&member.name),
            uuid: member.uuid.clone(),
            address: self.config.founder_address(&member.name, &member.address),
            state: metadata::MemberState::Up,
            replaces: None,
        });
        // Who joined does not know where groups were when it did.
        let is_founder = !record.founders.is_empty();
        let mut founded = metadata::Cluster::founded(cluster_members, record.shards);
        if !is_founder {
            founded.placements.clear();
        }
        Ok(Identity {
            node: NodeId(own.node),
            cluster_id: record.cluster_id.clone(),
            shards: record.shards,
            members: members.collect(),
            founded,
            uuid: self.uuid.clone(),
        })
    }
}

/// Keeps the members that are known now, for the next start.
pub(crate) fn remember(store: &Arc<dyn LogStore>, cluster: &metadata::Cluster) -> Result<(), storage::Error> {
    store.write_node_value(MEMBERS, Members { members: members_to_wire(cluster) }.encode_to_vec().into())
}

/// All members, as they are told to a node that joins.
pub(crate) fn members_to_wire(cluster: &metadata::Cluster) -> Vec<Member> {
    let member = |member: &metadata::Member| Member {
        node: member.node.0,
        name: member.name.to_string(),
        uuid: member.uuid.clone(),
        address: member.address.clone(),
    };
    cluster.members.values().map(member).collect()
}

/// What a node keeps that was let in. It has no founding set.
fn joined(cluster_id: Bytes, reply: JoinReply) -> FoundReply {
    FoundReply { cluster_id, members: reply.members, shards: reply.shards, agreed: true, ..FoundReply::default() }
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
