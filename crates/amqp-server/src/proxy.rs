//! The header of the PROXY protocol (version 1 and 2), with which a proxy that is trusted says whose connection it passes on.
//!
//! Exactly the header is taken from the socket: what follows (AMQP, or TLS) is left where it is.

use std::{io, net::SocketAddr, time::Duration};

use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

/// Largest header that is read. What proxies add (a name, a certificate's subject, an identifier) stays below 1 KiB. Unit: bytes.
const HEADER_BYTES_MAX: usize = 2048;

/// There is no header that can be used. The connection is to be closed without a word.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    /// The socket was closed before its first byte: proxies try in this way whether somebody listens.
    #[error("closed without a byte")]
    Probe,
    /// The socket broke.
    #[error("the socket broke")]
    Io(#[from] io::Error),
    /// It did not come in time.
    #[error("no PROXY header in time")]
    TimedOut,
    /// Something else came.
    #[error("not a PROXY header")]
    Malformed,
    /// It is longer than any that is expected.
    #[error("the PROXY header is longer than {HEADER_BYTES_MAX} bytes")]
    TooLong,
}

/// Reads the header at the front of a stream: the client's address, or none when the proxy speaks for itself (to find out
/// whether we are well) or does not know it.
pub(crate) async fn read_header(stream: &mut TcpStream, patience: Duration) -> Result<Option<SocketAddr>, ProxyError> {
    // Cancel safety: a header in part is lost with the connection, which is closed then.
    timeout(patience, read(stream)).await.map_err(|_| ProxyError::TimedOut)?
}

async fn read(stream: &mut TcpStream) -> Result<Option<SocketAddr>, ProxyError> {
    let mut buffer = vec![0; HEADER_BYTES_MAX];
    let mut taken = 0;
    loop {
        let seen = taken + stream.peek(&mut buffer[taken..]).await?;
        if seen == taken {
            return Err(if taken == 0 {
                ProxyError::Probe
            } else {
                io::Error::from(io::ErrorKind::UnexpectedEof).into()
            });
        }
        let (outcome, end) = match parse(&buffer[..seen])? {
            Some((client, len)) => (Some(client), len),
            // All that was seen belongs to the header. Taken, since a peek does not wait for more than is there.
            None => (None, seen),
        };
        // Does not wait: it was seen to be there.
        stream.read_exact(&mut buffer[taken..end]).await?;
        taken = end;
        match outcome {
            Some(client) => return Ok(client),
            None if taken == HEADER_BYTES_MAX => return Err(ProxyError::TooLong),
            None => {}
        }
    }
}

/// The client's address and the header's length; none when it has not come completely.
fn parse(bytes: &[u8]) -> Result<Option<(Option<SocketAddr>, usize)>, ProxyError> {
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    match ProxyHeader::parse(bytes, config) {
        Ok((header, len)) => Ok(Some((header.proxied_address().map(|address| address.source), len))),
        Err(Error::BufferTooShort) => Ok(None),
        Err(_) => Err(ProxyError::Malformed),
    }
}

#[cfg(test)]
mod tests;
