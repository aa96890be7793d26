//! What a node takes from its surroundings: a network and a wall clock. A running node has TCP and the machine's clock; a simulation
//! brings its own.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use futures_util::StreamExt;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Error, server::Router};

use crate::{api::BoxFuture, clock::Clock, inspect::Witness};

/// Where a node lives. The default is the machine that it runs on.
#[derive(Clone, Debug)]
pub struct Environment {
    /// How nodes reach each other.
    pub network: Arc<dyn Network>,
    /// The time of day.
    pub clock: Clock,
    /// Who is told what its replicas apply.
    pub witness: Option<Arc<dyn Witness>>,
}

impl Default for Environment {
    fn default() -> Self {
        Environment { network: Arc::new(Tcp), clock: Clock::default(), witness: None }
    }
}

/// How nodes reach each other. Called once for each connection, never for what goes over it.
pub trait Network: fmt::Debug + Send + Sync + 'static {
    /// Connects to a peer.
    fn connect(&self, endpoint: Endpoint) -> BoxFuture<Result<Channel, Error>>;

    /// A channel that connects when it is used first, and again when that connection broke.
    fn connect_lazily(&self, endpoint: &Endpoint) -> Channel;

    /// Listens for peers on this address.
    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<Box<dyn Listening>>>;
}

/// An address on which a node listens.
pub trait Listening: Send + 'static {
    /// Serves those who come, until it is dropped.
    fn serve(self: Box<Self>, router: Router) -> BoxFuture<Result<(), Error>>;
}

/// The machine's network.
#[derive(Debug)]
struct Tcp;

impl Network for Tcp {
    fn connect(&self, endpoint: Endpoint) -> BoxFuture<Result<Channel, Error>> {
        Box::pin(async move { endpoint.connect().await })
    }

    fn connect_lazily(&self, endpoint: &Endpoint) -> Channel {
        endpoint.connect_lazy()
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<Box<dyn Listening>>> {
        Box::pin(async move {
            let listening: Box<dyn Listening> = Box::new(TcpListener::bind(address).await?);
            Ok(listening)
        })
    }
}

impl Listening for TcpListener {
    fn serve(self: Box<Self>, router: Router) -> BoxFuture<Result<(), Error>> {
        // The builder's own `tcp_nodelay` does not reach connections that are handed in. Without it a follower's small answers wait
        // for the leader's delayed acknowledgement: 40 ms.
        let connections = TcpListenerStream::new(*self).map(|accepted| {
            let stream = accepted?;
            stream.set_nodelay(true)?;
            Ok::<_, io::Error>(stream)
        });
        Box::pin(router.serve_with_incoming(connections))
    }
}
