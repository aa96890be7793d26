//! The clock of connections: milliseconds since the process began, which never jump.

use std::sync::OnceLock;

use tokio::time::{Duration, Instant};
use types::Timestamp;

fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

/// Now.
pub(crate) fn now() -> Timestamp {
    let elapsed = Instant::now().saturating_duration_since(origin()).as_millis();
    Timestamp(u64::try_from(elapsed).unwrap_or(u64::MAX))
}

/// The moment that a timestamp of this clock stands for.
pub(crate) fn instant(at: Timestamp) -> Instant {
    origin() + Duration::from_millis(at.0)
}
