//! A listener whose connections are bounded in number and in time, so that a slow or silent client costs little.
//!
//! Each connection serves one request (the routes answer `connection: close`), hence one deadline covers the wait for the
//! request's head, its body and the reading of the answer.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};
use tracing::debug;

/// Connections at the same time. Probes and a scraper need a handful; the rest wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 256;

/// How long a connection may last. Prometheus gives up after 10 s by default.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);

/// How much longer it may last when an administrator's request takes its time, such as the import of definitions.
const EXTENSION: Duration = Duration::from_secs(600);

pub(crate) struct BoundedListener {
    inner: TcpListener,
    permits: Arc<Semaphore>,
    time_max: Duration,
}

impl BoundedListener {
    pub(crate) fn new(inner: TcpListener) -> Self {
        Self::with_limits(inner, CONNECTIONS_MAX, CONNECTION_TIME_MAX)
    }

    fn with_limits(inner: TcpListener, connections_max: usize, time_max: Duration) -> Self {
        BoundedListener { inner, permits: Arc::new(Semaphore::new(connections_max)), time_max }
    }
}

impl Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let permit = Arc::clone(&self.permits).acquire_owned().await.expect("nobody closes the semaphore");
        let (stream, peer) = Listener::accept(&mut self.inner).await;
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "http connection without nodelay");
        }
        let is_extended = Arc::new(AtomicBool::new(false));
        (BoundedStream { stream, deadline: Box::pin(sleep(self.time_max)), peer, is_extended, _permit: permit }, peer)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

/// A connection that fails every operation after its deadline.
pub(crate) struct BoundedStream {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    peer: SocketAddr,
    is_extended: Arc<AtomicBool>,
    _permit: OwnedSemaphorePermit,
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Its address.
    pub(crate) address: SocketAddr,
    is_extended: Arc<AtomicBool>,
}

impl Peer {
    /// The connection may last longer. For callers that were authenticated only.
    pub(crate) fn extend(&self) {
        self.is_extended.store(true, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, BoundedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> Self {
        let stream = stream.io();
        Peer { address: stream.peer, is_extended: Arc::clone(&stream.is_extended) }
    }
}

impl BoundedStream {
    fn check_deadline(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) if self.is_extended.swap(false, Ordering::Relaxed) => {
                self.deadline = Box::pin(sleep(EXTENSION));
                self.check_deadline(cx)
            }
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, "http connection took too long")),
        }
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check_deadline(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check_deadline(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_deadline(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_deadline(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn serve_ok(connections_max: usize, time_max: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/", get(|| async { "ok" }));
        let listener = BoundedListener::with_limits(listener, connections_max, time_max);
        let server = async move { drop(axum::serve(listener, app).await) };
        telemetry::spawn(telemetry::TaskKind::Background, "http", server);
        address
    }

    #[tokio::test]
    async fn a_client_that_never_finishes_its_request_is_cut_off() {
        let address = serve_ok(1, Duration::from_millis(20)).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        let mut answer = Vec::new();
        drop(client.read_to_end(&mut answer).await);
        assert!(!String::from_utf8_lossy(&answer).contains("200"));
    }

    #[tokio::test]
    async fn a_connection_beyond_the_limit_waits_until_another_ends() {
        let address = serve_ok(1, Duration::from_secs(60)).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        first.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");

        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(50), second.readable()).await;
        assert!(waited.is_err(), "the second connection is served while the first holds the only place");

        drop(first);
        let mut answer = String::new();
        second.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
