//! Records and blobs: what goes in comes out, and damage is noticed.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::{Blob, BlobBuilder, BlobError, MessageRecord, RecordParts};

/// Exchange, routing key, properties, body in pieces.
type Parts = (Vec<u8>, Vec<u8>, Vec<u8>, Vec<Vec<u8>>);

fn build(messages: &[Parts]) -> Blob {
    let mut builder = BlobBuilder::default();
    for (exchange, key, properties, body) in messages {
        let pieces: Vec<Bytes> = body.iter().cloned().map(Bytes::from).collect();
        builder.push(&RecordParts { exchange, routing_key: key, properties, body: &pieces });
    }
    builder.finish()
}

fn messages() -> impl Strategy<Value = Vec<Parts>> {
    let name = || vec(any::<u8>(), 0..20);
    vec((name(), name(), name(), vec(name(), 0..3)), 0..8)
}

proptest! {
    #[test]
    fn records_come_out_of_a_blob_as_they_went_in(messages in messages()) {
        let blob = Blob::from_bytes(build(&messages).as_bytes().clone()).expect("own blob");
        prop_assert_eq!(blob.slot_count(), u32::try_from(messages.len()).unwrap());
        for (slot, (exchange, key, properties, body)) in (0..).zip(&messages) {
            let record = MessageRecord::decode(blob.record(slot).unwrap()).unwrap();
            prop_assert_eq!(record.exchange.as_bytes(), &exchange[..]);
            prop_assert_eq!(record.routing_key.as_bytes(), &key[..]);
            prop_assert_eq!(&record.properties[..], &properties[..]);
            prop_assert_eq!(&record.body[..], &body.concat()[..]);
        }
    }

    #[test]
    fn appended_blobs_keep_their_records_in_order(a in messages(), b in messages()) {
        let (first, second) = (build(&a), build(&b));
        let mut joined = BlobBuilder::default();
        joined.append(&first);
        let base = joined.append(&second);
        prop_assert_eq!(base, u32::try_from(a.len()).unwrap());
        let all = [a, b].concat();
        prop_assert_eq!(joined.finish(), build(&all));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..64)) {
        if let Ok(blob) = Blob::from_bytes(Bytes::from(bytes)) {
            for slot in 0..blob.slot_count() {
                drop(MessageRecord::decode(blob.record(slot).unwrap()));
            }
        }
    }
}

#[test]
fn a_slot_beyond_the_last_is_refused() {
    let blob = build(&[]);
    assert_eq!(blob.record(0), Err(BlobError::NoSuchSlot(0)));
}

#[test]
fn only_the_record_of_a_dead_letter_is_marked() {
    let body = [Bytes::from_static(b"body")];
    let parts = RecordParts { exchange: b"x", routing_key: b"k", properties: b"\0\0", body: &body };
    let mut builder = BlobBuilder::default();
    builder.push(&parts);
    builder.push_dead_letter(&parts);
    let blob = builder.finish();
    let (one, other) = (blob.record(0).unwrap(), blob.record(1).unwrap());
    assert!(!MessageRecord::is_dead_letter(&one));
    assert!(MessageRecord::is_dead_letter(&other));
    assert_eq!(MessageRecord::decode(one), MessageRecord::decode(other));
    assert!(!MessageRecord::is_dead_letter(&Bytes::from_static(b"\x05x")));
}
