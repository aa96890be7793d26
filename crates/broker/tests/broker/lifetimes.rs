//! What ends with a consumer, a channel or a connection.

use amqp_codec::methods::{basic, channel, connection, queue};

use crate::{
    client::{Client, consume, short},
    fake::Fake,
};

fn auto_delete(name: &str) -> queue::Declare {
    queue::Declare { queue: short(name), auto_delete: true, durable: true, ..queue::Declare::default() }
}

async fn exists(client: &mut Client, name: &str) -> bool {
    client.open_channel(9).await;
    client.send(9, queue::Declare { queue: short(name), passive: true, ..queue::Declare::default() });
    match client.hear().await.method {
        amqp_codec::Method::QueueDeclareOk(_) => {
            client.send(9, channel::Close { reply_code: 200, ..channel::Close::default() });
            client.expect::<channel::CloseOk>().await;
            true
        }
        amqp_codec::Method::ChannelClose(_) => {
            client.send(9, channel::CloseOk {});
            false
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_auto_delete_queue_goes_before_the_cancel_ok_of_its_last_consumer() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, auto_delete("q"));
    client.expect::<queue::DeclareOk>().await;
    client.consume("q", "c").await;
    client.consume("q", "d").await;
    client.send(1, basic::Cancel { consumer_tag: short("c"), no_wait: false });
    client.expect::<basic::CancelOk>().await;
    assert!(exists(&mut client, "q").await);
    client.send(1, basic::Cancel { consumer_tag: short("d"), no_wait: false });
    client.expect::<basic::CancelOk>().await;
    assert!(!exists(&mut client, "q").await);
}

#[tokio::test]
async fn an_auto_delete_queue_goes_with_the_channel_of_its_last_consumer() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, auto_delete("q"));
    client.expect::<queue::DeclareOk>().await;
    client.consume("q", "c").await;
    client.send(1, channel::Close { reply_code: 200, ..channel::Close::default() });
    client.expect::<channel::CloseOk>().await;
    client.heard_so_far().await;
    assert!(!exists(&mut client, "q").await);
}

#[tokio::test]
async fn an_auto_delete_queue_that_never_had_a_consumer_stays() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let mut other = Client::connect(&broker).await;
    client.send(1, auto_delete("q"));
    client.expect::<queue::DeclareOk>().await;
    client.hang_up();
    drop(client);
    assert!(exists(&mut other, "q").await);
}

#[tokio::test]
async fn an_exclusive_queue_is_gone_when_its_connection_is_closed() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let mut other = Client::connect(&broker).await;
    client.send(1, queue::Declare { queue: short("q"), exclusive: true, ..queue::Declare::default() });
    client.expect::<queue::DeclareOk>().await;
    client.send(0, connection::Close { reply_code: 200, ..connection::Close::default() });
    client.expect::<connection::CloseOk>().await;
    // The answer means that the name is free.
    other.send(1, queue::Declare { queue: short("q"), exclusive: true, ..queue::Declare::default() });
    other.expect::<queue::DeclareOk>().await;
}

#[tokio::test]
async fn a_connection_that_is_dropped_leaves_nothing_behind() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let mut other = Client::connect(&broker).await;
    other.declare("kept").await;
    client.send(1, queue::Declare { queue: short("q"), exclusive: true, ..queue::Declare::default() });
    client.expect::<queue::DeclareOk>().await;
    client.send(1, consume("kept", "c"));
    client.expect::<basic::ConsumeOk>().await;
    other.publish("", "kept", "m");
    client.expect_delivery().await;
    assert_eq!(broker.connection_count(), 2);
    drop(client);
    assert_eq!(broker.connection_count(), 1);
    other.heard_so_far().await;
    assert!(!exists(&mut other, "q").await);
    other.send(1, basic::Get { queue: short("kept"), no_ack: true });
    assert!(other.expect::<basic::GetOk>().await.redelivered);
    assert!(!fake.log().is_empty());
}

#[tokio::test]
async fn a_channel_that_only_published_costs_no_command_at_its_end() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "m");
    fake.clear_log();
    client.send(1, channel::Close { reply_code: 200, ..channel::Close::default() });
    client.expect::<channel::CloseOk>().await;
    assert!(fake.log().is_empty());
}

#[tokio::test]
async fn an_operator_can_close_all_connections() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    broker.close_connections("maintenance");
    client.expect_connection_error(amqp_codec::ReplyCode::ConnectionForced, "maintenance").await;
}
