//! The properties of class basic (AMQP 0-9-1 §4.2.6.1): property flags, then a list of those that are present.
//!
//! Most code needs one or two of the fourteen: [`PropertiesView`] finds them in the bytes as they came. [`BasicProperties`]
//! is all of them decoded, for building messages. [`PropertiesEdit`] rewrites some and copies the others as they came.

mod edit;
mod view;

use bytes::{BufMut, Bytes, BytesMut};
use types::{FieldTable, FieldValue, ShortStr};

pub use self::{
    edit::PropertiesEdit,
    view::{PropertiesView, validate},
};
use crate::{DecodeError, reader::Reader, table, write};

/// The encoding of no properties at all: the flags alone.
pub const NO_PROPERTIES: &[u8] = &[0, 0];

/// The delivery mode of a message that is kept on disk.
pub const PERSISTENT: u8 = 2;

/// The properties of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BasicProperties {
    /// MIME type of the body.
    pub content_type: Option<ShortStr>,
    /// MIME encoding of the body.
    pub content_encoding: Option<ShortStr>,
    /// Headers of the application, and of exchanges of type headers.
    pub headers: Option<FieldTable>,
    /// 1 for transient, 2 for persistent.
    pub delivery_mode: Option<u8>,
    /// Priority, from zero.
    pub priority: Option<u8>,
    /// What a reply refers to.
    pub correlation_id: Option<ShortStr>,
    /// Where a reply goes.
    pub reply_to: Option<ShortStr>,
    /// Time to live in a queue, as decimal digits. Unit: milliseconds.
    pub expiration: Option<ShortStr>,
    /// Name of the message.
    pub message_id: Option<ShortStr>,
    /// When it was made. Unit: seconds since the Unix epoch.
    pub timestamp: Option<u64>,
    /// Name of the message's type.
    pub type_: Option<ShortStr>,
    /// The user who publishes it.
    pub user_id: Option<ShortStr>,
    /// The application that publishes it.
    pub app_id: Option<ShortStr>,
    /// Unused.
    pub cluster_id: Option<ShortStr>,
}

/// The properties in the order of the list. The flag of the first is the highest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Property {
    ContentType,
    ContentEncoding,
    Headers,
    DeliveryMode,
    Priority,
    CorrelationId,
    ReplyTo,
    Expiration,
    MessageId,
    Timestamp,
    Type,
    UserId,
    AppId,
    ClusterId,
}

impl Property {
    const COUNT: usize = 14;

    /// In the order of the list.
    const ALL: [Property; Property::COUNT] = [
        Property::ContentType,
        Property::ContentEncoding,
        Property::Headers,
        Property::DeliveryMode,
        Property::Priority,
        Property::CorrelationId,
        Property::ReplyTo,
        Property::Expiration,
        Property::MessageId,
        Property::Timestamp,
        Property::Type,
        Property::UserId,
        Property::AppId,
        Property::ClusterId,
    ];

    /// The two lowest flags: one is unused, the other would announce more flags.
    const FLAGS_UNKNOWN: u16 = 0b11;

    #[expect(clippy::as_conversions, reason = "the discriminant is the place in the list")]
    const fn place(self) -> usize {
        self as usize
    }

    const fn flag(self) -> u16 {
        0x8000 >> self.place()
    }
}

/// Reads the flags.
fn read_flags(reader: &mut Reader<'_>) -> Result<u16, DecodeError> {
    let flags = reader.short()?;
    if flags & Property::FLAGS_UNKNOWN == 0 { Ok(flags) } else { Err(DecodeError::UnknownProperties(flags)) }
}

impl BasicProperties {
    /// Reads property flags and property list. Strings share their bytes.
    ///
    /// # Errors
    /// When the list is cut short or damaged, the flags name unknown properties, or bytes follow the list.
    pub fn decode(raw: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&raw);
        let mut list = List { flags: read_flags(&mut reader)?, reader };
        let properties = BasicProperties {
            content_type: list.next(Property::ContentType, Reader::short_str)?,
            content_encoding: list.next(Property::ContentEncoding, Reader::short_str)?,
            headers: list.next(Property::Headers, Reader::table)?,
            delivery_mode: list.next(Property::DeliveryMode, Reader::octet)?,
            priority: list.next(Property::Priority, Reader::octet)?,
            correlation_id: list.next(Property::CorrelationId, Reader::short_str)?,
            reply_to: list.next(Property::ReplyTo, Reader::short_str)?,
            expiration: list.next(Property::Expiration, Reader::short_str)?,
            message_id: list.next(Property::MessageId, Reader::short_str)?,
            timestamp: list.next(Property::Timestamp, Reader::longlong)?,
            type_: list.next(Property::Type, Reader::short_str)?,
            user_id: list.next(Property::UserId, Reader::short_str)?,
            app_id: list.next(Property::AppId, Reader::short_str)?,
            cluster_id: list.next(Property::ClusterId, Reader::short_str)?,
        };
        list.reader.finish()?;
        Ok(properties)
    }

    /// Appends property flags and property list.
    ///
    /// # Panics
    /// When the headers have 4 GiB or more.
    pub fn encode(&self, buf: &mut BytesMut) {
        buf.put_u16(self.flags());
        put_short_str(buf, self.content_type.as_ref());
        put_short_str(buf, self.content_encoding.as_ref());
        if let Some(headers) = &self.headers {
            table::encode(headers, buf);
        }
        for octet in [self.delivery_mode, self.priority].into_iter().flatten() {
            buf.put_u8(octet);
        }
        put_short_str(buf, self.correlation_id.as_ref());
        put_short_str(buf, self.reply_to.as_ref());
        put_short_str(buf, self.expiration.as_ref());
        put_short_str(buf, self.message_id.as_ref());
        if let Some(seconds) = self.timestamp {
            buf.put_u64(seconds);
        }
        put_short_str(buf, self.type_.as_ref());
        put_short_str(buf, self.user_id.as_ref());
        put_short_str(buf, self.app_id.as_ref());
        put_short_str(buf, self.cluster_id.as_ref());
    }

    /// Property flags and property list in bytes of their own.
    ///
    /// # Panics
    /// When the headers have 4 GiB or more.
    pub fn to_bytes(&self) -> Bytes {
        let mut buf = BytesMut::new();
        self.encode(&mut buf);
        buf.freeze()
    }

    fn flags(&self) -> u16 {
        let present = [
            (self.content_type.is_some(), Property::ContentType),
            (self.content_encoding.is_some(), Property::ContentEncoding),
            (self.headers.is_some(), Property::Headers),
            (self.delivery_mode.is_some(), Property::DeliveryMode),
            (self.priority.is_some(), Property::Priority),
            (self.correlation_id.is_some(), Property::CorrelationId),
            (self.reply_to.is_some(), Property::ReplyTo),
            (self.expiration.is_some(), Property::Expiration),
            (self.message_id.is_some(), Property::MessageId),
            (self.timestamp.is_some(), Property::Timestamp),
            (self.type_.is_some(), Property::Type),
            (self.user_id.is_some(), Property::UserId),
            (self.app_id.is_some(), Property::AppId),
            (self.cluster_id.is_some(), Property::ClusterId),
        ];
        present.into_iter().filter(|(is_some, _)| *is_some).fold(0, |flags, (_, property)| flags | property.flag())
    }
}

/// The same properties with one header set, as the last, instead of those of that name. Nothing else is decoded.
///
/// # Errors
/// When the properties or the headers are damaged.
///
/// # Panics
/// When the headers would have 4 GiB or more.
pub fn set_header(raw: &Bytes, name: &ShortStr, value: &FieldValue) -> Result<Bytes, DecodeError> {
    let view = PropertiesView::new(raw)?;
    let (before, after) = view.around_headers();
    let old = view.headers_raw();
    let mut buf = BytesMut::with_capacity(raw.len() + 64 + name.len());
    buf.put_u16(view.flags() | Property::Headers.flag());
    buf.put_slice(before);
    let mut copied = Ok(());
    write::with_length(&mut buf, |buf| {
        if let Some(old) = &old {
            copied = table::copy_entries(old, |other| other != name.as_bytes(), buf);
        }
        table::write_entry(buf, name.as_bytes(), value);
    });
    copied?;
    buf.put_slice(after);
    Ok(buf.freeze())
}

/// A property list that is read in order.
struct List<'a> {
    flags: u16,
    reader: Reader<'a>,
}

impl<'a> List<'a> {
    fn next<T>(
        &mut self,
        property: Property,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.flags & property.flag() == 0 { Ok(None) } else { read(&mut self.reader).map(Some) }
    }
}

fn put_short_str(buf: &mut BytesMut, text: Option<&ShortStr>) {
    if let Some(text) = text {
        write::short_str(buf, text.as_bytes());
    }
}

#[cfg(test)]
mod tests;
