//! Settings of a listener.

use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Settings of a listener.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Port zero: any free port.
    pub address: SocketAddr,
    /// Settings of the protocol, shared by all connections.
    pub connection: Arc<amqp_connection::Config>,
    /// Most connections at once. A client beyond that finds its socket closed.
    pub connections_max: usize,
    /// How long clients may take to answer `connection.close` when the node stops, before their sockets are dropped.
    pub shutdown_patience: Duration,
}

impl Config {
    /// The usual settings on that address.
    pub fn new(address: SocketAddr, connection: Arc<amqp_connection::Config>) -> Self {
        Config { address, connection, connections_max: 65_536, shutdown_patience: Duration::from_secs(2) }
    }
}
