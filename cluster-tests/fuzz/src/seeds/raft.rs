//! What peers say and disks hold: most of it is what earlier versions wrote, which the replication crate keeps.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use prost::Message as _;
use proto::generated::peer::{self as p, message::Kind};
use types::{BlobBuilder, RecordParts};

use super::Seed;
use crate::input::piece;

/// Files with the first byte that the target wants in front.
const RECORDS: [(u8, &str); 4] = [(2, "vote.bin"), (3, "log-id.bin"), (4, "snapshot-meta.bin"), (6, "blob.bin")];
const BATCH: u8 = 255;

pub(super) fn seeds(golden: &Path) -> Result<Vec<Seed>> {
    let read = |name: &str| fs::read(golden.join(name)).with_context(|| format!("cannot read {name}"));
    let mut seeds = Vec::new();
    for (kind, name) in RECORDS {
        seeds.push(Seed::new("raft_records", name, [&[kind][..], &read(name)?].concat()));
    }
    let blob = read("blob.bin")?;
    for name in ["entry-blank.bin", "entry-batch.bin", "entry-membership.bin"] {
        let blob = if name == "entry-batch.bin" { &blob[..] } else { &[] };
        seeds.push(Seed::new("raft_records", name, [&[0][..], &piece(&read(name)?), blob].concat()));
    }
    // Version, time, and two chunks with their lengths.
    let head = [&[1][..], &[9; 8], &[3, 0, 0, 0], b"one", &[0; 4]].concat();
    seeds.push(Seed::new("raft_records", "head", [&[1][..], &head].concat()));
    // One more proposal; version, and a node with its incarnation, floor and two numbers above.
    let proposals = [&[5, 1, 2, 3, 1][..], &word(1), &word(2), &word(9), &[2, 0, 0, 0], &word(11), &word(12)].concat();
    seeds.push(Seed::new("raft_records", "proposals", proposals));
    seeds.push(Seed::new("raft_records", "blob", [&[6][..], &blob_of_many()].concat()));
    seeds.push(Seed::new("peer_messages", "messages.bin", [&[BATCH][..], &read("messages.bin")?].concat()));
    seeds.push(Seed::new("peer_messages", "replies", [&[BATCH][..], &batch(replies())].concat()));
    seeds.push(Seed::new("peer_messages", "deliver", [&[BATCH][..], &batch(deliver())].concat()));
    seeds.push(Seed::new("peer_messages", "snapshot", [&[0][..], &snapshot()].concat()));
    Ok(seeds)
}

fn word(value: u64) -> [u8; 8] {
    value.to_le_bytes()
}

fn blob_of_many() -> Vec<u8> {
    let mut blob = BlobBuilder::default();
    for body in [&b""[..], b"one", b"two"] {
        let body = [bytes::Bytes::from_static(body)];
        let parts = RecordParts { exchange: b"x", routing_key: b"a.b", properties: &[0x10, 0, 2], body: &body };
        blob.push(&parts);
        blob.push_dead_letter(&parts);
    }
    blob.finish().as_bytes().to_vec()
}

fn batch(kind: Kind) -> Vec<u8> {
    p::Batch { messages: vec![p::Message { kind: Some(kind) }] }.encode_to_vec()
}

fn replies() -> Kind {
    use p::answer::Answer as A;
    let answers = [
        A::Done(p::Nothing {}),
        A::Deleted(3),
        A::Rejected(p::Rejected { slots: vec![0, 2, 5, 1], missing: vec![7, 1] }),
        A::Depth(p::Depth { messages: 5, consumers: 1 }),
        A::Refused(2),
        A::Got(p::Got { seq: 1, redelivered: true, delivery_count: 2, remaining: 3, record: (&b"record"[..]).into() }),
        A::Peeked(p::Peeked { records: vec![(&b"record"[..]).into()], next: Some(4) }),
    ];
    let answers = answers.map(|answer| p::Answer { answer: Some(answer) }).to_vec();
    let all = p::ChunkReply { boot: 7, seq: 1, answers, ..p::ChunkReply::default() };
    let done = p::ChunkReply { boot: 7, seq: 2, done: 5, ..p::ChunkReply::default() };
    Kind::Replies(p::Replies { group: 4, replies: vec![all, done] })
}

fn deliver() -> Kind {
    let records = vec![(&b"one"[..]).into(), (&b"two"[..]).into()];
    Kind::Deliver(p::Deliver { session_serial: 5, number: 1, queue: 7, first_seq: 9, records, marks: vec![0, 3] })
}

fn snapshot() -> Vec<u8> {
    let segments = p::SnapshotSegments { keys: vec![0, 1], values: vec![(&b"zero"[..]).into(), (&b"one"[..]).into()] };
    p::SnapshotPart { part: Some(p::snapshot_part::Part::Segments(segments)) }.encode_to_vec()
}
