//! The nodes' network: turmoil's TCP under tonic.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::stream;
use hyper_util::rt::TokioIo;
use replication::{BoxFuture, Listening, Network};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::{
    codegen::http::Uri,
    transport::{Channel, Endpoint, Error, server::Connected, server::Router},
};
use tower_service::Service;
use turmoil::net::{TcpListener, TcpStream};

use crate::world::World;

/// The network as one node sees it.
#[derive(Clone, Debug)]
pub(crate) struct SimNetwork {
    pub(crate) world: Arc<World>,
}

impl Network for SimNetwork {
    fn connect(&self, endpoint: Endpoint) -> BoxFuture<Result<Channel, Error>> {
        let connector = self.clone();
        Box::pin(async move { endpoint.connect_with_connector(connector).await })
    }

    fn connect_lazily(&self, endpoint: &Endpoint) -> Channel {
        endpoint.connect_with_connector_lazy(self.clone())
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<Box<dyn Listening>>> {
        Box::pin(async move {
            let listening: Box<dyn Listening> = Box::new(Door(TcpListener::bind(address).await?));
            Ok(listening)
        })
    }
}

impl Service<Uri> for SimNetwork {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = BoxFuture<io::Result<TokioIo<TcpStream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let world = Arc::clone(&self.world);
        Box::pin(async move {
            let (host, port) = (uri.host().unwrap_or_default().to_owned(), uri.port_u16().unwrap_or_default());
            match TcpStream::connect((host.as_str(), port)).await {
                Ok(stream) => Ok(TokioIo::new(stream)),
                // A lost SYN is refused here, too. But nobody refuses where there is a process: the caller's patience ends instead.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && !world.refuses(&host) => {
                    std::future::pending().await
                }
                Err(error) => Err(error),
            }
        })
    }
}

/// Where a node listens.
struct Door(TcpListener);

impl Listening for Door {
    fn serve(self: Box<Self>, router: Router) -> BoxFuture<Result<(), Error>> {
        let accepted = stream::unfold(*self, |door| async move {
            let accepted = door.0.accept().await.map(|(stream, _)| Accepted(stream));
            Some((accepted, door))
        });
        Box::pin(router.serve_with_incoming(accepted))
    }
}

/// A peer's connection.
struct Accepted(TcpStream);

impl Connected for Accepted {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Accepted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
