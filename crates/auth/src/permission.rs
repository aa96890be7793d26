//! What a user may do with exchanges and queues of one vhost.

use std::sync::Arc;

use crate::pattern::{Pattern, PatternCache};

/// What a client is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Create or delete.
    Configure,
    /// Publish, or bind as destination.
    Write,
    /// Consume, or bind as source.
    Read,
}

/// With what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An exchange.
    Exchange,
    /// A queue.
    Queue,
}

/// A user's compiled permissions in a vhost.
#[derive(Clone, Debug)]
pub struct Grants {
    configure: Arc<Pattern>,
    write: Arc<Pattern>,
    read: Arc<Pattern>,
}

impl Access {
    /// RabbitMQ's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Access::Configure => "configure",
            Access::Write => "write",
            Access::Read => "read",
        }
    }
}

impl Kind {
    /// RabbitMQ's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Exchange => "exchange",
            Kind::Queue => "queue",
        }
    }
}

impl Grants {
    /// Compiles a user's patterns, or takes them from the cache.
    pub fn new(cache: &PatternCache, configure: &str, write: &str, read: &str) -> Self {
        Grants { configure: cache.get(configure), write: cache.get(write), read: cache.get(read) }
    }

    /// Whether the user may do that.
    pub fn allows(&self, access: Access, kind: Kind, name: &[u8]) -> bool {
        let pattern = match access {
            Access::Configure => &self.configure,
            Access::Write => &self.write,
            Access::Read => &self.read,
        };
        pattern.matches(permission_name(kind, name))
    }
}

/// The name that patterns are matched with: the default exchange, which has none, goes by `amq.default`.
pub(crate) fn permission_name(kind: Kind, name: &[u8]) -> &[u8] {
    match kind {
        Kind::Exchange if name.is_empty() => b"amq.default",
        Kind::Exchange | Kind::Queue => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_access_has_its_own_pattern() {
        let grants = Grants::new(&PatternCache::new(), "^c", "^w", "^r");
        for (access, name) in [(Access::Configure, "c"), (Access::Write, "w"), (Access::Read, "r")] {
            for kind in [Kind::Exchange, Kind::Queue] {
                for other in ["c", "w", "r"] {
                    assert_eq!(grants.allows(access, kind, other.as_bytes()), name == other);
                }
            }
        }
    }

    #[test]
    fn the_default_exchange_goes_by_amq_default() {
        let named = Grants::new(&PatternCache::new(), "", r"^amq\.default$", "");
        assert!(named.allows(Access::Write, Kind::Exchange, b""));
        assert!(!named.allows(Access::Write, Kind::Queue, b""));
        // The empty pattern allows nothing, not even the exchange without name.
        assert!(!named.allows(Access::Read, Kind::Exchange, b""));
    }
}
