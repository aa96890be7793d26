//! Field tables as bytes that are equal when the tables are the same: what identifies a binding, and what is digested.
//!
//! Never stored or sent: it may change with the program.

use bytes::{BufMut, Bytes, BytesMut};
use types::{FieldTable, FieldValue, ShortStr};

/// The arguments of a binding, whatever their order.
pub(crate) fn binding_arguments(table: &FieldTable) -> Bytes {
    if table.is_empty() {
        return Bytes::new();
    }
    let mut fields: Vec<_> = table.0.iter().collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out = BytesMut::new();
    for (name, value) in fields {
        put_field(&mut out, name, value);
    }
    out.freeze()
}

/// A table in its order.
pub(crate) fn put_table(out: &mut BytesMut, table: &FieldTable) {
    put_len(out, table.0.len());
    for (name, value) in &table.0 {
        put_field(out, name, value);
    }
}

fn put_field(out: &mut BytesMut, name: &ShortStr, value: &FieldValue) {
    put_bytes(out, name.as_bytes());
    put_value(out, value);
}

fn put_value(out: &mut BytesMut, value: &FieldValue) {
    match value {
        FieldValue::Bool(v) => out.put_slice(&[b't', u8::from(*v)]),
        FieldValue::I8(v) => put(out, b'b', &v.to_le_bytes()),
        FieldValue::U8(v) => put(out, b'B', &v.to_le_bytes()),
        FieldValue::I16(v) => put(out, b's', &v.to_le_bytes()),
        FieldValue::U16(v) => put(out, b'u', &v.to_le_bytes()),
        FieldValue::I32(v) => put(out, b'I', &v.to_le_bytes()),
        FieldValue::U32(v) => put(out, b'i', &v.to_le_bytes()),
        FieldValue::I64(v) => put(out, b'l', &v.to_le_bytes()),
        FieldValue::F32(v) => put(out, b'f', &v.to_bits().to_le_bytes()),
        FieldValue::F64(v) => put(out, b'd', &v.to_bits().to_le_bytes()),
        FieldValue::Decimal(scale, v) => {
            put(out, b'D', &[*scale]);
            out.put_u32_le(*v);
        }
        FieldValue::LongStr(v) => {
            out.put_u8(b'S');
            put_bytes(out, v);
        }
        FieldValue::Array(values) => {
            out.put_u8(b'A');
            put_len(out, values.len());
            for value in values {
                put_value(out, value);
            }
        }
        FieldValue::Timestamp(v) => put(out, b'T', &v.to_le_bytes()),
        FieldValue::Table(table) => {
            out.put_u8(b'F');
            put_table(out, table);
        }
        FieldValue::Void => out.put_u8(b'V'),
        FieldValue::Bytes(v) => {
            out.put_u8(b'x');
            put_bytes(out, v);
        }
    }
}

fn put(out: &mut BytesMut, tag: u8, bytes: &[u8]) {
    out.put_u8(tag);
    out.put_slice(bytes);
}

pub(crate) fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.put_slice(bytes);
}

pub(crate) fn put_len(out: &mut BytesMut, len: usize) {
    out.put_u64_le(u64::try_from(len).expect("lengths fit in 64 bits"));
}
