//! Alarms block connections that publish.

use amqp_codec::methods::connection;

use crate::{
    client::{Client, short},
    fake::Fake,
};

#[tokio::test]
async fn an_alarm_blocks_publishers_until_it_is_cleared() {
    let (_fake, broker) = Fake::start();
    let mut publisher = Client::connect(&broker).await;
    let mut consumer = Client::connect(&broker).await;
    publisher.declare("q").await;
    publisher.publish("", "q", "m");
    broker.set_alarm(Some("low on disk"));
    assert_eq!(publisher.expect::<connection::Blocked>().await.reason, short("low on disk"));
    assert!(!publisher.session.wants_input());
    assert!(consumer.heard_so_far().await.is_empty());
    assert!(consumer.session.wants_input());
    broker.set_alarm(None);
    publisher.expect::<connection::Unblocked>().await;
    assert!(publisher.session.wants_input());
}

#[tokio::test]
async fn the_first_publish_under_an_alarm_is_taken_and_blocks() {
    let (_fake, broker) = Fake::start();
    broker.set_alarm(Some("low on memory"));
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "m");
    client.expect::<connection::Blocked>().await;
    assert!(!client.session.wants_input());
    broker.set_alarm(None);
    client.expect::<connection::Unblocked>().await;
    assert_eq!(client.declare("q").await.message_count, 1);
}
