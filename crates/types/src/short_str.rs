//! AMQP's short string: at most 255 bytes, cheap to clone, not necessarily UTF-8.

use std::{borrow::Borrow, fmt};

use bytes::Bytes;

/// A short string (AMQP 0-9-1 §4.2.5.3). Holds any bytes: RabbitMQ does not ask for UTF-8 in routing keys.
///
/// A value cut from a receive buffer keeps that whole buffer alive; [`ShortStr::compact`] makes one that does not.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortStr(Bytes);

/// More than 255 bytes were given for a short string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a short string holds at most 255 bytes, not {0}")]
pub struct ShortStrTooLong(pub usize);

impl ShortStr {
    /// The empty string.
    pub const EMPTY: ShortStr = ShortStr(Bytes::new());

    /// Takes the bytes as they are.
    ///
    /// # Errors
    /// When there are more than 255.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, ShortStrTooLong> {
        if bytes.len() > crate::limits::NAME_BYTES_MAX {
            return Err(ShortStrTooLong(bytes.len()));
        }
        Ok(ShortStr(bytes))
    }

    /// A constant of the program.
    ///
    /// # Panics
    /// When it is longer than 255 bytes.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(text.len() <= crate::limits::NAME_BYTES_MAX, "a short string holds at most 255 bytes");
        ShortStr(Bytes::from_static(text.as_bytes()))
    }

    /// Copies the text.
    ///
    /// # Errors
    /// When it is longer than 255 bytes.
    pub fn copy_from(text: &str) -> Result<Self, ShortStrTooLong> {
        Self::from_bytes(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// Copies as much of the text as fits, cut at a character.
    pub fn truncated(text: &str) -> Self {
        let mut end = text.len().min(crate::limits::NAME_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        ShortStr(Bytes::copy_from_slice(&text.as_bytes()[..end]))
    }

    /// The same text in memory of its own, for values that outlive the buffer they were read from.
    #[must_use]
    pub fn compact(&self) -> Self {
        ShortStr(Bytes::copy_from_slice(&self.0))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, shared.
    pub fn bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// The text, when it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text, with bytes that are not UTF-8 replaced.
    pub fn to_string_lossy(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Borrow<[u8]> for ShortStr {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ShortStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for ShortStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl PartialEq<str> for ShortStr {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for ShortStr {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}
