//! Limits that operators set: of vhosts, of users, of the cluster.
//!
//! The machine enforces those on what it holds (queues, exchanges, vhosts). Those on connections and channels it only keeps.

/// A limit of a vhost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VhostLimit {
    /// `max-connections`
    MaxConnections,
    /// `max-queues`
    MaxQueues,
}

/// A limit of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserLimit {
    /// `max-connections`
    MaxConnections,
    /// `max-channels`
    MaxChannels,
}

/// A limit of the whole cluster: a global parameter whose value is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClusterLimit {
    /// `cluster_queue_limit`
    Queues,
    /// `cluster_exchange_limit`; the default exchange of each vhost counts.
    Exchanges,
    /// `vhost_max`
    Vhosts,
}

/// The limits of a vhost as they were set. Below zero is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VhostLimits {
    /// Most connections.
    pub max_connections: Option<i64>,
    /// Most queues.
    pub max_queues: Option<i64>,
}

/// The limits of a user as they were set. Below zero is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserLimits {
    /// Most connections.
    pub max_connections: Option<i64>,
    /// Most channels.
    pub max_channels: Option<i64>,
}

impl VhostLimit {
    /// All of them.
    pub const ALL: [VhostLimit; 2] = [VhostLimit::MaxConnections, VhostLimit::MaxQueues];

    /// The limit of that name.
    pub fn parse(text: &[u8]) -> Option<Self> {
        VhostLimit::ALL.into_iter().find(|limit| limit.as_str().as_bytes() == text)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            VhostLimit::MaxConnections => "max-connections",
            VhostLimit::MaxQueues => "max-queues",
        }
    }
}

impl UserLimit {
    /// All of them.
    pub const ALL: [UserLimit; 2] = [UserLimit::MaxConnections, UserLimit::MaxChannels];

    /// The limit of that name.
    pub fn parse(text: &[u8]) -> Option<Self> {
        UserLimit::ALL.into_iter().find(|limit| limit.as_str().as_bytes() == text)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            UserLimit::MaxConnections => "max-connections",
            UserLimit::MaxChannels => "max-channels",
        }
    }
}

impl ClusterLimit {
    /// The name of the global parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            ClusterLimit::Queues => "cluster_queue_limit",
            ClusterLimit::Exchanges => "cluster_exchange_limit",
            ClusterLimit::Vhosts => "vhost_max",
        }
    }
}

impl VhostLimits {
    /// A limit as it was set.
    pub fn get(&self, limit: VhostLimit) -> Option<i64> {
        match limit {
            VhostLimit::MaxConnections => self.max_connections,
            VhostLimit::MaxQueues => self.max_queues,
        }
    }

    /// A limit that is in force.
    pub fn in_force(&self, limit: VhostLimit) -> Option<u64> {
        in_force(self.get(limit))
    }

    pub(crate) fn slot(&mut self, limit: VhostLimit) -> &mut Option<i64> {
        match limit {
            VhostLimit::MaxConnections => &mut self.max_connections,
            VhostLimit::MaxQueues => &mut self.max_queues,
        }
    }
}

impl UserLimits {
    /// A limit as it was set.
    pub fn get(&self, limit: UserLimit) -> Option<i64> {
        match limit {
            UserLimit::MaxConnections => self.max_connections,
            UserLimit::MaxChannels => self.max_channels,
        }
    }

    /// A limit that is in force.
    pub fn in_force(&self, limit: UserLimit) -> Option<u64> {
        in_force(self.get(limit))
    }

    pub(crate) fn slot(&mut self, limit: UserLimit) -> &mut Option<i64> {
        match limit {
            UserLimit::MaxConnections => &mut self.max_connections,
            UserLimit::MaxChannels => &mut self.max_channels,
        }
    }
}

fn in_force(limit: Option<i64>) -> Option<u64> {
    limit.and_then(|limit| u64::try_from(limit).ok())
}
