//! One field table. Decoding, checking and searching agree, and what is accepted survives a round trip.

use amqp_codec::table;
use bytes::{Bytes, BytesMut};
use types::FieldTable;

use crate::memory;

/// See the module.
pub fn tables(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let mut rest = bytes.clone();
    let decoded = memory::bounded(data.len(), 0, || table::decode(&mut rest));
    assert_eq!(table::validate(&bytes).is_ok(), decoded.is_ok() && rest.is_empty());
    let Ok(decoded) = decoded else { return };
    for (name, _) in &decoded.0 {
        assert!(table::find(&bytes, name.as_bytes()).expect("the table is sound").is_some());
        let [raw] = table::find_raw(&bytes, &[name.as_bytes()]).expect("the table is sound");
        let raw = raw.expect("it is there");
        drop((raw.decode(), raw.as_i64(), raw.as_long_str()));
        assert!(raw.items().is_none_or(|items| items.count() < raw.as_bytes().len()));
    }
    let once = encoded(&decoded);
    let again = table::decode(&mut once.clone()).expect("we read what we write");
    assert_eq!(encoded(&again), once);
}

fn encoded(table: &FieldTable) -> Bytes {
    let mut buf = BytesMut::new();
    table::encode(table, &mut buf);
    buf.freeze()
}
