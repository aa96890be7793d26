//! Bugs on purpose: each must be found by some seed (`docs/dev/TESTING.md` lists which).

use clap::ValueEnum;

/// A bug that is put into the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mutation {
    /// Syncs are reported that did not happen: a crash loses what was acknowledged.
    SkipFsync,
    /// Votes are acknowledged and never written.
    VoteNotPersisted,
    /// Publishes are confirmed as soon as they are submitted.
    ConfirmBeforeCommit,
    /// Deliveries never carry `redelivered`.
    RedeliveredDropped,
    /// A leader counts the answers of followers that have seen a later term.
    AckOfOldTerm,
    /// With each dead entry's bodies the next entry's go, too.
    GcAheadOfAck,
}

impl Mutation {
    /// What it is called on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
