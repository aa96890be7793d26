//! What is wrong with bytes that could not be read.

/// Bytes from a disk or a peer that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} could not be decoded")]
pub struct DecodeError {
    /// What was being read.
    pub what: &'static str,
}

impl DecodeError {
    /// An error about that thing.
    pub fn new(what: &'static str) -> Self {
        DecodeError { what }
    }
}
