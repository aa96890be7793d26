//! What fuzz targets reach of this crate's decoders (feature `fuzzing`): bytes in, and what they mean as bytes again. `None` is
//! what the product refuses.

use bytes::Bytes;
use proto::generated::peer::{self as p, message::Kind};
use storage::LogRecord;
use types::{Blob, NodeId};

use crate::{Answer, batcher, log_codec, proposals::Proposals, transport, transport::wire};

/// What the answers take that a peer may name by their number. Unit: bytes.
pub fn answers_bytes_max() -> usize {
    usize::try_from(wire::ANSWERS_MAX).map_or(usize::MAX, |count| count * size_of::<Answer>())
}

/// A log entry as it is stored: head and blob.
pub fn entry(index: u64, head: Bytes, blob: Bytes) -> Option<(Bytes, Bytes)> {
    let record = LogRecord { index, head, blob };
    let log_id = log_codec::record_log_id(&record);
    let entry = log_codec::entry(record).ok()?;
    assert_eq!(log_id, Ok(entry.log_id));
    let LogRecord { head, blob, .. } = log_codec::record(&entry);
    Some((head, blob))
}

/// The chunks of an entry's head, and when it was proposed.
pub fn batch_head(bytes: Bytes) -> Option<Bytes> {
    let (at, chunks) = batcher::disassemble(bytes).ok()?;
    Some(batcher::head(at, chunks.iter()))
}

/// A vote.
pub fn vote(bytes: Bytes) -> Option<Bytes> {
    Some(log_codec::vote_bytes(&log_codec::vote(bytes).ok()?))
}

/// A log id, which may be none.
pub fn log_id(bytes: Bytes) -> Option<Bytes> {
    Some(log_codec::log_id_bytes(log_codec::log_id_from(bytes).ok()?.as_ref()))
}

/// What a checkpoint says of itself.
pub fn snapshot_meta(bytes: Bytes) -> Option<Bytes> {
    Some(log_codec::snapshot_meta_bytes(&log_codec::snapshot_meta(bytes).ok()?))
}

/// Proposals that were seen, and then one more.
pub fn proposals(bytes: Bytes, more: (u64, u64, u64)) -> Option<Bytes> {
    let mut proposals = Proposals::decode(bytes).ok()?;
    let again = proposals.encode();
    let (node, boot, id) = more;
    proposals.is_first(NodeId(node), boot, id);
    assert!(!proposals.is_first(NodeId(node), boot, id), "it comes for the first time twice");
    Some(again)
}

/// A message of a peer, as far as it is decoded before a group or a session gets it.
pub fn message(kind: Kind) -> Option<p::Message> {
    let node = NodeId(1);
    let again = match kind {
        Kind::Append(append) => Kind::Append(transport::append_again(append)?),
        Kind::Vote(vote) => {
            let known = wire::vote(&wire::vote_from(vote.vote).ok()?);
            Kind::Vote(p::VoteRequest { vote: Some(known), ..vote })
        }
        Kind::Submit(submit) => {
            let blob = Blob::from_bytes(submit.blob).ok()?;
            return Some(wire::submit(types::GroupId(submit.group), submit.chunk, blob.as_bytes().clone()));
        }
        Kind::Replies(replies) => {
            let (group, answers) = wire::replies_from(replies).ok()?;
            return Some(wire::replies(group, answers));
        }
        Kind::Deliver(delivery) => return Some(wire::deliver(&wire::deliver_from(delivery, node))),
        Kind::Cancelled(cancelled) => return Some(wire::cancelled(&wire::cancelled_from(&cancelled, node))),
        other => other,
    };
    Some(wire::message(again))
}
