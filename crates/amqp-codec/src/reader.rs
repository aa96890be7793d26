//! Reads the elementary types of AMQP 0-9-1 §4.2.5 from bytes that may be hostile. Strings are slices of the input.

use bytes::Bytes;
use types::{FieldTable, ShortStr};

use crate::{DecodeError, table};

/// A position in shared bytes, and an end that it never passes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// Reads all of `bytes`.
    pub(crate) fn new(bytes: &'a Bytes) -> Self {
        Reader { bytes, at: 0, end: bytes.len() }
    }

    /// All bytes, those before and behind included.
    pub(crate) fn bytes(&self) -> &'a Bytes {
        self.bytes
    }

    /// How many bytes have been read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Whether all is read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.end
    }

    /// How many bytes have not been read.
    pub(crate) fn bytes_left(&self) -> usize {
        self.end - self.at
    }

    /// Asks that all is read.
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        if self.is_at_end() { Ok(()) } else { Err(DecodeError::LeftOver(self.bytes_left())) }
    }

    /// A reader of the next `len` bytes, which this one then has behind it.
    pub(crate) fn part(&mut self, len: usize) -> Result<Reader<'a>, DecodeError> {
        let at = self.skip(len)?;
        Ok(Reader { bytes: self.bytes, at, end: self.at })
    }

    /// Passes over `len` bytes; returns where they started.
    #[inline]
    pub(crate) fn skip(&mut self, len: usize) -> Result<usize, DecodeError> {
        if self.end - self.at < len {
            return Err(DecodeError::CutShort);
        }
        let at = self.at;
        self.at += len;
        Ok(at)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let at = self.skip(N)?;
        let chunk = self.bytes.get(at..).and_then(<[u8]>::first_chunk);
        chunk.copied().ok_or(DecodeError::CutShort)
    }

    #[inline]
    pub(crate) fn octet(&mut self) -> Result<u8, DecodeError> {
        let [octet] = self.array()?;
        Ok(octet)
    }

    #[inline]
    pub(crate) fn short(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn long(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn longlong(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// The length in front of a long string, an array or a table.
    #[inline]
    pub(crate) fn length(&mut self) -> Result<usize, DecodeError> {
        self.long().and_then(|len| usize::try_from(len).map_err(|_| DecodeError::CutShort))
    }

    #[inline]
    pub(crate) fn short_str(&mut self) -> Result<ShortStr, DecodeError> {
        let len = usize::from(self.octet()?);
        let at = self.skip(len)?;
        Ok(ShortStr::from_bytes(self.bytes.slice(at..self.at)).expect("one octet counts to 255"))
    }

    #[inline]
    pub(crate) fn long_str(&mut self) -> Result<Bytes, DecodeError> {
        let len = self.length()?;
        let at = self.skip(len)?;
        Ok(self.bytes.slice(at..self.at))
    }

    /// The bytes of a short string, not shared.
    #[inline]
    pub(crate) fn short_slice(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = usize::from(self.octet()?);
        let at = self.skip(len)?;
        Ok(&self.bytes[at..self.at])
    }

    pub(crate) fn table(&mut self) -> Result<FieldTable, DecodeError> {
        table::read(self)
    }
}
