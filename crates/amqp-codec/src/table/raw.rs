//! Values of a field table as they stand in its bytes, for code that looks at each message and must not allocate.

use bytes::Bytes;
use types::FieldValue;

use super::{pass_value, read_value};
use crate::{DecodeError, reader::Reader};

/// A value, with its type's tag, within the bytes of its table. Its layout was checked when it was found.
#[derive(Clone, Copy, Debug)]
pub struct RawValue<'a> {
    table: &'a Bytes,
    start: usize,
    end: usize,
}

impl<'a> RawValue<'a> {
    /// Takes the next value.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = reader.position();
        pass_value(reader, 0)?;
        Ok(RawValue { table: reader.bytes(), start, end: reader.position() })
    }

    /// Tag and content, as they stand in the table.
    pub fn as_bytes(&self) -> &'a [u8] {
        &self.table[self.start..self.end]
    }

    /// The type's tag (`S`, `A`, `l`, ...).
    pub fn tag(&self) -> u8 {
        self.table[self.start]
    }

    /// The value. Strings share the table's bytes.
    pub fn decode(&self) -> FieldValue {
        read_value(&mut self.reader(), 0).expect("its layout was checked when it was found")
    }

    /// A long string (or `x`, a byte array) without its length.
    pub fn as_long_str(&self) -> Option<&'a [u8]> {
        // Behind the tag and four bytes of length.
        matches!(self.tag(), b'S' | b'x').then(|| &self.table[self.start + 5..self.end])
    }

    /// A number of one of AMQP's integer types, as [`FieldValue::as_i64`]; does not allocate.
    pub fn as_i64(&self) -> Option<i64> {
        matches!(self.tag(), b'b' | b'B' | b's' | b'u' | b'I' | b'i' | b'l' | b'L').then(|| self.decode().as_i64())?
    }

    /// The items of an array.
    pub fn items(&self) -> Option<RawItems<'a>> {
        if self.tag() != b'A' {
            return None;
        }
        let mut reader = self.reader();
        reader.skip(5).expect("tag and length were checked");
        Some(RawItems { reader })
    }

    /// A reader of tag and content.
    fn reader(&self) -> Reader<'a> {
        let mut reader = Reader::new(self.table);
        reader.skip(self.start).expect("it lies within the table");
        reader.part(self.end - self.start).expect("it lies within the table")
    }
}

/// The items of an array, one by one.
#[derive(Debug)]
pub struct RawItems<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for RawItems<'a> {
    type Item = RawValue<'a>;

    fn next(&mut self) -> Option<RawValue<'a>> {
        if self.reader.is_at_end() {
            return None;
        }
        Some(RawValue::read(&mut self.reader).expect("the array was checked when it was found"))
    }
}
