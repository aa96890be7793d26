//! Tables against bytes written by hand, and against those that mean harm.

use types::ShortStr;

use super::*;

fn with_len(content: &[u8]) -> Bytes {
    let len = u32::try_from(content.len()).unwrap().to_be_bytes();
    Bytes::from([&len[..], content].concat())
}

fn decoded(content: &[u8]) -> Result<FieldTable, DecodeError> {
    let bytes = with_len(content);
    let table = decode(&mut bytes.clone());
    assert_eq!(validate(&bytes).is_ok(), table.is_ok(), "both see the same damage");
    table
}

/// A table in a table, so many times that the innermost is at that depth.
fn nested(depth: usize) -> Vec<u8> {
    let mut content = Vec::new();
    for _ in 0..depth {
        let len = u32::try_from(content.len()).unwrap().to_be_bytes();
        content = [&b"\x01tF"[..], &len, &content].concat();
    }
    content
}

#[test]
fn every_type_has_rabbitmqs_tag() {
    let cases: [(&[u8], FieldValue); 17] = [
        (b"t\x01", FieldValue::Bool(true)),
        (b"b\xFF", FieldValue::I8(-1)),
        (b"B\xFF", FieldValue::U8(255)),
        (b"s\xFF\xFE", FieldValue::I16(-2)),
        (b"u\xFF\xFE", FieldValue::U16(65534)),
        (b"I\xFF\xFF\xFF\xFE", FieldValue::I32(-2)),
        (b"i\xFF\xFF\xFF\xFE", FieldValue::U32(4_294_967_294)),
        (b"l\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE", FieldValue::I64(-2)),
        (b"f\x3F\x80\x00\x00", FieldValue::F32(1.0)),
        (b"d\x3F\xF0\x00\x00\x00\x00\x00\x00", FieldValue::F64(1.0)),
        (b"D\x02\x00\x00\x01\x00", FieldValue::Decimal(2, 256)),
        (b"S\x00\x00\x00\x02ab", FieldValue::LongStr(Bytes::from_static(b"ab"))),
        (b"A\x00\x00\x00\x03Vt\x00", FieldValue::Array(vec![FieldValue::Void, FieldValue::Bool(false)])),
        (b"T\x00\x00\x00\x00\x00\x00\x01\x00", FieldValue::Timestamp(256)),
        (b"F\x00\x00\x00\x00", FieldValue::Table(FieldTable::default())),
        (b"V", FieldValue::Void),
        (b"x\x00\x00\x00\x01\xFF", FieldValue::Bytes(Bytes::from_static(b"\xFF"))),
    ];
    for (value_bytes, value) in cases {
        let content = [b"\x04name", value_bytes].concat();
        let table = FieldTable(vec![(ShortStr::from_static("name"), value)]);
        assert_eq!(decoded(&content), Ok(table.clone()));
        let mut buf = BytesMut::new();
        encode(&table, &mut buf);
        assert_eq!(buf, with_len(&content));
    }
}

#[test]
fn a_capital_l_is_a_signed_number_too() {
    let table = decoded(b"\x01nL\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF").unwrap();
    assert_eq!(table.get("n"), Some(&FieldValue::I64(-1)));
}

#[test]
fn any_octet_but_zero_is_true() {
    assert_eq!(decoded(b"\x01nt\x07").unwrap().get("n"), Some(&FieldValue::Bool(true)));
}

#[test]
fn unknown_types_are_refused() {
    for tag in (0..=u8::MAX).filter(|tag| !b"tbBsuIilLfdDSATFVx".contains(tag)) {
        let content = [&b"\x01n"[..], &[tag, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(decoded(&content), Err(DecodeError::UnknownFieldType(tag)));
    }
}

#[test]
fn every_length_is_checked() {
    for content in
        [&b"\x05name"[..], b"\x01n", b"\x01nI\x00\x00\x00", b"\x01nS\x00\x00\x00\x01", b"\x01nA\xFF\xFF\xFF\xFF"]
    {
        assert_eq!(decoded(content), Err(DecodeError::CutShort), "{content:?}");
    }
    let mut bytes = Bytes::from_static(&[0, 0, 0, 1]);
    assert_eq!(decode(&mut bytes), Err(DecodeError::CutShort));
    assert_eq!(bytes.len(), 4, "it is as it was");
}

#[test]
fn an_array_may_not_reach_beyond_its_table() {
    // The inner array claims a byte that belongs to the outer table.
    assert_eq!(decoded(b"\x01aA\x00\x00\x00\x02S\x00\x00\x00\x00\x00"), Err(DecodeError::CutShort));
}

#[test]
fn nesting_ends_at_the_limit() {
    let limit = usize::try_from(DEPTH_MAX).unwrap();
    assert!(decoded(&nested(limit)).is_ok());
    assert_eq!(decoded(&nested(limit + 1)), Err(DecodeError::TooDeep(DEPTH_MAX)));
    assert_eq!(decoded(&nested(10_000)), Err(DecodeError::TooDeep(DEPTH_MAX)));
}

#[test]
fn arrays_count_as_levels_too() {
    let arrays = |depth: usize| {
        let mut item = vec![b'V'];
        for _ in 0..depth {
            let len = u32::try_from(item.len()).unwrap().to_be_bytes();
            item = [&b"A"[..], &len, &item].concat();
        }
        [&b"\x01a"[..], &item].concat()
    };
    let limit = usize::try_from(DEPTH_MAX).unwrap();
    assert!(decoded(&arrays(limit)).is_ok());
    for depth in [limit + 1, 10_000] {
        assert_eq!(decoded(&arrays(depth)), Err(DecodeError::TooDeep(DEPTH_MAX)));
        let bytes = with_len(&arrays(depth));
        assert_eq!(find(&bytes, b"b"), Err(DecodeError::TooDeep(DEPTH_MAX)));
        assert_eq!(find_raw(&bytes, &[b"b"]).err(), Some(DecodeError::TooDeep(DEPTH_MAX)));
    }
}

#[test]
fn lengths_beyond_the_bytes_are_refused_without_asking_for_memory() {
    for tag in *b"SxAF" {
        for len in [u32::MAX, 1 << 31, 1] {
            let content = [&b"\x01n"[..], &[tag], &len.to_be_bytes()].concat();
            assert_eq!(decoded(&content), Err(DecodeError::CutShort), "{tag} {len}");
        }
    }
    let mut bytes = Bytes::from_static(b"\xFF\xFF\xFF\xFF\x01nV");
    assert_eq!(validate(&bytes), Err(DecodeError::CutShort));
    assert_eq!(find_raw(&bytes, &[b"n"]).err(), Some(DecodeError::CutShort));
    assert_eq!(decode(&mut bytes), Err(DecodeError::CutShort));
}

#[test]
fn values_are_found_raw_in_one_pass() {
    let bytes =
        with_len(b"\x02CCA\x00\x00\x00\x0CS\x00\x00\x00\x01aS\x00\x00\x00\x01b\x01xV\x01nI\xFF\xFF\xFF\xFE\x01xt\x01");
    let [cc, none, n, x] = find_raw(&bytes, &[b"CC", b"BCC", b"n", b"x"]).unwrap();
    let items: Vec<_> = cc.unwrap().items().unwrap().map(|item| item.as_long_str().unwrap()).collect();
    assert_eq!(items, [b"a", b"b"]);
    assert!(none.is_none());
    let n = n.unwrap();
    assert_eq!((n.tag(), n.as_i64(), n.as_long_str()), (b'I', Some(-2), None));
    assert_eq!(n.as_bytes(), b"I\xFF\xFF\xFF\xFE");
    assert!(n.items().is_none() && cc.unwrap().as_i64().is_none());
    assert_eq!(x.unwrap().decode(), FieldValue::Void, "the first of two");
    // What lies behind the last that is looked for is not read.
    let damaged = with_len(b"\x01nV\x01mZ");
    assert!(find_raw(&damaged, &[b"n"]).is_ok());
    assert_eq!(find_raw(&damaged, &[b"m"]).err(), Some(DecodeError::UnknownFieldType(b'Z')));
}

#[test]
fn decoding_takes_the_table_and_leaves_what_follows() {
    let mut bytes = Bytes::from_static(b"\x00\x00\x00\x03\x01nVrest");
    decode(&mut bytes).unwrap();
    assert_eq!(bytes, "rest");
    let bytes = Bytes::from_static(b"\x00\x00\x00\x03\x01nVrest");
    assert_eq!(validate(&bytes), Err(DecodeError::LeftOver(4)));
}

#[test]
fn the_first_of_two_values_with_a_name_is_found() {
    let bytes = with_len(b"\x01aF\x00\x00\x00\x04\x01bt\x00\x01bt\x01\x01bV\x01cZ");
    assert_eq!(find(&bytes, b"b"), Ok(Some(FieldValue::Bool(true))));
    assert_eq!(find(&bytes, b"d"), Err(DecodeError::UnknownFieldType(b'Z')));
    assert_eq!(find(&with_len(b"\x01bV"), b"d"), Ok(None));
}
