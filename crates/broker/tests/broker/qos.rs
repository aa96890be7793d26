//! `basic.qos`.

use amqp_codec::methods::{Method, basic};

use crate::{
    client::{Client, consume, short},
    fake::Fake,
};

async fn with_messages(client: &mut Client, queue: &str, count: usize) {
    client.declare(queue).await;
    for _ in 0..count {
        client.batch_publish("", queue, "m");
    }
    client.work();
}

async fn deliveries(client: &mut Client) -> usize {
    let heard = client.heard_so_far().await;
    heard.iter().filter(|heard| matches!(heard.method, Method::BasicDeliver(_))).count()
}

#[tokio::test]
async fn the_prefetch_holds_for_each_later_consumer() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    with_messages(&mut client, "q", 20).await;
    client.qos(3, false).await;
    client.send(1, consume("q", "c"));
    client.expect::<basic::ConsumeOk>().await;
    assert_eq!(deliveries(&mut client).await, 3);
    client.qos(5, false).await;
    client.send(1, consume("q", "d"));
    client.expect::<basic::ConsumeOk>().await;
    assert_eq!(deliveries(&mut client).await, 5);
    client.ack(2, true);
    assert_eq!(deliveries(&mut client).await, 2);
}

#[tokio::test]
async fn a_global_prefetch_is_shared_by_all_consumers_of_the_channel() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    with_messages(&mut client, "a", 10).await;
    with_messages(&mut client, "b", 10).await;
    client.qos(4, true).await;
    for queue in ["a", "b"] {
        client.send(1, consume(queue, queue));
    }
    assert_eq!(deliveries(&mut client).await, 4);
    for tag in 1..=16 {
        client.ack(tag, false);
        assert_eq!(deliveries(&mut client).await, 1, "each ack makes room for one");
    }
    for tag in 17..=20 {
        client.ack(tag, false);
        assert_eq!(deliveries(&mut client).await, 0);
    }
}

#[tokio::test]
async fn a_global_prefetch_does_not_stop_consumers_that_hold_nothing() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    with_messages(&mut client, "a", 5).await;
    with_messages(&mut client, "b", 5).await;
    client.qos(1, true).await;
    client.send(1, consume("a", "held"));
    assert_eq!(deliveries(&mut client).await, 1);
    client.send(1, basic::Consume { no_ack: true, ..consume("b", "free") });
    assert_eq!(deliveries(&mut client).await, 5);
}

#[tokio::test]
async fn what_a_global_prefetch_keeps_back_returns_uncounted_when_the_channel_ends() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    with_messages(&mut client, "a", 1).await;
    with_messages(&mut client, "b", 1).await;
    client.qos(1, true).await;
    client.send(1, consume("a", "a"));
    client.send(1, consume("b", "b"));
    assert_eq!(deliveries(&mut client).await, 1);
    client.open_channel(2).await;
    client.send(1, amqp_codec::methods::channel::Close { reply_code: 200, ..Default::default() });
    client.expect::<amqp_codec::methods::channel::CloseOk>().await;
    client.send(2, basic::Get { queue: short("b"), no_ack: true });
    let heard = client.hear().await;
    assert!(matches!(heard.method, Method::BasicGetOk(_)));
    assert_eq!(heard.properties.headers, None, "a delivery that the client never saw has not failed");
}
