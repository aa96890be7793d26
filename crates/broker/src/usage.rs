//! What virtual hosts and users have open, on all nodes: under which names it is counted, and when it comes and goes.

use std::sync::atomic::Ordering;

use metadata::ConnectionId;
use types::ShortStr;

use crate::{broker::Broker, registry::Member};

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Usage<'a> {
    /// Connections to a virtual host.
    VhostConnections(&'a ShortStr),
    /// Connections of a user.
    UserConnections(&'a ShortStr),
    /// Channels of a user.
    UserChannels(&'a ShortStr),
}

impl Usage<'_> {
    /// Nodes know it by this name: a letter of its kind, then whose it is.
    fn name(self) -> Vec<u8> {
        let (kind, of) = match self {
            Usage::VhostConnections(vhost) => (b'v', vhost),
            Usage::UserConnections(user) => (b'u', user),
            Usage::UserChannels(user) => (b'c', user),
        };
        [&[kind], of.as_bytes()].concat()
    }
}

impl Broker {
    /// A connection has opened a virtual host.
    pub(crate) fn opened(&self, connection: ConnectionId, user: &ShortStr, vhost: &ShortStr) {
        self.registry().opened(connection.serial, user, vhost);
        self.add(Usage::VhostConnections(vhost), 1);
        self.add(Usage::UserConnections(user), 1);
    }

    /// A connection, which knows its user, has opened a channel.
    pub(crate) fn channel_opened(&self, connection: ConnectionId, user: &ShortStr) {
        self.registry().channel_opened(connection.serial);
        self.add(Usage::UserChannels(user), 1);
    }

    /// A channel of a connection is over.
    pub(crate) fn channel_closed(&self, connection: ConnectionId, user: &ShortStr) {
        self.registry().channel_closed(connection.serial);
        self.add(Usage::UserChannels(user), -1);
    }

    /// A connection is over, with the channels that it had.
    pub(crate) fn uncount(&self, member: &Member) {
        let (Some(user), Some(vhost)) = (&member.user, &member.vhost) else { return };
        self.add(Usage::VhostConnections(vhost), -1);
        self.add(Usage::UserConnections(user), -1);
        let channels = member.channels.load(Ordering::Relaxed);
        self.add(Usage::UserChannels(user), i64::try_from(channels).unwrap_or(i64::MAX).saturating_neg());
    }

    /// How much of it there is on all nodes.
    pub(crate) fn usage(&self, usage: Usage<'_>) -> u64 {
        self.counts().total(&usage.name())
    }

    fn add(&self, usage: Usage<'_>, by: i64) {
        if by != 0 {
            self.counts().add(&usage.name(), by);
        }
    }
}
