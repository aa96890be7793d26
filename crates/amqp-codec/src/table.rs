//! Field tables: AMQP 0-9-1 §4.2.5.5 with the type tags that RabbitMQ reads and writes.
//!
//! A table comes from outside: nesting is limited, and memory stays proportional to the bytes that were read. Strings are
//! slices of the input; a table that outlives its receive buffer should be copied by encoding and decoding it again.

mod raw;

use bytes::{Buf, Bytes, BytesMut};
use types::{FieldTable, FieldValue};

pub use self::raw::{RawItems, RawValue};
use crate::{DecodeError, reader::Reader, write};

/// How deep tables and arrays may be nested in a table. Deeper than anything in use, and shallow enough for any stack.
pub const DEPTH_MAX: u32 = 64;

/// Takes a table (its length and its content) from the front of `bytes`.
///
/// # Errors
/// When the bytes are cut short, a type is unknown, or it is nested deeper than [`DEPTH_MAX`]. `bytes` is then as it was.
pub fn decode(bytes: &mut Bytes) -> Result<FieldTable, DecodeError> {
    let mut reader = Reader::new(bytes);
    let table = read(&mut reader)?;
    let len = reader.position();
    bytes.advance(len);
    Ok(table)
}

/// Appends a table: its length and its content.
///
/// # Panics
/// When the encoded table would have 4 GiB or more.
pub fn encode(table: &FieldTable, buf: &mut BytesMut) {
    write(buf, table);
}

/// Checks a table without building it: what passes can be decoded. Does not allocate.
///
/// # Errors
/// As [`decode`]; also when bytes follow the table.
pub fn validate(bytes: &Bytes) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    let len = reader.length()?;
    pass_entries(reader.part(len)?, 0)?;
    reader.finish()
}

/// The value of that name in an encoded table, without building the table. Of two with the same name, the first.
///
/// # Errors
/// As [`decode`], as far as the table is read.
pub fn find(bytes: &Bytes, name: &[u8]) -> Result<Option<FieldValue>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let len = reader.length()?;
    let mut entries = reader.part(len)?;
    while !entries.is_at_end() {
        if entries.short_slice()? == name {
            return read_value(&mut entries, 0).map(Some);
        }
        pass_value(&mut entries, 0)?;
    }
    Ok(None)
}

/// The values of those names in an encoded table, as they stand there: one pass, which neither allocates nor copies and ends
/// when all are found. Of two with the same name, the first.
///
/// # Errors
/// As [`decode`], as far as the table is read.
pub fn find_raw<'a, const N: usize>(
    bytes: &'a Bytes,
    names: &[&[u8]; N],
) -> Result<[Option<RawValue<'a>>; N], DecodeError> {
    let mut reader = Reader::new(bytes);
    let len = reader.length()?;
    find_entries(reader.part(len)?, names)
}

pub(crate) fn find_entries<'a, const N: usize>(
    mut entries: Reader<'a>,
    names: &[&[u8]; N],
) -> Result<[Option<RawValue<'a>>; N], DecodeError> {
    let mut found = [None; N];
    let mut lacking = N;
    while lacking > 0 && !entries.is_at_end() {
        let name = entries.short_slice()?;
        let value = RawValue::read(&mut entries)?;
        for (place, _) in found.iter_mut().zip(names).filter(|(place, wanted)| place.is_none() && **wanted == name) {
            *place = Some(value);
            lacking -= 1;
        }
    }
    Ok(found)
}

/// Appends a name and a value, as they stand within a table.
pub(crate) fn write_entry(buf: &mut BytesMut, name: &[u8], value: &FieldValue) {
    write::short_str(buf, name);
    write_value(buf, value);
}

/// Copies an encoded table's entries (without length) whose names are to be kept.
pub(crate) fn copy_entries(bytes: &Bytes, keep: impl Fn(&[u8]) -> bool, buf: &mut BytesMut) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    let len = reader.length()?;
    let mut entries = reader.part(len)?;
    while !entries.is_at_end() {
        let start = entries.position();
        let is_kept = keep(entries.short_slice()?);
        pass_value(&mut entries, 0)?;
        if is_kept {
            buf.extend_from_slice(&bytes[start..entries.position()]);
        }
    }
    Ok(())
}

pub(crate) fn read(reader: &mut Reader<'_>) -> Result<FieldTable, DecodeError> {
    let len = reader.length()?;
    read_entries(reader.part(len)?, 0)
}

pub(crate) fn write(buf: &mut BytesMut, table: &FieldTable) {
    write::with_length(buf, |buf| {
        for (name, value) in &table.0 {
            write_entry(buf, name.as_bytes(), value);
        }
    });
}

fn read_entries(mut entries: Reader<'_>, depth: u32) -> Result<FieldTable, DecodeError> {
    let mut table = FieldTable::default();
    while !entries.is_at_end() {
        let name = entries.short_str()?;
        table.push(name, read_value(&mut entries, depth)?);
    }
    Ok(table)
}

fn read_value(reader: &mut Reader<'_>, depth: u32) -> Result<FieldValue, DecodeError> {
    Ok(match reader.octet()? {
        b't' => FieldValue::Bool(reader.octet()? != 0),
        b'b' => FieldValue::I8(i8::from_be_bytes(reader.array()?)),
        b'B' => FieldValue::U8(reader.octet()?),
        b's' => FieldValue::I16(i16::from_be_bytes(reader.array()?)),
        b'u' => FieldValue::U16(reader.short()?),
        b'I' => FieldValue::I32(i32::from_be_bytes(reader.array()?)),
        b'i' => FieldValue::U32(reader.long()?),
        b'l' | b'L' => FieldValue::I64(i64::from_be_bytes(reader.array()?)),
        b'f' => FieldValue::F32(f32::from_be_bytes(reader.array()?)),
        b'd' => FieldValue::F64(f64::from_be_bytes(reader.array()?)),
        b'D' => FieldValue::Decimal(reader.octet()?, reader.long()?),
        b'S' => FieldValue::LongStr(reader.long_str()?),
        b'T' => FieldValue::Timestamp(reader.longlong()?),
        b'V' => FieldValue::Void,
        b'x' => FieldValue::Bytes(reader.long_str()?),
        b'A' => {
            let len = reader.length()?;
            FieldValue::Array(read_items(reader.part(len)?, deeper(depth)?)?)
        }
        b'F' => {
            let len = reader.length()?;
            FieldValue::Table(read_entries(reader.part(len)?, deeper(depth)?)?)
        }
        tag => return Err(DecodeError::UnknownFieldType(tag)),
    })
}

fn read_items(mut items: Reader<'_>, depth: u32) -> Result<Vec<FieldValue>, DecodeError> {
    let mut array = Vec::new();
    while !items.is_at_end() {
        array.push(read_value(&mut items, depth)?);
    }
    Ok(array)
}

fn pass_entries(mut entries: Reader<'_>, depth: u32) -> Result<(), DecodeError> {
    while !entries.is_at_end() {
        entries.short_slice()?;
        pass_value(&mut entries, depth)?;
    }
    Ok(())
}

fn pass_value(reader: &mut Reader<'_>, depth: u32) -> Result<(), DecodeError> {
    let len = match reader.octet()? {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        b'S' | b'x' => reader.length()?,
        b'A' => {
            let len = reader.length()?;
            let depth = deeper(depth)?;
            let mut items = reader.part(len)?;
            while !items.is_at_end() {
                pass_value(&mut items, depth)?;
            }
            0
        }
        b'F' => {
            let len = reader.length()?;
            pass_entries(reader.part(len)?, deeper(depth)?)?;
            0
        }
        tag => return Err(DecodeError::UnknownFieldType(tag)),
    };
    reader.skip(len)?;
    Ok(())
}

fn deeper(depth: u32) -> Result<u32, DecodeError> {
    if depth < DEPTH_MAX { Ok(depth + 1) } else { Err(DecodeError::TooDeep(DEPTH_MAX)) }
}

fn write_value(buf: &mut BytesMut, value: &FieldValue) {
    match value {
        FieldValue::Bool(value) => scalar(buf, b't', [u8::from(*value)]),
        FieldValue::I8(value) => scalar(buf, b'b', value.to_be_bytes()),
        FieldValue::U8(value) => scalar(buf, b'B', [*value]),
        FieldValue::I16(value) => scalar(buf, b's', value.to_be_bytes()),
        FieldValue::U16(value) => scalar(buf, b'u', value.to_be_bytes()),
        FieldValue::I32(value) => scalar(buf, b'I', value.to_be_bytes()),
        FieldValue::U32(value) => scalar(buf, b'i', value.to_be_bytes()),
        FieldValue::I64(value) => scalar(buf, b'l', value.to_be_bytes()),
        FieldValue::F32(value) => scalar(buf, b'f', value.to_be_bytes()),
        FieldValue::F64(value) => scalar(buf, b'd', value.to_be_bytes()),
        FieldValue::Decimal(scale, unscaled) => {
            scalar(buf, b'D', [*scale]);
            write::long(buf, *unscaled);
        }
        FieldValue::LongStr(bytes) => {
            write::octet(buf, b'S');
            write::long_str(buf, bytes);
        }
        FieldValue::Array(items) => {
            write::octet(buf, b'A');
            write::with_length(buf, |buf| items.iter().for_each(|item| write_value(buf, item)));
        }
        FieldValue::Timestamp(seconds) => scalar(buf, b'T', seconds.to_be_bytes()),
        FieldValue::Table(table) => {
            write::octet(buf, b'F');
            write(buf, table);
        }
        FieldValue::Void => scalar(buf, b'V', []),
        FieldValue::Bytes(bytes) => {
            write::octet(buf, b'x');
            write::long_str(buf, bytes);
        }
    }
}

fn scalar<const N: usize>(buf: &mut BytesMut, tag: u8, value: [u8; N]) {
    write::octet(buf, tag);
    buf.extend_from_slice(&value);
}

#[cfg(test)]
mod tests;
