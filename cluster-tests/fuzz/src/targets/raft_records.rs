//! Raft's own records, as they lie on a disk or come from a peer; the first byte says which. What is accepted and written again is
//! read as the same.

use bytes::Bytes;
use replication::fuzzing;
use types::{Blob, MessageRecord};

use crate::{input::Input, memory};

/// See the module.
pub fn raft_records(data: &[u8]) {
    let mut input = Input(data);
    let kind = input.byte();
    memory::bounded(data.len(), 0, || match kind {
        0 => entry(input),
        1 => settled(input, fuzzing::batch_head),
        2 => settled(input, fuzzing::vote),
        3 => settled(input, fuzzing::log_id),
        4 => settled(input, fuzzing::snapshot_meta),
        5 => {
            let more = (u64::from(input.byte()), u64::from(input.byte()), u64::MAX - u64::from(input.byte()));
            settled(input, |bytes| fuzzing::proposals(bytes, more));
        }
        _ => blob(input),
    });
}

/// What is read is written in the one way that there is.
fn settled(input: Input<'_>, read: impl Fn(Bytes) -> Option<Bytes>) {
    let Some(once) = read(Bytes::copy_from_slice(input.0)) else { return };
    assert_eq!(read(once.clone()), Some(once));
}

fn entry(mut input: Input<'_>) {
    let head = Bytes::copy_from_slice(input.piece());
    let Some((head, blob)) = fuzzing::entry(7, head, Bytes::copy_from_slice(input.0)) else { return };
    assert_eq!(fuzzing::entry(7, head.clone(), blob.clone()), Some((head, blob)));
}

/// The records of a blob, each by its slot, and the blob twice as one.
fn blob(input: Input<'_>) {
    let Ok(blob) = Blob::from_bytes(Bytes::copy_from_slice(input.0)) else { return };
    let twice = Blob::concat(&[blob.clone(), blob.clone()]);
    assert_eq!(Blob::from_bytes(twice.as_bytes().clone()).as_ref(), Ok(&twice));
    for slot in 0..blob.slot_count() {
        let record = blob.record(slot).expect("there is such a slot");
        assert_eq!(twice.record(blob.slot_count() + slot).as_ref(), Ok(&record));
        MessageRecord::is_dead_letter(&record);
        if let Ok(message) = MessageRecord::decode(record.clone()) {
            let rest = message.properties.len() + message.body.len();
            assert_eq!(message.exchange.len() + message.routing_key.len() + rest + 6, record.len());
        }
    }
    blob.record(blob.slot_count()).expect_err("there are no more");
}
