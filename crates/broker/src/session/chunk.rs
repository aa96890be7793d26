//! A chunk in flight: what is to happen when its answers come.

use types::{GroupId, SeqRange};

/// What a channel remembers of a chunk that it submitted.
#[derive(Debug)]
pub(crate) struct PendingChunk {
    /// Who answers.
    pub(crate) group: GroupId,
    /// What it weighs in the connection's bytes in flight.
    pub(crate) bytes: usize,
    /// Publishes that this group alone was given, by their confirm sequence numbers.
    pub(crate) confirms: Vec<SeqRange>,
    /// Publishes that several groups were given: ids in the channel's [`SharedConfirms`](super::confirm::SharedConfirms).
    pub(crate) shared: Vec<u64>,
    /// The position of the command whose answer the channel's operation waits for.
    pub(crate) expected: Option<usize>,
}

impl PendingChunk {
    /// Nothing is expected yet.
    pub(crate) fn new(group: GroupId) -> Self {
        PendingChunk { group, bytes: 0, confirms: Vec::new(), shared: Vec::new(), expected: None }
    }
}
