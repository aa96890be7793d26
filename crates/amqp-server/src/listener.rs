//! The accept loop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use broker::Broker;
use socket2::{SockRef, TcpKeepalive};
use telemetry::{Shutdown, TaskKind};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tracing::{info, warn};

use crate::{Config, driver::Driver, metrics};

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
    config: Config,
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
        Ok(Listener { socket: socket.listen(BACKLOG)?, config, broker })
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
        let driver = Driver::new(stream, peer, &self.config, &self.broker, shutdown.clone());
        telemetry::spawn(TaskKind::Connection, "amqp-connection", async move {
            driver.run().await;
            drop(place);
        });
    }
}

fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4))
}
