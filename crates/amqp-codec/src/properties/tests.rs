//! Properties against bytes written by hand.

use super::*;

fn short(text: &'static str) -> Option<ShortStr> {
    Some(ShortStr::from_static(text))
}

fn sample() -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.push(ShortStr::from_static("a"), FieldValue::I32(1));
    headers.push(ShortStr::from_static("x-delivery-count"), FieldValue::I64(1));
    headers.push(ShortStr::from_static("z"), FieldValue::Void);
    BasicProperties {
        content_type: short("text/plain"),
        headers: Some(headers),
        delivery_mode: Some(PERSISTENT),
        priority: Some(9),
        expiration: short("60000"),
        timestamp: Some(1_700_000_000),
        user_id: short("guest"),
        ..BasicProperties::default()
    }
}

#[test]
fn flags_run_from_the_highest_bit() {
    let first = BasicProperties { content_type: short("t"), ..BasicProperties::default() };
    assert_eq!(first.to_bytes(), &b"\x80\x00\x01t"[..]);
    let last = BasicProperties { cluster_id: short("c"), ..BasicProperties::default() };
    assert_eq!(last.to_bytes(), &b"\x00\x04\x01c"[..]);
    let persistent = BasicProperties { delivery_mode: Some(PERSISTENT), ..BasicProperties::default() };
    assert_eq!(persistent.to_bytes(), &b"\x10\x00\x02"[..]);
    assert_eq!(BasicProperties::default().to_bytes(), NO_PROPERTIES);
}

#[test]
fn the_view_sees_what_decoding_sees() {
    let properties = sample();
    let raw = properties.to_bytes();
    let view = PropertiesView::new(&raw).unwrap();
    assert_eq!(view.content_type(), properties.content_type);
    assert_eq!(view.headers(), Ok(properties.headers));
    assert_eq!(view.header(b"x-delivery-count"), Ok(Some(FieldValue::I64(1))));
    assert_eq!(view.header(b"none"), Ok(None));
    assert!(view.is_persistent());
    assert_eq!(view.priority(), Some(9));
    assert_eq!(view.expiration(), properties.expiration);
    assert_eq!(view.timestamp(), Some(1_700_000_000));
    assert_eq!(view.user_id(), properties.user_id);
    assert_eq!(view.reply_to(), None);
}

#[test]
fn damage_is_seen_by_all_readers() {
    for raw in
        [&b""[..], b"\x80", b"\x80\x00", b"\x80\x00\x02t", b"\x00\x00\x00", b"\x20\x00\x00\x00\x00\x01", b"\x10\x00"]
    {
        let raw = Bytes::copy_from_slice(raw);
        assert!(PropertiesView::new(&raw).is_err() && validate(&raw).is_err(), "{raw:?}");
        assert!(BasicProperties::decode(raw).is_err());
    }
}

#[test]
fn flags_of_unknown_properties_are_refused() {
    for flags in [1, 2] {
        let raw = Bytes::copy_from_slice(&[0, flags]);
        assert_eq!(validate(&raw), Err(DecodeError::UnknownProperties(u16::from(flags))));
        assert_eq!(BasicProperties::decode(raw), Err(DecodeError::UnknownProperties(u16::from(flags))));
    }
}

#[test]
fn damaged_headers_are_found_by_validation_not_by_the_view() {
    let raw = Bytes::from_static(b"\x20\x00\x00\x00\x00\x03\x01nZ");
    let view = PropertiesView::new(&raw).unwrap();
    assert_eq!(view.headers(), Err(DecodeError::UnknownFieldType(b'Z')));
    assert_eq!(validate(&raw), Err(DecodeError::UnknownFieldType(b'Z')));
}

#[test]
fn a_header_is_replaced_and_moves_to_the_end() {
    let raw =
        set_header(&sample().to_bytes(), &ShortStr::from_static("x-delivery-count"), &FieldValue::I64(2)).unwrap();
    let mut want = sample();
    let headers = want.headers.as_mut().unwrap();
    headers.0.remove(1);
    headers.push(ShortStr::from_static("x-delivery-count"), FieldValue::I64(2));
    assert_eq!(BasicProperties::decode(raw), Ok(want));
}

#[test]
fn a_header_is_added_where_there_were_none() {
    let before = BasicProperties { headers: None, ..sample() };
    let raw = set_header(&before.to_bytes(), &ShortStr::from_static("n"), &FieldValue::Bool(true)).unwrap();
    let headers = FieldTable(vec![(ShortStr::from_static("n"), FieldValue::Bool(true))]);
    assert_eq!(BasicProperties::decode(raw), Ok(BasicProperties { headers: Some(headers), ..sample() }));
    let raw = set_header(&Bytes::from_static(NO_PROPERTIES), &ShortStr::from_static("n"), &FieldValue::Void).unwrap();
    assert_eq!(raw, &b"\x20\x00\x00\x00\x00\x03\x01nV"[..]);
}

#[test]
fn properties_are_rewritten_where_they_are_named_and_nowhere_else() {
    let before = sample().to_bytes();
    let mut edit = PropertiesEdit::new(&before).unwrap();
    assert_eq!(edit.finish().unwrap(), before);
    assert_eq!(edit.before().priority(), Some(9));
    edit.set_header(ShortStr::from_static("x-death"), FieldValue::Array(Vec::new()))
        .remove_header(ShortStr::from_static("a"))
        .remove_header(ShortStr::from_static("none"))
        .set_expiration(None)
        .set_delivery_mode(Some(1))
        .set_reply_to(Some(&ShortStr::from_static("q")));
    let mut want = sample();
    let headers = want.headers.as_mut().unwrap();
    headers.0.remove(0);
    headers.push(ShortStr::from_static("x-death"), FieldValue::Array(Vec::new()));
    let want = BasicProperties { expiration: None, delivery_mode: Some(1), reply_to: short("q"), ..want };
    assert_eq!(edit.finish().unwrap(), want.to_bytes());
}

#[test]
fn the_last_change_counts() {
    let before = sample().to_bytes();
    let mut edit = PropertiesEdit::new(&before).unwrap();
    let name = ShortStr::from_static("z");
    edit.set_header(name.clone(), FieldValue::Bool(true)).remove_header(name);
    edit.set_expiration(None).set_expiration(short("1").as_ref());
    let mut want = sample();
    want.headers.as_mut().unwrap().0.pop();
    want.expiration = short("1");
    assert_eq!(edit.finish().unwrap(), want.to_bytes());
}

#[test]
fn headers_that_are_damaged_are_kept_or_refused() {
    let damaged = Bytes::from_static(b"\x20\x00\x00\x00\x00\x03\x01nZ");
    let mut edit = PropertiesEdit::new(&damaged).unwrap();
    assert!(edit.set_priority(Some(1)).finish().is_ok());
    edit.remove_header(ShortStr::from_static("n"));
    assert_eq!(edit.finish(), Err(DecodeError::UnknownFieldType(b'Z')));
    assert!(PropertiesEdit::new(&Bytes::from_static(b"\x80")).is_err());
}

#[test]
fn no_header_is_set_in_damaged_properties() {
    let name = ShortStr::from_static("n");
    assert_eq!(set_header(&Bytes::from_static(b"\x80\x00"), &name, &FieldValue::Void), Err(DecodeError::CutShort));
    let damaged = Bytes::from_static(b"\x20\x00\x00\x00\x00\x03\x01nZ");
    assert_eq!(set_header(&damaged, &name, &FieldValue::Void), Err(DecodeError::UnknownFieldType(b'Z')));
}
