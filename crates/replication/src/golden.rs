//! Bytes that this version wrote, kept in files: later versions must read them, and write the same as long as the layout is the same.
//!
//! With `QUORATE_WRITE_GOLDEN` set the files are written anew.

use std::{collections::BTreeSet, fs, path::PathBuf};

use bytes::Bytes;
use openraft::EntryPayload;
use prost::Message as _;
use proto::generated::peer::{self as p, message::Kind};
use storage::LogRecord;
use types::{Blob, BlobBuilder, GroupId, RecordParts, Timestamp};

use crate::{
    batcher,
    log_codec::{self, log_id},
    raft_types::{Batch, Entry, Membership, SnapshotMeta, StoredMembership, Vote},
    transport::wire,
};

fn golden(name: &str, bytes: &[u8]) -> Bytes {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("QUORATE_WRITE_GOLDEN").is_some() {
        fs::write(&path, bytes).unwrap();
    }
    let kept = fs::read(&path).unwrap();
    assert!(kept == bytes, "what is written is not what {name} has");
    kept.into()
}

fn blob() -> Blob {
    let mut blob = BlobBuilder::default();
    for body in ["a", "bc"] {
        let parts = RecordParts {
            exchange: b"exchange",
            routing_key: b"key",
            properties: &[0x10, 0, 2],
            body: &[Bytes::from(body)],
        };
        blob.push(&parts);
    }
    blob.finish()
}

fn membership() -> Membership {
    let joint = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3, 4])];
    Membership::new_with_defaults(joint, [1, 2, 3, 4, 5])
}

fn entries() -> [(&'static str, Entry); 3] {
    let chunks = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
    let head = batcher::head(Timestamp(1_700_000_000_123), chunks.iter());
    let entry = |index, payload| Entry { log_id: log_id(7, 2, index), payload };
    [
        ("entry-blank.bin", entry(40, EntryPayload::Blank)),
        ("entry-batch.bin", entry(41, EntryPayload::Normal(Batch { head, blob: blob() }))),
        ("entry-membership.bin", entry(42, EntryPayload::Membership(membership()))),
    ]
}

#[test]
fn entries_are_written_and_read_as_ever() {
    for (name, entry) in entries() {
        let record = log_codec::record(&entry);
        let head = golden(name, &record.head);
        let read = log_codec::entry(LogRecord { head, ..record.clone() }).unwrap();
        assert_eq!(log_codec::record(&read), record);
        assert_eq!(read.log_id, entry.log_id);
        if let EntryPayload::Normal(batch) = read.payload {
            let (at, chunks) = batcher::disassemble(batch.head).unwrap();
            assert_eq!((at, chunks.len()), (Timestamp(1_700_000_000_123), 2));
        }
    }
    let kept = golden("blob.bin", blob().as_bytes());
    assert_eq!(Blob::from_bytes(kept).unwrap().slot_count(), 2);
}

#[test]
fn votes_and_descriptions_of_checkpoints_are_written_and_read_as_ever() {
    let vote = Vote::new_committed(7, 2);
    assert_eq!(log_codec::vote(golden("vote.bin", &log_codec::vote_bytes(&vote))).unwrap(), vote);
    let id = log_id(7, 2, 41);
    let kept = golden("log-id.bin", &log_codec::log_id_bytes(Some(&id)));
    assert_eq!(log_codec::log_id_from(kept).unwrap(), Some(id));
    let last_membership = StoredMembership::new(Some(log_id(3, 1, 9)), membership());
    let meta = SnapshotMeta { last_log_id: Some(id), last_membership };
    let kept = golden("snapshot-meta.bin", &log_codec::snapshot_meta_bytes(&meta));
    let read = log_codec::snapshot_meta(kept).unwrap();
    assert_eq!((read.last_log_id, read.last_membership), (meta.last_log_id, meta.last_membership));
}

fn messages() -> Vec<Kind> {
    let vote = Some(wire::vote(&Vote::new(7, 2)));
    let at = Some(p::LogId { term: 7, node: 2, index: 41 });
    let entries = entries().map(|(_, entry)| wire::entry(&entry)).to_vec();
    let cluster_id = Bytes::from_static(b"0123456789abcdef");
    vec![
        Kind::Hello(p::Hello { cluster_id, node: 2, boot: 1_700_000_000_000, version: 1, to: 3, features: 0 }),
        Kind::Append(p::AppendRequest { group: 4, stream: 5, seq: 6, vote, prev: at, commit: at, entries }),
        Kind::AppendReply(p::AppendReply { group: 4, stream: 5, seq: 6, result: 3, log_id: at, vote }),
        Kind::StreamEnd(p::StreamEnd { group: 4, stream: 5 }),
        Kind::Vote(p::VoteRequest { group: 4, seq: 6, vote, last: at, leadership_transfer: true, pre_vote: true }),
        Kind::VoteReply(p::VoteReply { seq: 6, vote, granted: true, last: at, failed: true }),
        Kind::Transfer(p::TransferRequest { group: 4, seq: 6, from: vote, to: 3, last: at }),
        Kind::TransferReply(p::TransferReply { seq: 6, result: 2, actual_vote: vote, actual_log: at }),
        Kind::Submit(p::Submit { group: 4, chunk: Bytes::from_static(b"chunk"), blob: blob().as_bytes().clone() }),
        Kind::Leader(p::Leader { group: 4, term: 7 }),
        Kind::Applied(p::Applied { index: 99 }),
        Kind::Alarms(p::Alarms { memory: true, disk: true }),
        Kind::Health(p::Health {
            clock_ms: 1_700_000_000_000,
            disk_stalled: true,
            failed_groups: Vec::new(),
            may_have_clients: false,
        }),
        Kind::Cancelled(p::Cancelled { session_serial: 1 << 50, number: 3, queue: 5, timeout_ms: 10 }),
        Kind::Health(p::Health {
            clock_ms: 1,
            disk_stalled: false,
            failed_groups: vec![1, 7],
            may_have_clients: false,
        }),
        Kind::Health(p::Health { clock_ms: 1, may_have_clients: true, ..p::Health::default() }),
    ]
}

#[test]
fn messages_between_nodes_are_written_and_read_as_ever() {
    let batch = p::Batch { messages: messages().into_iter().map(wire::message).collect() };
    let kept = golden("messages.bin", &batch.encode_to_vec());
    assert_eq!(p::Batch::decode(kept).unwrap(), batch);
    let done = || queue::Reply::Done;
    let answered = crate::client::Answered {
        boot: 9,
        seq: 3,
        result: crate::client::AnswerResult::Applied(vec![crate::Answer::Reply(done()); 2]),
    };
    let replies = wire::replies(GroupId(4), vec![answered]);
    let kept = golden("replies.bin", &replies.encode_to_vec());
    let Some(Kind::Replies(replies)) = p::Message::decode(kept).unwrap().kind else { panic!("another kind") };
    let (group, read) = wire::replies_from(replies).unwrap();
    assert_eq!((group, read.len()), (GroupId(4), 1));
}

#[test]
fn messages_and_fields_of_later_versions_are_passed_over() {
    // A field that no version has, with a value; alone in a message, it is a message of a kind that this version does not know.
    const UNKNOWN: [u8; 3] = [0xc0, 0x3e, 7];
    for message in messages().into_iter().map(wire::message) {
        let longer = [message.encode_to_vec(), UNKNOWN.to_vec()].concat();
        assert_eq!(p::Message::decode(&longer[..]).unwrap(), message);
    }
    assert_eq!(p::Message::decode(&UNKNOWN[..]).unwrap().kind, None);
}
