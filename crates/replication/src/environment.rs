//! What a node takes from its surroundings: a network and a wall clock. A running node has TCP and the machine's clock; a simulation
//! brings its own.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::StreamExt;
use hyper_util::client::legacy::connect::HttpConnector;
use socket2::SockRef;
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

/// How long the other machine may leave bytes without TCP's acknowledgement. Its kernel does that within moments, however busy its
/// processes are. A connection that was cut off for a while would be tried again ever more rarely, and stay dead for as long as it
/// was cut off when all is well again; a new one is there at once.
const UNACKED_MAX: Duration = Duration::from_millis(1500);

/// Makes connections to peers.
fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_tcp_user_timeout(Some(UNACKED_MAX));
    connector
}

/// The machine's network.
#[derive(Debug)]
struct Tcp;

impl Network for Tcp {
    fn connect(&self, endpoint: Endpoint) -> BoxFuture<Result<Channel, Error>> {
        Box::pin(async move { endpoint.connect_with_connector(connector()).await })
    }

    fn connect_lazily(&self, endpoint: &Endpoint) -> Channel {
        endpoint.connect_with_connector_lazy(connector())
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
            SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKED_MAX))?;
            Ok::<_, io::Error>(stream)
        });
        Box::pin(router.serve_with_incoming(connections))
    }
}
