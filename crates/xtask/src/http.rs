//! A GET over HTTP/1.1 to a node of a local cluster, and nothing more.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result};

/// Long enough for a busy node, short enough for a person who waits.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Status code and body of `GET path`.
///
/// # Errors
/// When nothing listens there, or what listens does not speak HTTP.
pub fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let socket: SocketAddr = address.parse().with_context(|| format!("{address} is not an address"))?;
    let mut stream = TcpStream::connect_timeout(&socket, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("{address}{path} did not answer in HTTP"))
}

/// HTTP/1.0 asks for an answer that ends with the connection and is not chunked.
fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_read_and_anything_else_is_refused() {
        assert_eq!(parse("HTTP/1.1 503 No\r\nA: b\r\n\r\nnot yet"), Some((503, "not yet".to_owned())));
        assert_eq!(parse("AMQP\0\0\u{9}\u{1}"), None);
        assert_eq!(parse("HTTP/1.1 200 OK\r\n"), None);
    }
}
