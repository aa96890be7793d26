//! Rewrites properties: what is not named is copied as it came.

use bytes::{BufMut, Bytes, BytesMut};
use types::{FieldValue, ShortStr};

use super::{PropertiesView, Property};
use crate::{DecodeError, table, write};

/// Properties with changes to be made: headers set and removed, other properties set and cleared. Of several changes to the same
/// thing, the last counts.
#[derive(Clone, Debug)]
pub struct PropertiesEdit<'a> {
    view: PropertiesView<'a>,
    /// Headers by name: set, or (without a value) removed.
    headers: Vec<(ShortStr, Option<FieldValue>)>,
    /// Other properties: their encoding, or (without) cleared.
    others: Vec<(Property, Option<Bytes>)>,
}

impl<'a> PropertiesEdit<'a> {
    /// Nothing is changed yet.
    ///
    /// # Errors
    /// As [`PropertiesView::new`].
    pub fn new(raw: &'a Bytes) -> Result<Self, DecodeError> {
        Ok(PropertiesEdit { view: PropertiesView::new(raw)?, headers: Vec::new(), others: Vec::new() })
    }

    /// What was there before.
    pub fn before(&self) -> &PropertiesView<'a> {
        &self.view
    }

    /// Sets a header, instead of all of that name. It becomes the last.
    pub fn set_header(&mut self, name: ShortStr, value: FieldValue) -> &mut Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, Some(value)));
        self
    }

    /// Removes all headers of that name.
    pub fn remove_header(&mut self, name: ShortStr) -> &mut Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, None));
        self
    }

    /// Sets or clears the time to live.
    pub fn set_expiration(&mut self, expiration: Option<&ShortStr>) -> &mut Self {
        self.set_short_str(Property::Expiration, expiration)
    }

    /// Sets or clears the delivery mode.
    pub fn set_delivery_mode(&mut self, mode: Option<u8>) -> &mut Self {
        self.set(Property::DeliveryMode, mode.map(|mode| Bytes::copy_from_slice(&[mode])))
    }

    /// Sets or clears the priority.
    pub fn set_priority(&mut self, priority: Option<u8>) -> &mut Self {
        self.set(Property::Priority, priority.map(|priority| Bytes::copy_from_slice(&[priority])))
    }

    /// Sets or clears where replies go.
    pub fn set_reply_to(&mut self, reply_to: Option<&ShortStr>) -> &mut Self {
        self.set_short_str(Property::ReplyTo, reply_to)
    }

    /// Sets or clears the time stamp. Unit: seconds since the Unix epoch.
    pub fn set_timestamp(&mut self, seconds: Option<u64>) -> &mut Self {
        self.set(Property::Timestamp, seconds.map(|seconds| Bytes::copy_from_slice(&seconds.to_be_bytes())))
    }

    /// Sets or clears the publisher.
    pub fn set_user_id(&mut self, user_id: Option<&ShortStr>) -> &mut Self {
        self.set_short_str(Property::UserId, user_id)
    }

    /// Property flags and property list with all changes; the old ones when there are none.
    ///
    /// # Errors
    /// When the headers are damaged and some are changed.
    ///
    /// # Panics
    /// When the headers would have 4 GiB or more.
    pub fn finish(&self) -> Result<Bytes, DecodeError> {
        if self.headers.is_empty() && self.others.is_empty() {
            return Ok(self.view.raw().clone());
        }
        let mut buf = BytesMut::with_capacity(self.view.raw().len() + 64);
        let flags = self.flags();
        buf.put_u16(flags);
        for property in Property::ALL {
            let changed = self.others.iter().find(|(other, _)| *other == property);
            match changed {
                _ if flags & property.flag() == 0 => {}
                Some((_, encoded)) => buf.put_slice(encoded.as_deref().unwrap_or_default()),
                None if property == Property::Headers && !self.headers.is_empty() => self.write_headers(&mut buf)?,
                None => buf.put_slice(self.view.at(property.place())),
            }
        }
        Ok(buf.freeze())
    }

    /// What is present afterwards. Headers stay when the last of them is removed: an empty table.
    fn flags(&self) -> u16 {
        let mut flags = self.view.flags();
        if self.headers.iter().any(|(_, value)| value.is_some()) {
            flags |= Property::Headers.flag();
        }
        for (property, encoded) in &self.others {
            match encoded {
                Some(_) => flags |= property.flag(),
                None => flags &= !property.flag(),
            }
        }
        flags
    }

    fn write_headers(&self, buf: &mut BytesMut) -> Result<(), DecodeError> {
        let old = self.view.headers_raw();
        let is_kept = |name: &[u8]| self.headers.iter().all(|(changed, _)| changed.as_bytes() != name);
        let mut copied = Ok(());
        write::with_length(buf, |buf| {
            if let Some(old) = &old {
                copied = table::copy_entries(old, is_kept, buf);
            }
            for (name, value) in &self.headers {
                if let Some(value) = value {
                    table::write_entry(buf, name.as_bytes(), value);
                }
            }
        });
        copied
    }

    fn set_short_str(&mut self, property: Property, text: Option<&ShortStr>) -> &mut Self {
        let encoded = text.map(|text| {
            let mut buf = BytesMut::with_capacity(1 + text.len());
            write::short_str(&mut buf, text.as_bytes());
            buf.freeze()
        });
        self.set(property, encoded)
    }

    fn set(&mut self, property: Property, encoded: Option<Bytes>) -> &mut Self {
        self.others.retain(|(other, _)| *other != property);
        self.others.push((property, encoded));
        self
    }
}
