//! How many connections and channels there may be: of the node, of a virtual host, of a user.
//!
//! Those of virtual hosts and users hold for all nodes together. A node hears of the others' clients a moment later, so clients that
//! come to several nodes at once can exceed them, as they can with RabbitMQ.

use metadata::{Machine, UserLimit, Vhost, VhostLimit};

use crate::{failure::Failure, session::Shared, usage::Usage};

impl Shared {
    /// Whether the node may have this connection.
    pub(crate) fn check_node_limit(&self) -> Result<(), Failure> {
        let Some(limit) = self.broker.config().connections_max else { return Ok(()) };
        // This one is counted.
        if self.broker.registry().count() <= limit {
            return Ok(());
        }
        Err(Failure::not_allowed(format!("connection refused: node connection limit ({limit}) is reached")))
    }

    /// Whether a virtual host may have one more connection.
    pub(crate) fn check_vhost_limit(&self, vhost: &Vhost) -> Result<(), Failure> {
        let Some(limit) = vhost.limits.in_force(VhostLimit::MaxConnections) else { return Ok(()) };
        if self.broker.usage(Usage::VhostConnections(&vhost.name)) < limit {
            return Ok(());
        }
        let (vhost, user) = (&vhost.name, self.user_name());
        Err(Failure::not_allowed(format!(
            "access to vhost '{vhost}' refused for user '{user}': connection limit ({limit}) is reached"
        )))
    }

    /// Whether the user may have one more connection.
    pub(crate) fn check_user_limit(&self, machine: &Machine) -> Result<(), Failure> {
        let Some(limit) = self.user_limit(machine, UserLimit::MaxConnections) else { return Ok(()) };
        let user = self.user_name();
        if self.broker.usage(Usage::UserConnections(&user)) < limit {
            return Ok(());
        }
        Err(Failure::not_allowed(format!(
            "connection refused for user '{user}': user connection limit ({limit}) is reached"
        )))
    }

    /// Whether the user and the node may have one more channel.
    pub(crate) fn check_channel_limits(&self) -> Result<(), Failure> {
        let config = self.broker.config();
        if let Some(limit) = config.channels_max
            && self.broker.registry().count_channels() >= limit
        {
            let node = &config.node_name;
            return Err(Failure::not_allowed(format!(
                "number of channels opened on node '{node}' has reached the maximum allowed limit of ({limit})"
            )));
        }
        let limit = self.user_limit(&self.broker.metadata().read(), UserLimit::MaxChannels);
        let user = self.user_name();
        match limit {
            Some(limit) if self.broker.usage(Usage::UserChannels(&user)) >= limit => {
                Err(Failure::not_allowed(format!(
                    "number of channels opened for user '{user}' has reached the maximum allowed user limit of ({limit})"
                )))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn user_limit(&self, machine: &Machine, limit: UserLimit) -> Option<u64> {
        machine.user(self.user_name().as_bytes())?.limits.in_force(limit)
    }
}
