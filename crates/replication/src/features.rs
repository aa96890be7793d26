//! What nodes understand of what goes into logs, as a level: while a node of an older version is in the cluster, nothing goes into a
//! log that it could not apply (ADR 0036).

/// A level: whoever is at one understands all below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Features(pub u32);

impl Features {
    /// The metadata has commands that change the members of the cluster.
    pub(crate) const MEMBERS: Features = Features(1);
    /// What this version understands. What is new in a log gets the next level, and is proposed only where all are at it.
    pub(crate) const OWN: Features = Features::MEMBERS;
}
