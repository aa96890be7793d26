//! The accept loop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use broker::Broker;
use socket2::{SockRef, TcpKeepalive};
use telemetry::{Shutdown, TaskKind};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tracing::{debug, info, warn};

use crate::{
    Config,
    driver::Driver,
    metrics,
    proxy::{self, ProxyError},
};

/// Clients that may wait to be accepted. Many connect at once after a failover.
const BACKLOG: u32 = 1024;
/// How long the loop rests when the system refuses to accept (it has no file descriptors left, as a rule).
const PAUSE: Duration = Duration::from_millis(100);
/// When a silent peer is asked whether it is still there, for clients without heartbeats.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A socket that clients connect to.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    config: Arc<Config>,
    broker: Arc<Broker>,
}

impl Listener {
    /// Binds the address and listens. Clients are served from [`Listener::run`] on.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(config: Config, broker: Arc<Broker>) -> io::Result<Self> {
        let socket = if config.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(config.address)?;
        Ok(Listener { socket: socket.listen(BACKLOG)?, config: Arc::new(config), broker })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves clients until the shutdown; returns when all their connections are closed, or the patience is over.
    pub async fn run(self, shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(self.config.connections_max));
        loop {
            let accepted = tokio::select! {
                () = shutdown.triggered() => break,
                // Cancel safety: a connection that is not accepted stays in the backlog.
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.serve(stream, peer, &places, &shutdown),
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(self.socket);
        let all = u32::try_from(self.config.connections_max).unwrap_or(u32::MAX);
        // The connections have their own deadlines; a little more time lets those that use it up end in order.
        let deadline = self.config.shutdown_patience + Duration::from_secs(1);
        match tokio::time::timeout(deadline, places.acquire_many(all)).await {
            Ok(_) => info!("all connections are closed"),
            Err(_) => warn!("connections were left open at shutdown"),
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, places: &Arc<Semaphore>, shutdown: &Shutdown) {
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            metrics::turned_away();
            warn!(remote = %peer, most = self.config.connections_max, "too many connections, client turned away");
            return;
        };
        if let Err(error) = set_options(&stream) {
            // The client is gone already.
            info!(remote = %peer, %error, "connection lost before it began");
            return;
        }
        let (config, broker, shutdown) = (Arc::clone(&self.config), Arc::clone(&self.broker), shutdown.clone());
        telemetry::spawn(TaskKind::Connection, "amqp-connection", async move {
            let mut stream = stream;
            if let Some(client) = client_behind(&mut stream, peer, &config, &shutdown).await {
                Driver::new(stream, client, &config, &broker, shutdown).run().await;
            }
            drop(place);
        });
    }
}

/// The client's address: the peer's, unless that is a proxy which names another. None if the connection is of no use.
async fn client_behind(
    stream: &mut TcpStream,
    peer: SocketAddr,
    config: &Config,
    shutdown: &Shutdown,
) -> Option<SocketAddr> {
    if !config.is_proxy(peer.ip()) {
        return Some(peer);
    }
    let patience = Duration::from_millis(config.connection.handshake_timeout_ms);
    let header = tokio::select! {
        () = shutdown.triggered() => return None,
        // Cancel safety: the connection is dropped when the other branch is taken.
        header = proxy::read_header(stream, patience) => header,
    };
    match header {
        Ok(client) => Some(client.unwrap_or(peer)),
        Err(error @ ProxyError::Probe) => {
            debug!(remote = %peer, %error, "proxy looked whether somebody listens");
            None
        }
        Err(error) => {
            info!(remote = %peer, %error, "connection of a proxy closed");
            None
        }
    }
}

fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4))
}
