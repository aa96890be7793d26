//! Looks into properties without decoding them: one pass notes where each lies.

use bytes::Bytes;
use types::{FieldTable, FieldValue, ShortStr};

use super::{PERSISTENT, Property, read_flags};
use crate::{
    DecodeError,
    reader::Reader,
    table::{self, RawValue},
};

/// Property flags and property list with the places of all that is present. Making one neither allocates nor copies.
#[derive(Clone, Copy, Debug)]
pub struct PropertiesView<'a> {
    raw: &'a Bytes,
    flags: u16,
    /// Where each property starts; its end is the start of the next. Behind the last: the end of the list.
    starts: [usize; Property::COUNT + 1],
}

/// Checks property flags, property list and headers: what passes can be decoded. Does not allocate.
///
/// # Errors
/// As [`super::BasicProperties::decode`].
pub fn validate(raw: &Bytes) -> Result<(), DecodeError> {
    let view = PropertiesView::new(raw)?;
    match view.headers_raw() {
        Some(headers) => table::validate(&headers),
        None => Ok(()),
    }
}

impl<'a> PropertiesView<'a> {
    /// Finds the places of all properties. What is within the headers is not looked at.
    ///
    /// # Errors
    /// When the list is cut short, the flags name unknown properties, or bytes follow the list.
    pub fn new(raw: &'a Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(raw);
        let flags = read_flags(&mut reader)?;
        let mut starts = [reader.position(); Property::COUNT + 1];
        if flags != 0 {
            for (place, is_present) in (0..Property::COUNT).map(|place| (place, flags & (0x8000 >> place) != 0)) {
                if is_present {
                    pass(&mut reader, place)?;
                }
                starts[place + 1] = reader.position();
            }
        }
        reader.finish()?;
        Ok(PropertiesView { raw, flags, starts })
    }

    /// MIME type of the body.
    pub fn content_type(&self) -> Option<ShortStr> {
        self.short_str(Property::ContentType)
    }

    /// MIME encoding of the body.
    pub fn content_encoding(&self) -> Option<ShortStr> {
        self.short_str(Property::ContentEncoding)
    }

    /// The headers, decoded.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn headers(&self) -> Result<Option<FieldTable>, DecodeError> {
        self.headers_raw().map(|mut headers| table::decode(&mut headers)).transpose()
    }

    /// The headers as they came, with their length in front, for [`table::find`] and [`table::decode`].
    pub fn headers_raw(&self) -> Option<Bytes> {
        self.range(Property::Headers).map(|(start, end)| self.raw.slice(start..end))
    }

    /// One header, without decoding the others.
    ///
    /// # Errors
    /// When the headers are damaged before or at this one.
    pub fn header(&self, name: &[u8]) -> Result<Option<FieldValue>, DecodeError> {
        match self.headers_raw() {
            Some(headers) => table::find(&headers, name),
            None => Ok(None),
        }
    }

    /// The headers of those names, as they stand there: one pass over the headers, which neither allocates nor copies; see
    /// [`table::find_raw`].
    ///
    /// # Errors
    /// When the headers are damaged before the last that is found.
    pub fn find_headers<const N: usize>(&self, names: &[&[u8]; N]) -> Result<[Option<RawValue<'a>>; N], DecodeError> {
        let Some((start, end)) = self.range(Property::Headers) else { return Ok([None; N]) };
        let mut reader = Reader::new(self.raw);
        reader.skip(start)?;
        let mut table = reader.part(end - start)?;
        let len = table.length()?;
        table::find_entries(table.part(len)?, names)
    }

    /// 1 for transient, 2 for persistent.
    pub fn delivery_mode(&self) -> Option<u8> {
        self.octet(Property::DeliveryMode)
    }

    /// Whether the delivery mode asks for the disk.
    pub fn is_persistent(&self) -> bool {
        self.delivery_mode() == Some(PERSISTENT)
    }

    /// Priority, from zero.
    pub fn priority(&self) -> Option<u8> {
        self.octet(Property::Priority)
    }

    /// What a reply refers to.
    pub fn correlation_id(&self) -> Option<ShortStr> {
        self.short_str(Property::CorrelationId)
    }

    /// Where a reply goes.
    pub fn reply_to(&self) -> Option<ShortStr> {
        self.short_str(Property::ReplyTo)
    }

    /// Time to live in a queue, as decimal digits. Unit: milliseconds.
    pub fn expiration(&self) -> Option<ShortStr> {
        self.short_str(Property::Expiration)
    }

    /// Name of the message.
    pub fn message_id(&self) -> Option<ShortStr> {
        self.short_str(Property::MessageId)
    }

    /// When it was made. Unit: seconds since the Unix epoch.
    pub fn timestamp(&self) -> Option<u64> {
        let (start, _) = self.range(Property::Timestamp)?;
        let bytes = self.raw.get(start..)?.first_chunk()?;
        Some(u64::from_be_bytes(*bytes))
    }

    /// Name of the message's type.
    pub fn type_(&self) -> Option<ShortStr> {
        self.short_str(Property::Type)
    }

    /// The user who publishes it.
    pub fn user_id(&self) -> Option<ShortStr> {
        self.short_str(Property::UserId)
    }

    /// The application that publishes it.
    pub fn app_id(&self) -> Option<ShortStr> {
        self.short_str(Property::AppId)
    }

    /// Unused.
    pub fn cluster_id(&self) -> Option<ShortStr> {
        self.short_str(Property::ClusterId)
    }

    pub(super) fn flags(&self) -> u16 {
        self.flags
    }

    pub(super) fn raw(&self) -> &'a Bytes {
        self.raw
    }

    /// The property at that place of the list, as it stands there; empty if it is not present.
    pub(super) fn at(&self, place: usize) -> &'a [u8] {
        &self.raw[self.starts[place]..self.starts[place + 1]]
    }

    /// The property list before and after the place of the headers.
    pub(super) fn around_headers(&self) -> (&'a [u8], &'a [u8]) {
        let place = Property::Headers.place();
        (&self.raw[self.starts[0]..self.starts[place]], &self.raw[self.starts[place + 1]..])
    }

    fn range(&self, property: Property) -> Option<(usize, usize)> {
        let place = property.place();
        (self.flags & property.flag() != 0).then(|| (self.starts[place], self.starts[place + 1]))
    }

    fn short_str(&self, property: Property) -> Option<ShortStr> {
        let (start, end) = self.range(property)?;
        ShortStr::from_bytes(self.raw.slice(start + 1..end)).ok()
    }

    fn octet(&self, property: Property) -> Option<u8> {
        self.range(property).map(|(start, _)| self.raw[start])
    }
}

/// Passes over the property at that place of the list.
fn pass(reader: &mut Reader<'_>, place: usize) -> Result<(), DecodeError> {
    const HEADERS: usize = Property::Headers.place();
    const DELIVERY_MODE: usize = Property::DeliveryMode.place();
    const PRIORITY: usize = Property::Priority.place();
    const TIMESTAMP: usize = Property::Timestamp.place();
    let len = match place {
        HEADERS => reader.length()?,
        DELIVERY_MODE | PRIORITY => 1,
        TIMESTAMP => 8,
        _ => usize::from(reader.octet()?),
    };
    reader.skip(len)?;
    Ok(())
}
