//! Who waits for operations to be durable.

use std::collections::HashSet;

use types::GroupId;

use crate::{Completion, Error};

/// What to call when a batch is durable.
pub(crate) enum Done {
    /// An append: only the newest of its group is called.
    Append(GroupId, Completion),
    /// Called in any case.
    Each(Completion),
    /// Called with this error, at its place in the order.
    Refused(Completion, Error),
}

impl Done {
    pub(crate) fn refuse(self, error: Error) {
        match self {
            Done::Append(_, done) | Done::Each(done) | Done::Refused(done, _) => done(Err(error)),
        }
    }
}

/// Keeps of each group's appends the newest.
pub(crate) fn newest_appends(mut completions: Vec<Done>) -> Vec<Done> {
    let mut seen = HashSet::new();
    let mut newest_first = Vec::with_capacity(completions.len());
    while let Some(done) = completions.pop() {
        match &done {
            Done::Append(group, _) if !seen.insert(*group) => drop(done),
            Done::Append(..) | Done::Each(_) | Done::Refused(..) => newest_first.push(done),
        }
    }
    newest_first.reverse();
    newest_first
}
