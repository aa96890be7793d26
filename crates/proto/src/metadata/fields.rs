//! Field tables as flat lists, whatever their depth. Nothing here recurses: what a client nested must not decide how deep a
//! node's stack goes when it reads its log.

use types::{FieldTable, FieldValue, ShortStr};

use super::names::name;
use crate::generated::metadata::{self as wire, field::Value};

pub(super) fn to_wire(table: &FieldTable) -> Vec<wire::Field> {
    let mut flat = Vec::with_capacity(table.0.len());
    let nameless = ShortStr::EMPTY;
    let mut open: Vec<(&ShortStr, &FieldValue)> = table.0.iter().rev().map(|(name, value)| (name, value)).collect();
    while let Some((name, value)) = open.pop() {
        flat.push(wire::Field { name: name.bytes(), value: Some(value_to_wire(value)) });
        match value {
            FieldValue::Array(items) => open.extend(items.iter().rev().map(|item| (&nameless, item))),
            FieldValue::Table(table) => open.extend(table.0.iter().rev().map(|(name, value)| (name, value))),
            _ => {}
        }
    }
    flat
}

fn value_to_wire(value: &FieldValue) -> Value {
    match value {
        FieldValue::Bool(v) => Value::Bool(*v),
        FieldValue::I8(v) => Value::I8(i32::from(*v)),
        FieldValue::U8(v) => Value::U8(u32::from(*v)),
        FieldValue::I16(v) => Value::I16(i32::from(*v)),
        FieldValue::U16(v) => Value::U16(u32::from(*v)),
        FieldValue::I32(v) => Value::I32(*v),
        FieldValue::U32(v) => Value::U32(*v),
        FieldValue::I64(v) => Value::I64(*v),
        FieldValue::F32(v) => Value::F32Bits(v.to_bits()),
        FieldValue::F64(v) => Value::F64Bits(v.to_bits()),
        FieldValue::Decimal(scale, unscaled) => {
            Value::Decimal(wire::Decimal { scale: u32::from(*scale), unscaled: *unscaled })
        }
        FieldValue::LongStr(v) => Value::LongStr(v.clone()),
        FieldValue::Array(items) => Value::Array(count(items.len())),
        FieldValue::Timestamp(v) => Value::Timestamp(*v),
        FieldValue::Table(table) => Value::Table(count(table.0.len())),
        FieldValue::Void => Value::Void(true),
        FieldValue::Bytes(v) => Value::Bytes(v.clone()),
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("a table came in a frame, whose size is 32 bits")
}

/// What is being filled: an array or a table, and how many members it still lacks.
enum Open {
    Array { name: ShortStr, missing: u32, items: Vec<FieldValue> },
    Table { name: ShortStr, missing: u32, fields: Vec<(ShortStr, FieldValue)> },
}

pub(super) fn from_wire(flat: Vec<wire::Field>) -> Option<FieldTable> {
    let mut root = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for field in flat {
        let name = name(field.name)?;
        match field.value? {
            Value::Array(missing) => open.push(Open::Array { name, missing, items: Vec::new() }),
            Value::Table(missing) => open.push(Open::Table { name, missing, fields: Vec::new() }),
            value => add(&mut open, &mut root, name, plain(value)?),
        }
        close(&mut open, &mut root);
    }
    open.is_empty().then_some(FieldTable(root))
}

fn add(open: &mut [Open], root: &mut Vec<(ShortStr, FieldValue)>, name: ShortStr, value: FieldValue) {
    match open.last_mut() {
        None => root.push((name, value)),
        Some(Open::Array { missing, items, .. }) => {
            *missing -= 1;
            items.push(value);
        }
        Some(Open::Table { missing, fields, .. }) => {
            *missing -= 1;
            fields.push((name, value));
        }
    }
}

/// Puts what has all its members into what it is a member of.
fn close(open: &mut Vec<Open>, root: &mut Vec<(ShortStr, FieldValue)>) {
    while let Some(Open::Array { missing: 0, .. } | Open::Table { missing: 0, .. }) = open.last() {
        let (name, value) = match open.pop().expect("there is a last one") {
            Open::Array { name, items, .. } => (name, FieldValue::Array(items)),
            Open::Table { name, fields, .. } => (name, FieldValue::Table(FieldTable(fields))),
        };
        add(open, root, name, value);
    }
}

fn plain(value: Value) -> Option<FieldValue> {
    Some(match value {
        Value::Bool(v) => FieldValue::Bool(v),
        Value::I8(v) => FieldValue::I8(i8::try_from(v).ok()?),
        Value::U8(v) => FieldValue::U8(u8::try_from(v).ok()?),
        Value::I16(v) => FieldValue::I16(i16::try_from(v).ok()?),
        Value::U16(v) => FieldValue::U16(u16::try_from(v).ok()?),
        Value::I32(v) => FieldValue::I32(v),
        Value::U32(v) => FieldValue::U32(v),
        Value::I64(v) => FieldValue::I64(v),
        Value::F32Bits(v) => FieldValue::F32(f32::from_bits(v)),
        Value::F64Bits(v) => FieldValue::F64(f64::from_bits(v)),
        Value::Decimal(v) => FieldValue::Decimal(u8::try_from(v.scale).ok()?, v.unscaled),
        Value::LongStr(v) => FieldValue::LongStr(v),
        Value::Timestamp(v) => FieldValue::Timestamp(v),
        Value::Void(_) => FieldValue::Void,
        Value::Bytes(v) => FieldValue::Bytes(v),
        Value::Array(_) | Value::Table(_) => return None,
    })
}
