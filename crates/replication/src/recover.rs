//! The last resort when a majority of nodes is lost for ever: one survivor becomes a cluster of its own, with what it has.
//!
//! What was confirmed and is only on the lost disks is lost. The cluster gets another id, so that lost nodes which come back after all
//! are not taken for members: they would have a majority of the old groups among themselves, and two clusters would be one.

use std::{
    collections::BTreeSet,
    sync::{Arc, mpsc},
};

use bytes::Bytes;
use openraft::EntryPayload;
use prost::Message as _;
use proto::generated::peer::{FoundReply, FoundRequest, Members};
use sha2::{Digest, Sha256};
use storage::{Completion, GroupState, LogStore};
use types::{GroupId, NodeId};

use crate::{
    config::Founder,
    environment::Network,
    founding::{CLUSTER, MEMBERS, UUID},
    log_codec,
    promise::{Promise, PromiseError},
    raft_types::{Entry, LogId, Membership, Vote},
    transport::found_at,
};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The node that goes on alone.
    pub node: NodeId,
    /// Groups that it had a replica of, and goes on with.
    pub kept: Vec<GroupId>,
    /// Groups that it had nothing of, and begins anew: all of their messages are lost.
    pub emptied: Vec<GroupId>,
}

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The store failed.
    #[error("the data directory could not be read or written")]
    Store(#[from] storage::Error),
    /// What the store holds is damaged.
    #[error("the data directory is damaged")]
    Damaged(#[from] proto::DecodeError),
    /// There is no cluster in it.
    #[error("the data directory belongs to no cluster")]
    NoCluster,
    /// Without metadata nothing can go on.
    #[error("the data directory has no metadata: choose another survivor")]
    NoMetadata,
}

/// Members of the data directory's cluster that run, by name, and how many it has in all. `configured` are the founders.
///
/// # Errors
/// When the data directory is of no cluster, or the disk fails.
pub async fn members_up(
    store: &Arc<dyn LogStore>,
    configured: &[Founder],
    network: &dyn Network,
) -> Result<(Vec<String>, usize), RecoverError> {
    let uuid = store.read_node_value(UUID)?.ok_or(RecoverError::NoCluster)?;
    let record = store.read_node_value(CLUSTER)?.ok_or(RecoverError::NoCluster)?;
    let record = FoundReply::decode(record).map_err(|_| proto::DecodeError::new("founding record"))?;
    let known = store.read_node_value(MEMBERS)?.map(Members::decode).transpose();
    let known = known.map_err(|_| proto::DecodeError::new("members"))?.map_or(record.members, |known| known.members);
    let mut up = Vec::new();
    for member in known.iter().filter(|member| member.uuid != uuid) {
        let founder = configured.iter().find(|founder| founder.name == member.name);
        for address in founder.map(|founder| &founder.address).into_iter().chain([&member.address]) {
            let reply = found_at(network, address, FoundRequest::default()).await;
            if reply.is_some_and(|reply| reply.uuid == member.uuid && reply.cluster_id == record.cluster_id) {
                up.push(member.name.clone());
                break;
            }
        }
    }
    Ok((up, known.len()))
}

/// Makes the data of a node that is not running a cluster of that node alone.
///
/// # Errors
/// When the data directory is of no cluster or has no metadata, or the disk fails.
pub fn recover_lost_majority(store: &Arc<dyn LogStore>) -> Result<Recovered, RecoverError> {
    let uuid = store.read_node_value(UUID)?.ok_or(RecoverError::NoCluster)?;
    let record = store.read_node_value(CLUSTER)?.ok_or(RecoverError::NoCluster)?;
    let mut record = FoundReply::decode(record).map_err(|_| proto::DecodeError::new("founding record"))?;
    let own = record.members.iter().find(|member| member.uuid == uuid).ok_or(RecoverError::NoCluster)?.clone();
    let mut recovered = Recovered { node: NodeId(own.node), kept: Vec::new(), emptied: Vec::new() };
    if store.recover(GroupId::META)? == GroupState::default() {
        return Err(RecoverError::NoMetadata);
    }
    // Another cluster from the first change on: halfway through, it can only be done again.
    record.cluster_id = other_id(&record.cluster_id);
    store.write_node_value(CLUSTER, record.encode_to_vec().into())?;
    store.write_node_value(MEMBERS, Members { members: vec![own.clone()] }.encode_to_vec().into())?;
    for group in (0..=record.shards).map(GroupId) {
        let had_data = go_on_alone(store, group, own.node)?;
        if had_data { recovered.kept.push(group) } else { recovered.emptied.push(group) }
    }
    Ok(recovered)
}

fn other_id(id: &[u8]) -> Bytes {
    let mut hash = Sha256::new();
    hash.update(id);
    hash.update(b"recovered");
    hash.update(rand::random::<[u8; 16]>());
    Bytes::copy_from_slice(&hash.finalize()[..16])
}

/// Appends the membership of this node alone to the group's log; returns whether there was anything.
fn go_on_alone(store: &Arc<dyn LogStore>, group: GroupId, node: u64) -> Result<bool, RecoverError> {
    let state = store.recover(group)?;
    let vote = state.vote.clone().map(log_codec::vote).transpose()?;
    let last = last_log_id(&state)?;
    // What an earlier replica promised is over with it.
    let promise = Promise::read(store, group).map_err(|error| match error {
        PromiseError::Store(error) => RecoverError::Store(error),
        PromiseError::Damaged(error) => RecoverError::Damaged(error),
    })?;
    let promise = promise.and(vote, last);
    let term =
        promise.vote.map_or(0, |vote| vote.leader_id.term).max(promise.last.map_or(0, |id| id.leader_id.term)) + 1;
    let index = last.map_or(0, |id| id.index + 1);
    let alone = Membership::new_with_defaults(vec![BTreeSet::from([node])], [node]);
    let entry = Entry { log_id: log_codec::log_id(term, node, index), payload: EntryPayload::Membership(alone) };
    wait(|done| store.save_vote(group, log_codec::vote_bytes(&Vote::new(term, node)), done))?;
    wait(|done| store.append(group, vec![log_codec::record(&entry)], done))?;
    Ok(last.is_some())
}

/// The last of what is known of the log: an entry, a purge or a checkpoint.
fn last_log_id(state: &GroupState) -> Result<Option<LogId>, proto::DecodeError> {
    let last = state.last.as_ref().map(log_codec::record_log_id).transpose()?;
    let purged = state.last_purged.clone().map(log_codec::log_id_from).transpose()?.flatten();
    let checkpoint = state.checkpoint.clone().map(log_codec::snapshot_meta).transpose()?;
    Ok(last.max(purged).max(checkpoint.and_then(|meta| meta.last_log_id)))
}

fn wait(queue: impl FnOnce(Completion)) -> Result<(), storage::Error> {
    let (sender, done) = mpsc::sync_channel(1);
    queue(Box::new(move |result| drop(sender.send(result))));
    done.recv().map_err(|_| storage::Error::Closed)?
}
