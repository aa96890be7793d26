//! Bugs on purpose, for the tests of the simulation: it must find them. A product build has none.

/// A leader counts the answers of followers that have seen a later term. For the whole process.
#[cfg(feature = "mutations")]
pub static ACK_OF_OLD_TERM: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Whether [`ACK_OF_OLD_TERM`] is put in.
#[cfg(feature = "mutations")]
pub(crate) fn ack_of_old_term() -> bool {
    ACK_OF_OLD_TERM.load(std::sync::atomic::Ordering::Relaxed)
}

/// Whether the bug is put in: never.
#[cfg(not(feature = "mutations"))]
pub(crate) const fn ack_of_old_term() -> bool {
    false
}
