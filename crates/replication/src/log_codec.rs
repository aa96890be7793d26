//! Raft's own values as bytes: log entry heads, votes, log ids, memberships. The layout is fixed by its version byte.

use std::collections::BTreeSet;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::{EntryPayload, impls::EmptyNode};
use proto::DecodeError;
use storage::LogRecord;
use types::Blob;

use crate::raft_types::{Batch, Entry, LeaderId, LogId, Membership, Payload, SnapshotMeta, StoredMembership, Vote};

/// Version of every layout in this file.
const VERSION: u8 = 1;
const BLANK: u8 = 0;
const BATCH: u8 = 1;
const MEMBERSHIP: u8 = 2;
/// version, kind, term, leader.
const HEAD_BYTES: usize = 18;
/// A membership has at most this many configurations and nodes; more is damage.
const MEMBERS_MAX: u16 = 1024;

pub(crate) fn log_id(term: u64, node: u64, index: u64) -> LogId {
    LogId::new(LeaderId { term, node_id: node }, index)
}

/// The record of an entry, as it is stored.
pub(crate) fn record(entry: &Entry) -> LogRecord {
    let (kind, payload, blob) = payload_parts(&entry.payload);
    let mut head = BytesMut::with_capacity(HEAD_BYTES + payload.len());
    head.put_u8(VERSION);
    head.put_u8(kind);
    head.put_u64_le(entry.log_id.leader_id.term);
    head.put_u64_le(entry.log_id.leader_id.node_id);
    head.put_slice(&payload);
    LogRecord { index: entry.log_id.index, head: head.freeze(), blob }
}

/// Kind, head bytes and blob bytes of a payload.
pub(crate) fn payload_parts(payload: &Payload) -> (u8, Bytes, Bytes) {
    match payload {
        EntryPayload::Blank => (BLANK, Bytes::new(), Bytes::new()),
        EntryPayload::Normal(batch) => (BATCH, batch.head.clone(), batch.blob.as_bytes().clone()),
        EntryPayload::Membership(membership) => {
            let mut bytes = BytesMut::new();
            put_membership(&mut bytes, membership);
            (MEMBERSHIP, bytes.freeze(), Bytes::new())
        }
    }
}

/// The payload of these parts.
pub(crate) fn payload(kind: u8, mut head: Bytes, blob: Bytes) -> Result<Payload, DecodeError> {
    match kind {
        BLANK => Ok(EntryPayload::Blank),
        BATCH => {
            let blob = Blob::from_bytes(blob).map_err(|_| DecodeError::new("message blob"))?;
            Ok(EntryPayload::Normal(Batch { head, blob }))
        }
        MEMBERSHIP => Ok(EntryPayload::Membership(take_membership(&mut head)?)),
        _ => Err(DecodeError::new("log entry kind")),
    }
}

/// The entry of a stored record.
pub(crate) fn entry(record: LogRecord) -> Result<Entry, DecodeError> {
    let LogRecord { index, mut head, blob } = record;
    let log_id = take_head(&mut head, index)?;
    Ok(Entry { log_id: log_id.0, payload: payload(log_id.1, head, blob)? })
}

/// The log id of a stored record.
pub(crate) fn record_log_id(record: &LogRecord) -> Result<LogId, DecodeError> {
    take_head(&mut record.head.clone(), record.index).map(|(log_id, _)| log_id)
}

fn take_head(head: &mut Bytes, index: u64) -> Result<(LogId, u8), DecodeError> {
    let damaged = DecodeError::new("log entry head");
    if head.len() < HEAD_BYTES || head.get_u8() != VERSION {
        return Err(damaged);
    }
    let kind = head.get_u8();
    let term = head.get_u64_le();
    let node = head.get_u64_le();
    Ok((log_id(term, node, index), kind))
}

pub(crate) fn vote_bytes(vote: &Vote) -> Bytes {
    let mut bytes = BytesMut::with_capacity(18);
    bytes.put_u8(VERSION);
    bytes.put_u64_le(vote.leader_id.term);
    bytes.put_u64_le(vote.leader_id.node_id);
    bytes.put_u8(u8::from(vote.committed));
    bytes.freeze()
}

pub(crate) fn vote(mut bytes: Bytes) -> Result<Vote, DecodeError> {
    if bytes.len() != 18 || bytes.get_u8() != VERSION {
        return Err(DecodeError::new("vote"));
    }
    let (term, node) = (bytes.get_u64_le(), bytes.get_u64_le());
    Ok(if bytes.get_u8() == 1 { Vote::new_committed(term, node) } else { Vote::new(term, node) })
}

pub(crate) fn log_id_bytes(id: Option<&LogId>) -> Bytes {
    let mut bytes = BytesMut::with_capacity(26);
    bytes.put_u8(VERSION);
    put_log_id(&mut bytes, id);
    bytes.freeze()
}

pub(crate) fn log_id_from(mut bytes: Bytes) -> Result<Option<LogId>, DecodeError> {
    if bytes.is_empty() || bytes.get_u8() != VERSION {
        return Err(DecodeError::new("log id"));
    }
    take_log_id(&mut bytes)
}

/// What a checkpoint or snapshot says of itself.
pub(crate) fn snapshot_meta_bytes(meta: &SnapshotMeta) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(VERSION);
    put_log_id(&mut bytes, meta.last_log_id.as_ref());
    put_log_id(&mut bytes, meta.last_membership.log_id().as_ref());
    put_membership(&mut bytes, meta.last_membership.membership());
    bytes.freeze()
}

pub(crate) fn snapshot_meta(mut bytes: Bytes) -> Result<SnapshotMeta, DecodeError> {
    if bytes.is_empty() || bytes.get_u8() != VERSION {
        return Err(DecodeError::new("snapshot meta"));
    }
    let last_log_id = take_log_id(&mut bytes)?;
    let at = take_log_id(&mut bytes)?;
    let membership = take_membership(&mut bytes)?;
    Ok(SnapshotMeta { last_log_id, last_membership: StoredMembership::new(at, membership) })
}

fn put_log_id(bytes: &mut BytesMut, id: Option<&LogId>) {
    match id {
        None => bytes.put_u8(0),
        Some(id) => {
            bytes.put_u8(1);
            bytes.put_u64_le(id.leader_id.term);
            bytes.put_u64_le(id.leader_id.node_id);
            bytes.put_u64_le(id.index);
        }
    }
}

fn take_log_id(bytes: &mut Bytes) -> Result<Option<LogId>, DecodeError> {
    let damaged = DecodeError::new("log id");
    if bytes.is_empty() {
        return Err(damaged);
    }
    if bytes.get_u8() == 0 {
        return Ok(None);
    }
    if bytes.len() < 24 {
        return Err(damaged);
    }
    Ok(Some(log_id(bytes.get_u64_le(), bytes.get_u64_le(), bytes.get_u64_le())))
}

fn put_membership(bytes: &mut BytesMut, membership: &Membership) {
    let configs = membership.get_joint_config();
    put_count(bytes, configs.len());
    for config in configs {
        put_count(bytes, config.len());
        for node in config {
            bytes.put_u64_le(*node);
        }
    }
    put_count(bytes, membership.nodes().count());
    for (node, _) in membership.nodes() {
        bytes.put_u64_le(*node);
    }
}

fn put_count(bytes: &mut BytesMut, count: usize) {
    bytes.put_u16_le(u16::try_from(count).expect("a membership has fewer than 65536 members"));
}

fn take_membership(bytes: &mut Bytes) -> Result<Membership, DecodeError> {
    let mut configs = Vec::new();
    for _ in 0..take_count(bytes)? {
        configs.push(take_nodes(bytes)?);
    }
    let nodes = take_nodes(bytes)?.into_iter().map(|node| (node, EmptyNode {}));
    Ok(Membership::new_with_defaults(configs, nodes.map(|(node, _)| node)))
}

fn take_nodes(bytes: &mut Bytes) -> Result<BTreeSet<u64>, DecodeError> {
    let count = take_count(bytes)?;
    if bytes.len() < usize::from(count) * 8 {
        return Err(DecodeError::new("membership"));
    }
    Ok((0..count).map(|_| bytes.get_u64_le()).collect())
}

fn take_count(bytes: &mut Bytes) -> Result<u16, DecodeError> {
    if bytes.len() < 2 {
        return Err(DecodeError::new("membership"));
    }
    let count = bytes.get_u16_le();
    if count > MEMBERS_MAX { Err(DecodeError::new("membership")) } else { Ok(count) }
}

#[cfg(test)]
pub(crate) mod tests;
