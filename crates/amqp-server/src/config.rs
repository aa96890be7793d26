//! Settings of a listener.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;

/// Settings of a listener.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Port zero: any free port.
    pub address: SocketAddr,
    /// Settings of the protocol, shared by all connections.
    pub connection: Arc<amqp_connection::Config>,
    /// Most connections at once. A client beyond that finds its socket closed.
    pub connections_max: usize,
    /// The networks of proxies that begin each connection with a header of the PROXY protocol (version 1 or 2). From there the
    /// header is required, and the client's address is the one that it names. From anywhere else none is accepted.
    pub proxy_protocol_from: Vec<IpNet>,
    /// How long clients may take to answer `connection.close` when the node stops, before their sockets are dropped.
    pub shutdown_patience: Duration,
}

impl Config {
    /// The usual settings on that address.
    pub fn new(address: SocketAddr, connection: Arc<amqp_connection::Config>) -> Self {
        Config {
            address,
            connection,
            connections_max: 65_536,
            proxy_protocol_from: Vec::new(),
            shutdown_patience: Duration::from_secs(2),
        }
    }

    /// Whether a connection from there must begin with a header of the PROXY protocol.
    pub(crate) fn is_proxy(&self, peer: IpAddr) -> bool {
        // An IPv4 address on a socket of both families is that address still.
        let peer = peer.to_canonical();
        self.proxy_protocol_from.iter().any(|network| network.contains(&peer))
    }
}
