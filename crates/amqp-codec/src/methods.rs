//! Methods: what a method frame holds (AMQP 0-9-1 §4.2.4). The structs are generated from `spec/amqp0-9-1.txt`, one module
//! per class; decoding shares the payload's bytes and allocates nothing, except for field tables.

use std::fmt;

use bytes::{Bytes, BytesMut};

pub use crate::generated::methods::{Method, access, basic, channel, confirm, connection, exchange, queue, tx};
use crate::{
    DecodeError,
    generated::methods::{self, INFOS},
    reader::Reader,
};

/// What the protocol says about a method, apart from its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodInfo {
    /// The class.
    pub class_id: u16,
    /// The method within the class.
    pub method_id: u16,
    /// As the specification writes it: `basic.publish`.
    pub name: &'static str,
    /// Which side may send it.
    pub sender: Sender,
    /// Whether the sender waits for an answer.
    pub is_synchronous: bool,
    /// Whether a content header and a body follow.
    pub has_content: bool,
}

/// Which side of a connection may send a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Only the client.
    Client,
    /// Only the server.
    Server,
    /// Both.
    Both,
}

/// A method frame's payload cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// The payload has no room for a class and a method.
    #[error("method frame of {0} bytes has no class and method id")]
    NoIds(usize),
    /// There is no such class.
    #[error("unknown class {class_id} (method {method_id})")]
    UnknownClass {
        /// The class id that came.
        class_id: u16,
        /// The method id that came.
        method_id: u16,
    },
    /// The class has no such method.
    #[error("unknown method {method_id} of class {class_id}")]
    UnknownMethod {
        /// The class id that came.
        class_id: u16,
        /// The method id that came.
        method_id: u16,
    },
    /// The arguments do not have the method's layout.
    #[error("malformed arguments of method {method_id} of class {class_id}")]
    Malformed {
        /// The class.
        class_id: u16,
        /// The method.
        method_id: u16,
        /// What is wrong with the arguments.
        source: DecodeError,
    },
}

/// Something that is written as a method: each method's struct, [`Method`], and the borrowed forms of methods with content.
pub trait EncodeMethod {
    /// Ids, name and flags.
    fn info(&self) -> &'static MethodInfo;

    /// Appends the arguments, without the ids in front of them.
    fn encode_arguments(&self, buf: &mut BytesMut);
}

impl MethodInfo {
    /// The method of those ids, as `connection.close` and `channel.close` name the culprit.
    pub fn find(class_id: u16, method_id: u16) -> Option<&'static MethodInfo> {
        let ids = (class_id, method_id);
        let at = INFOS.binary_search_by_key(&ids, |info| (info.class_id, info.method_id)).ok()?;
        INFOS.get(at).copied()
    }

    /// All methods, by class and method id.
    pub fn all() -> impl Iterator<Item = &'static MethodInfo> {
        INFOS.iter().copied()
    }
}

impl fmt::Display for MethodInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Method {
    /// Reads a method frame's payload. Strings share its bytes.
    ///
    /// # Errors
    /// When the class or method is unknown, the arguments are cut short or damaged, or bytes follow them.
    pub fn decode(payload: Bytes) -> Result<Self, MethodError> {
        let mut reader = Reader::new(&payload);
        let (Ok(class_id), Ok(method_id)) = (reader.short(), reader.short()) else {
            return Err(MethodError::NoIds(payload.len()));
        };
        match methods::decode_arguments(class_id, method_id, &mut reader) {
            Ok(method) if reader.is_at_end() => Ok(method),
            Ok(_) => {
                let source = DecodeError::LeftOver(reader.bytes_left());
                Err(MethodError::Malformed { class_id, method_id, source })
            }
            Err(ArgumentsError::Malformed(source)) => Err(MethodError::Malformed { class_id, method_id, source }),
            Err(ArgumentsError::UnknownMethod) => Err(unknown(class_id, method_id)),
        }
    }

    /// Appends ids and arguments: a method frame's payload.
    pub fn encode(&self, buf: &mut BytesMut) {
        let info = self.info();
        buf.extend_from_slice(&info.class_id.to_be_bytes());
        buf.extend_from_slice(&info.method_id.to_be_bytes());
        self.encode_arguments(buf);
    }

    /// The class.
    pub fn class_id(&self) -> u16 {
        self.info().class_id
    }

    /// The method within the class.
    pub fn method_id(&self) -> u16 {
        self.info().method_id
    }

    /// As the specification writes it: `basic.publish`.
    pub fn name(&self) -> &'static str {
        self.info().name
    }

    /// Whether a content header and a body follow.
    pub fn has_content(&self) -> bool {
        self.info().has_content
    }
}

/// Why the arguments of a method cannot be read.
pub(crate) enum ArgumentsError {
    /// There is no such method.
    UnknownMethod,
    /// They do not have the method's layout.
    Malformed(DecodeError),
}

impl From<DecodeError> for ArgumentsError {
    fn from(error: DecodeError) -> Self {
        ArgumentsError::Malformed(error)
    }
}

#[cold]
fn unknown(class_id: u16, method_id: u16) -> MethodError {
    if INFOS.iter().any(|info| info.class_id == class_id) {
        MethodError::UnknownMethod { class_id, method_id }
    } else {
        MethodError::UnknownClass { class_id, method_id }
    }
}

#[cfg(test)]
mod tests;
