//! What a client sends is done in the order in which it was sent, also behind methods that take time.

use amqp_codec::{
    Method,
    methods::{basic, channel, queue},
};

use crate::{
    client::{Client, consume, short},
    fake::Fake,
};

#[tokio::test]
async fn publishes_behind_a_declare_wait_for_it() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.batch(1, queue::Declare { queue: short("q"), durable: true, no_wait: true, ..queue::Declare::default() });
    client.batch_publish("", "q", "m");
    client.batch(1, basic::Get { queue: short("q"), no_ack: true });
    client.work();
    client.expect::<basic::GetOk>().await;
}

#[tokio::test]
async fn other_channels_do_not_wait() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.open_channel(2).await;
    fake.hold();
    client.batch(1, basic::Get { queue: short("q"), no_ack: true });
    client.batch(1, basic::Qos { prefetch_size: 0, prefetch_count: 1, global: false });
    client.batch(2, basic::Qos { prefetch_size: 0, prefetch_count: 1, global: false });
    client.work();
    let heard = client.heard_so_far().await;
    assert_eq!(heard.iter().map(|heard| heard.channel).collect::<Vec<_>>(), [2]);
    fake.release();
    client.expect::<basic::GetEmpty>().await;
    client.expect::<basic::QosOk>().await;
}

#[tokio::test]
async fn what_was_sent_before_a_close_is_done_although_it_waited() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    fake.hold();
    client.batch(1, queue::Purge { queue: short("q"), no_wait: true });
    client.batch_publish("", "q", "m");
    client.batch(1, channel::Close { reply_code: 200, ..channel::Close::default() });
    client.work();
    client.expect::<channel::CloseOk>().await;
    fake.release();
    client.mail().await;
    client.open_channel(1).await;
    assert_eq!(client.declare("q").await.message_count, 1);
}

#[tokio::test]
async fn nothing_counts_after_an_error() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.batch(1, basic::Get { queue: short("missing"), no_ack: true });
    client.batch_publish("", "q", "m");
    client.work();
    client.expect::<channel::Close>().await;
    client.send(1, channel::CloseOk {});
    client.open_channel(1).await;
    assert_eq!(client.declare("q").await.message_count, 0);
}

#[tokio::test]
async fn too_much_behind_a_method_stops_the_reading() {
    let (fake, broker) = Fake::start_with(|config| config.backlog_bytes_max = 4000);
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    fake.hold();
    client.send(1, basic::Get { queue: short("q"), no_ack: true });
    client.publish("", "q", &"x".repeat(5000));
    assert!(!client.session.wants_input());
    fake.release();
    client.take_mail();
    assert!(client.session.wants_input());
    assert_eq!(client.heard_so_far().await.len(), 1);
    assert_eq!(client.declare("q").await.message_count, 1);
}

#[tokio::test]
async fn deliveries_keep_the_order_of_the_publishes() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.send(1, consume("q", "c"));
    client.expect::<basic::ConsumeOk>().await;
    for number in 0..50 {
        client.batch_publish("", "q", &number.to_string());
        if number % 7 == 0 {
            client.work();
        }
    }
    client.work();
    let heard = client.heard_so_far().await;
    let bodies: Vec<String> = heard.iter().map(|heard| String::from_utf8_lossy(&heard.body).into_owned()).collect();
    assert_eq!(bodies, (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(heard.iter().all(|heard| matches!(heard.method, Method::BasicDeliver(_))));
}
