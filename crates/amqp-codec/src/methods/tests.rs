//! Methods against bytes written by hand; every method's round trip is in `tests/properties.rs`.

use std::collections::BTreeSet;

use types::ShortStr;

use super::*;

fn decode(payload: &[u8]) -> Result<Method, MethodError> {
    Method::decode(Bytes::copy_from_slice(payload))
}

#[test]
fn all_classes_and_methods_of_the_protocol_are_there() {
    let classes: BTreeSet<_> = MethodInfo::all().map(|info| info.class_id).collect();
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), [10, 20, 30, 40, 50, 60, 85, 90]);
    assert_eq!(MethodInfo::all().count(), 66);
    let names: BTreeSet<_> = MethodInfo::all().map(|info| info.name).collect();
    assert_eq!(names.len(), 66);
}

#[test]
fn a_method_is_found_by_its_ids() {
    assert_eq!(MethodInfo::find(60, 40).unwrap().name, "basic.publish");
    assert_eq!(MethodInfo::find(10, 71).unwrap().to_string(), "connection.update-secret-ok");
    for info in MethodInfo::all() {
        assert_eq!(MethodInfo::find(info.class_id, info.method_id), Some(info));
    }
    assert_eq!(MethodInfo::find(60, 41), None);
    assert_eq!(MethodInfo::find(0, 0), None);
}

#[test]
fn what_may_be_sent_by_whom_is_known() {
    let content: Vec<_> = MethodInfo::all().filter(|info| info.has_content).map(|info| info.name).collect();
    assert_eq!(content, ["basic.publish", "basic.return", "basic.deliver", "basic.get-ok"]);
    assert_eq!(basic::Publish::INFO.sender, Sender::Client);
    assert_eq!(basic::Deliver::INFO.sender, Sender::Server);
    assert_eq!(basic::Ack::INFO.sender, Sender::Both);
    assert_eq!([queue::Declare::INFO, basic::Ack::INFO].map(|info| info.is_synchronous), [true, false]);
}

#[test]
fn a_publish_shares_the_bytes_of_its_payload() {
    let payload = Bytes::from_static(b"\x00\x3C\x00\x28\x00\x00\x02ex\x03key\x03");
    let Ok(Method::BasicPublish(publish)) = Method::decode(payload.clone()) else { panic!("a publish") };
    assert_eq!(publish.exchange.as_bytes().as_ptr(), payload[7..].as_ptr());
    assert_eq!(publish.routing_key.as_bytes().as_ptr(), payload[10..].as_ptr());
    assert_eq!((publish.exchange.as_bytes(), publish.routing_key.as_bytes()), (&b"ex"[..], &b"key"[..]));
    assert!(publish.mandatory && publish.immediate);
}

#[test]
fn unknown_ids_are_told_apart_from_bad_arguments() {
    assert_eq!(decode(&[0, 60, 0]), Err(MethodError::NoIds(3)));
    assert_eq!(decode(&[0, 61, 0, 40]), Err(MethodError::UnknownClass { class_id: 61, method_id: 40 }));
    assert_eq!(decode(&[0, 60, 0, 41]), Err(MethodError::UnknownMethod { class_id: 60, method_id: 41 }));
    let malformed = |source| Err(MethodError::Malformed { class_id: 60, method_id: 80, source });
    assert_eq!(decode(&[0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 1]), malformed(DecodeError::CutShort));
    assert_eq!(decode(&[0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9]), malformed(DecodeError::LeftOver(1)));
}

#[test]
fn reserved_fields_may_hold_anything_and_are_written_empty() {
    let open = decode(b"\x00\x0A\x00\x28\x01/\x03old\x01").unwrap();
    assert_eq!(open, connection::Open { virtual_host: ShortStr::from_static("/") }.into());
    let mut buf = BytesMut::new();
    open.encode(&mut buf);
    assert_eq!(&buf[..], b"\x00\x0A\x00\x28\x01/\x00\x00");
}

#[test]
fn unused_bits_are_ignored() {
    assert_eq!(
        decode(&[0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 1, 0xFE]),
        Ok(basic::Ack { delivery_tag: 1, multiple: false }.into())
    );
}

#[test]
fn bits_are_packed_from_the_lowest() {
    let declare = queue::Declare { exclusive: true, no_wait: true, ..queue::Declare::default() };
    let mut buf = BytesMut::new();
    Method::from(declare).encode(&mut buf);
    assert_eq!(&buf[..], [0, 50, 0, 10, 0, 0, 0, 0b10100, 0, 0, 0, 0]);
}

#[test]
fn a_method_knows_its_ids_and_name() {
    let method = Method::from(confirm::Select { no_wait: false });
    assert_eq!((method.class_id(), method.method_id(), method.name()), (85, 10, "confirm.select"));
    assert!(!method.has_content());
    assert!(Method::from(basic::Return::default()).has_content());
}
