//! The one place that reads the wall clock.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use types::Timestamp;

/// Now, in milliseconds since the Unix epoch. A clock set before 1970 reads as zero.
#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is told to use")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A node's clock. The default is the machine's.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<dyn Fn() -> Timestamp + Send + Sync>>);

impl Clock {
    /// A clock that shows what this says.
    pub fn of(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Clock(Some(Arc::new(now)))
    }

    /// Now, by this clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.as_ref().map_or_else(now, |other| other())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
