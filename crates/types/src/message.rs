//! The message record and the blob: how messages lie in a log entry, on disk and between nodes.
//!
//! A record is one message: exchange, routing key, content properties, body. A blob is all records of one log entry (or of
//! one chunk on its way to a leader) followed by a table of their ends, so that a slot is found without reading the others, and
//! a builder writes each body once:
//!
//! ```text
//! blob   = records | count x end u32 LE (from the start of the records) | count u32 LE
//! record = exchange len u8 | exchange | key len u8 | key | properties len u32 LE | properties | body
//! ```
//! The highest bit of the properties' length marks a dead letter: its `x-death` headers are the broker's own. Those of other
//! records are a client's, and mean nothing.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::ShortStr;

/// Set in the properties' length of a dead letter's record. The length itself stays far below.
const DEAD_LETTER: u32 = 1 << 31;

/// One message as it is stored. All parts are slices of one buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// The exchange that it was published to.
    pub exchange: ShortStr,
    /// Its routing key.
    pub routing_key: ShortStr,
    /// The content header's property flags and property list as they came (AMQP 0-9-1 §4.2.6.1).
    pub properties: Bytes,
    /// The body.
    pub body: Bytes,
}

/// A record about to be written.
#[derive(Clone, Copy, Debug)]
pub struct RecordParts<'a> {
    /// The exchange that it was published to.
    pub exchange: &'a [u8],
    /// Its routing key.
    pub routing_key: &'a [u8],
    /// Property flags and property list.
    pub properties: &'a [u8],
    /// The body, in the pieces in which its frames came.
    pub body: &'a [Bytes],
}

/// A record's bytes do not have a record's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message record is cut short or damaged")]
pub struct RecordError;

/// A blob's bytes do not have a blob's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The table or the records are cut short, or the ends do not ascend.
    #[error("message blob is cut short or damaged")]
    Damaged,
    /// The blob has fewer slots.
    #[error("message blob has no slot {0}")]
    NoSuchSlot(u32),
}

impl MessageRecord {
    /// Reads a record. The parts share the buffer.
    ///
    /// # Errors
    /// When the bytes are cut short.
    pub fn decode(mut record: Bytes) -> Result<Self, RecordError> {
        let exchange = take_short(&mut record)?;
        let routing_key = take_short(&mut record)?;
        if record.len() < 4 {
            return Err(RecordError);
        }
        let properties_len = usize::try_from(record.get_u32_le() & !DEAD_LETTER).map_err(|_| RecordError)?;
        if record.len() < properties_len {
            return Err(RecordError);
        }
        let properties = record.split_to(properties_len);
        Ok(MessageRecord { exchange, routing_key, properties, body: record })
    }

    /// Whether the record's `x-death` headers are the broker's own. What is no record is no dead letter.
    pub fn is_dead_letter(record: &Bytes) -> bool {
        let mut rest = record.clone();
        let names = take_short(&mut rest).and_then(|_| take_short(&mut rest));
        names.is_ok() && rest.len() >= 4 && rest.get_u32_le() & DEAD_LETTER != 0
    }
}

fn take_short(record: &mut Bytes) -> Result<ShortStr, RecordError> {
    if record.is_empty() {
        return Err(RecordError);
    }
    let len = usize::from(record.get_u8());
    if record.len() < len {
        return Err(RecordError);
    }
    ShortStr::from_bytes(record.split_to(len)).map_err(|_| RecordError)
}

/// Gathers records into a blob.
#[derive(Debug, Default)]
pub struct BlobBuilder {
    ends: Vec<u32>,
    records: BytesMut,
}

impl BlobBuilder {
    /// Adds a record; returns its slot.
    ///
    /// # Panics
    /// When the blob would exceed 4 GiB or a name 255 bytes, which the callers' limits exclude.
    pub fn push(&mut self, parts: &RecordParts<'_>) -> u32 {
        self.put(parts, 0)
    }

    /// Adds the record of a dead letter, whose `x-death` headers the broker has made; returns its slot.
    ///
    /// # Panics
    /// As [`BlobBuilder::push`].
    pub fn push_dead_letter(&mut self, parts: &RecordParts<'_>) -> u32 {
        self.put(parts, DEAD_LETTER)
    }

    fn put(&mut self, parts: &RecordParts<'_>, mark: u32) -> u32 {
        let body_len: usize = parts.body.iter().map(Bytes::len).sum();
        self.records.reserve(6 + parts.exchange.len() + parts.routing_key.len() + parts.properties.len() + body_len);
        self.put_short(parts.exchange);
        self.put_short(parts.routing_key);
        let properties_len = u32::try_from(parts.properties.len()).expect("a content header fits a frame");
        self.records.put_u32_le(properties_len | mark);
        self.records.put_slice(parts.properties);
        for piece in parts.body {
            self.records.put_slice(piece);
        }
        self.end_slot()
    }

    /// Adds all records of another blob, in order; returns the slot of the first.
    pub fn append(&mut self, blob: &Blob) -> u32 {
        let first = self.slot_count();
        let base = u32::try_from(self.records.len()).expect("a blob stays below 4 GiB");
        for slot in 0..blob.count {
            let end = blob.end(slot).checked_add(base).expect("a blob stays below 4 GiB");
            self.ends.push(end);
        }
        self.records.put_slice(&blob.bytes[..blob.table_at()]);
        first
    }

    /// How many records it holds.
    pub fn slot_count(&self) -> u32 {
        u32::try_from(self.ends.len()).expect("fewer slots than bytes")
    }

    /// Bytes of all records so far, without the table.
    pub fn record_bytes(&self) -> usize {
        self.records.len()
    }

    /// The size of one record. Unit: bytes.
    pub fn record_len(&self, slot: u32) -> Option<u32> {
        let at = usize::try_from(slot).ok()?;
        let end = *self.ends.get(at)?;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        Some(end - start)
    }

    /// Whether it holds no records.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The finished blob; the builder is empty afterwards and keeps no memory of it.
    pub fn finish(&mut self) -> Blob {
        if self.ends.is_empty() {
            return Blob::default();
        }
        let count = self.slot_count();
        self.records.reserve(4 * self.ends.len() + 4);
        for end in self.ends.drain(..) {
            self.records.put_u32_le(end);
        }
        self.records.put_u32_le(count);
        Blob { bytes: std::mem::take(&mut self.records).freeze(), count }
    }

    fn put_short(&mut self, text: &[u8]) {
        self.records.put_u8(u8::try_from(text.len()).expect("a short string holds at most 255 bytes"));
        self.records.put_slice(text);
    }

    fn end_slot(&mut self) -> u32 {
        let slot = self.slot_count();
        self.ends.push(u32::try_from(self.records.len()).expect("a blob stays below 4 GiB"));
        slot
    }
}

/// All message records of one log entry or chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blob {
    bytes: Bytes,
    count: u32,
}

impl Blob {
    /// Takes a blob's bytes; empty bytes are the blob without records.
    ///
    /// # Errors
    /// When the table is cut short, its ends do not ascend, or they do not end with the bytes.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, BlobError> {
        if bytes.is_empty() {
            return Ok(Blob::default());
        }
        let table_end = bytes.len().checked_sub(4).ok_or(BlobError::Damaged)?;
        let count =
            u32::from_le_bytes([bytes[table_end], bytes[table_end + 1], bytes[table_end + 2], bytes[table_end + 3]]);
        let table = usize::try_from(count).ok().and_then(|n| n.checked_mul(4)).ok_or(BlobError::Damaged)?;
        if table_end < table || count == 0 {
            return Err(BlobError::Damaged);
        }
        let blob = Blob { bytes, count };
        let mut last = 0;
        for slot in 0..count {
            let end = blob.end(slot);
            if end < last {
                return Err(BlobError::Damaged);
            }
            last = end;
        }
        if offset(last) != blob.table_at() {
            return Err(BlobError::Damaged);
        }
        Ok(blob)
    }

    /// All records of these blobs, in order, as one blob.
    pub fn concat(blobs: &[Blob]) -> Blob {
        match blobs {
            [] => Blob::default(),
            [one] => one.clone(),
            many => {
                let mut builder = BlobBuilder::default();
                builder.records.reserve(many.iter().map(|blob| blob.bytes.len()).sum());
                for blob in many {
                    builder.append(blob);
                }
                builder.finish()
            }
        }
    }

    /// The whole blob, as it is stored and sent.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many records it holds.
    pub fn slot_count(&self) -> u32 {
        self.count
    }

    /// One record's bytes, shared.
    ///
    /// # Errors
    /// When there is no such slot.
    pub fn record(&self, slot: u32) -> Result<Bytes, BlobError> {
        if slot >= self.count {
            return Err(BlobError::NoSuchSlot(slot));
        }
        let start = if slot == 0 { 0 } else { self.end(slot - 1) };
        Ok(self.bytes.slice(offset(start)..offset(self.end(slot))))
    }

    /// Where the records end and the table starts.
    fn table_at(&self) -> usize {
        if self.bytes.is_empty() { 0 } else { self.bytes.len() - 4 - 4 * offset(self.count) }
    }

    fn end(&self, slot: u32) -> u32 {
        let at = self.table_at() + 4 * offset(slot);
        u32::from_le_bytes([self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]])
    }
}

fn offset(value: u32) -> usize {
    usize::try_from(value).expect("usize has at least 32 bits")
}

#[cfg(test)]
mod tests;
