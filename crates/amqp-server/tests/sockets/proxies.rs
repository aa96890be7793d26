//! Clients behind proxies, and clients that claim to be.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    PATIENCE, Server,
    client::{Client, short},
};

/// A server that trusts the proxies of a network.
fn behind(network: &str) -> Server {
    Server::start(|config| config.proxy_protocol_from = vec![network.parse().unwrap()])
}

/// What the server says to these bytes until it closes.
async fn answer(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // The socket may be reset or closed.
    timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap().ok();
    answer
}

#[tokio::test]
async fn a_client_is_known_by_the_address_that_its_proxy_names() {
    let server = behind("127.0.0.0/8");
    // The user guest may come from loopback addresses only.
    let mut client = Client::connect_behind(server.address, b"PROXY TCP4 127.0.0.9 127.0.0.1 49152 5672\r\n").await;
    client.declare("q").await;
    let from_v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\x7F\0\0\x09\x7F\0\0\x01\xC0\0\x16\x28";
    Client::connect_behind(server.address, from_v2).await.declare("q").await;
    let mut stranger = Client::start_behind(server.address, b"PROXY TCP4 192.0.2.7 127.0.0.1 49152 5672\r\n").await;
    assert!(stranger.is_closed_by_server().await);
    server.stop().await;
}

#[tokio::test]
async fn a_proxy_may_speak_for_itself() {
    let server = behind("127.0.0.1/32");
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    Client::connect_behind(server.address, local).await.declare("q").await;
    Client::connect_behind(server.address, b"PROXY UNKNOWN\r\n").await.declare("q").await;
    // And may look whether somebody listens.
    drop(TcpStream::connect(server.address).await.unwrap());
    server.stop().await;
}

#[tokio::test]
async fn the_header_may_come_byte_by_byte() {
    let server = behind("127.0.0.0/8");
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    for byte in b"PROXY TCP4 127.0.0.9 127.0.0.1 49152 5672\r\nAMQP\0\0\x09\x01" {
        socket.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut start = [0; 11];
    timeout(PATIENCE, socket.read_exact(&mut start)).await.unwrap().unwrap();
    assert_eq!((start[0], &start[7..]), (1, &[0, 10, 0, 10][..]));
    server.stop().await;
}

#[tokio::test]
async fn without_a_header_a_proxy_is_not_served() {
    let server = behind("127.0.0.0/8");
    assert_eq!(answer(&server, b"AMQP\0\0\x09\x01").await, b"");
    let endless = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF"[..], &[0; 4096]].concat();
    assert_eq!(answer(&server, &endless).await, b"");
    server.stop().await;
}

#[tokio::test]
async fn a_proxy_that_says_nothing_is_not_waited_for() {
    let server = Server::start(|config| {
        config.proxy_protocol_from = vec!["127.0.0.0/8".parse().unwrap()];
        let connection = amqp_connection::Config { handshake_timeout_ms: 50, ..amqp_connection::Config::default() };
        config.connection = Arc::new(connection);
        config.shutdown_patience = Duration::from_secs(10);
    });
    assert_eq!(answer(&server, b"PROXY TCP4").await, b"");
    server.stop().await;
}

#[tokio::test]
async fn nobody_else_may_name_another_address() {
    let server = behind("192.0.2.0/24");
    let header = b"PROXY TCP4 127.0.0.9 127.0.0.1 49152 5672\r\nAMQP\0\0\x09\x01";
    assert_eq!(answer(&server, header).await, b"AMQP\0\0\x09\x01");
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.declare("q").await.queue, short("q"));
    server.stop().await;
}
