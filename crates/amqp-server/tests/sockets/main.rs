//! Clients over real sockets: a listener with the broker behind it, and the machines behind that in memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
#[expect(dead_code, reason = "written for the broker's tests, of which these need a part")]
#[path = "../../../broker/tests/broker/fake.rs"]
mod fake;
mod proxies;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use amqp_codec::{
    Method,
    methods::{basic, channel, connection, queue},
};
use amqp_server::{Config, Listener};
use telemetry::{Shutdown, TaskKind};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream, task::JoinHandle, time::Instant, time::timeout};

use crate::{
    client::{Client, short},
    fake::Fake,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a free port.
struct Server {
    fake: Arc<Fake>,
    address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Server {
    fn start(configure: impl FnOnce(&mut Config)) -> Server {
        let (fake, broker) = Fake::start();
        let connection = Arc::new(amqp_connection::Config::default());
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), connection);
        // Most tests end with clients that do not answer any more.
        config.shutdown_patience = Duration::from_millis(100);
        configure(&mut config);
        let listener = Listener::bind(config, broker).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let task = telemetry::spawn(TaskKind::Background, "listener", listener.run(shutdown.clone()));
        Server { fake, address, shutdown, task }
    }

    async fn stop(self) {
        self.shutdown.request("test");
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_through_the_socket_and_back_with_confirms_and_acks() {
    let server = Server::start(|_| {});
    let mut client = Client::connect(server.address).await;
    client.declare("q").await;
    client.select_confirms().await;
    client.send(1, &basic::Consume { queue: short("q"), consumer_tag: short("c"), ..Default::default() });
    client.expect::<basic::ConsumeOk>().await;
    let count = 5000;
    for number in 0..count {
        client.publish("q", format!("message {number}").as_bytes());
    }
    client.flush().await;
    let (mut delivered, mut confirmed) = (0_u64, 0);
    while delivered < count || confirmed < count {
        let heard = client.hear().await;
        match heard.method {
            Method::BasicDeliver(deliver) => {
                assert_eq!(heard.body, format!("message {delivered}").as_bytes());
                delivered += 1;
                if delivered % 100 == 0 {
                    client.send(1, &basic::Ack { delivery_tag: deliver.delivery_tag, multiple: true });
                    client.flush().await;
                }
            }
            Method::BasicAck(ack) => confirmed = ack.delivery_tag,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(client.declare("q").await.message_count, 0);
    client.send(0, &connection::Close { reply_code: 200, ..Default::default() });
    client.expect::<connection::CloseOk>().await;
    assert!(client.is_closed_by_server().await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_directions_full_at_once_do_not_lock_up() {
    let server = Server::start(|_| {});
    let mut client = Client::connect(server.address).await;
    client.declare("q").await;
    client.send(1, &basic::Consume { queue: short("q"), no_ack: true, ..Default::default() });
    client.expect::<basic::ConsumeOk>().await;
    // Far more than the buffers of a socket in each direction, in bodies of several frames.
    let (count, body) = (64_u64, vec![7_u8; 1024 * 1024]);
    let (mut reader, mut writer) = client.split();
    let publishing = async {
        for _ in 0..count {
            writer.publish("q", &body);
            writer.flush().await;
        }
    };
    let consuming = async {
        for _ in 0..count {
            // A client that reads slower than it is sent.
            tokio::task::yield_now().await;
            assert_eq!(reader.hear().await.body, body);
        }
    };
    timeout(PATIENCE, async { tokio::join!(publishing, consuming) }).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_late_gets_everything() {
    let server = Server::start(|_| {});
    let mut client = Client::connect(server.address).await;
    client.declare("q").await;
    client.send(1, &basic::Consume { queue: short("q"), consumer_tag: short("c"), ..Default::default() });
    client.expect::<basic::ConsumeOk>().await;
    let (count, body) = (200_u64, vec![1_u8; 100 * 1024]);
    for _ in 0..count {
        client.publish("q", &body);
    }
    client.flush().await;
    for number in 1..=count {
        let heard = client.hear().await;
        let Method::BasicDeliver(deliver) = heard.method else { panic!("{:?}", heard.method) };
        assert_eq!((deliver.delivery_tag, heard.body.len()), (number, body.len()));
    }
    server.stop().await;
}

/// On one thread, so that a client that keeps it keeps it from all others.
#[tokio::test]
async fn a_client_whose_publishes_take_long_to_route_does_not_hold_up_others() {
    let server = Server::start(|_| {});
    let mut costly = Client::connect(server.address).await;
    let mut other = Client::connect(server.address).await;
    costly.declare("q").await;
    for start in 0..80_u32 {
        // All different, and each matches in very many ways.
        let routing_key = short(&format!("{}{start}.#", "#.*.".repeat(60)));
        costly.send(
            1,
            &queue::Bind { queue: short("q"), exchange: short("amq.topic"), routing_key, ..Default::default() },
        );
        costly.expect::<queue::BindOk>().await;
    }
    costly.select_confirms().await;
    let count = 1500_u64;
    for number in 0..count {
        costly.publish_to("amq.topic", &format!("{number}{}", ".w".repeat(120)), b"");
    }
    let begin = Instant::now();
    costly.flush().await;
    let waiting = async {
        while !matches!(costly.hear().await.method, Method::BasicAck(ack) if ack.delivery_tag == count) {}
        begin.elapsed()
    };
    let asking = async {
        other.declare("other").await;
        begin.elapsed()
    };
    let (all, answered) = timeout(PATIENCE, async { tokio::join!(waiting, asking) }).await.unwrap();
    assert!(answered * 2 < all, "another client was answered after {answered:?} of {all:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_shutdown_closes_connections_in_good_order() {
    let server = Server::start(|config| config.shutdown_patience = PATIENCE);
    let mut client = Client::connect(server.address).await;
    server.shutdown.request("test");
    let close = client.expect::<connection::Close>().await;
    assert_eq!(close.reply_code, 320);
    let text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
    assert_eq!(close.reply_text, short(text));
    client.send(0, &connection::CloseOk {});
    client.flush().await;
    assert!(client.is_closed_by_server().await);
    timeout(PATIENCE, server.task).await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_is_dropped() {
    let server = Server::start(|_| {});
    let client = Client::connect(server.address).await;
    server.stop().await;
    drop(client);
}

#[tokio::test]
async fn another_protocol_is_answered_with_a_header_and_costs_nobody_else() {
    let server = Server::start(|_| {});
    let mut client = Client::connect(server.address).await;
    let mut stranger = TcpStream::connect(server.address).await.unwrap();
    stranger.write_all(b"AMQP\0\0\x09\x02").await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stranger.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"AMQP\0\0\x09\x01");
    let mut garbage = Client::connect(server.address).await;
    garbage.raw(&[9; 64]);
    garbage.flush().await;
    assert_eq!(garbage.expect::<connection::Close>().await.reply_code, 501);
    client.declare("q").await;
    server.stop().await;
}

#[tokio::test]
async fn clients_beyond_the_limit_are_turned_away() {
    let server = Server::start(|config| config.connections_max = 1);
    let mut client = Client::connect(server.address).await;
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let mut answer = Vec::new();
    // The socket may be reset or closed; nothing is said in either case.
    timeout(PATIENCE, second.read_to_end(&mut answer)).await.unwrap().ok();
    assert!(answer.is_empty());
    client.declare("q").await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_returns_what_it_held() {
    let server = Server::start(|_| {});
    let mut client = Client::connect(server.address).await;
    let mut other = Client::connect(server.address).await;
    client.declare("q").await;
    client.send(1, &basic::Consume { queue: short("q"), ..Default::default() });
    client.expect::<basic::ConsumeOk>().await;
    client.publish("q", b"m");
    client.flush().await;
    client.hear().await;
    drop(client);
    other.send(1, &basic::Consume { queue: short("q"), ..Default::default() });
    other.expect::<basic::ConsumeOk>().await;
    let heard = other.hear().await;
    let Method::BasicDeliver(deliver) = heard.method else { panic!("{:?}", heard.method) };
    assert!(deliver.redelivered);
    assert!(!server.fake.log().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn what_was_sent_before_hanging_up_is_done() {
    let server = Server::start(|_| {});
    let mut client = Client::connect(server.address).await;
    client.declare("q").await;
    client.send(1, &queue::Purge { queue: short("q"), no_wait: true });
    client.publish("q", b"m");
    client.send(1, &channel::Close { reply_code: 200, ..Default::default() });
    client.flush().await;
    client.expect::<channel::CloseOk>().await;
    drop(client);
    let mut other = Client::connect(server.address).await;
    assert_eq!(other.declare("q").await.message_count, 1);
    server.stop().await;
}
