//! The one place that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use types::Timestamp;

/// Now, in milliseconds since the Unix epoch. A clock set before 1970 reads as zero.
#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is told to use")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
