//! What operators see of connections, and how they end them.

use amqp_codec::{ReplyCode, methods::basic};
use broker::listing::ConnectionState;
use types::{FieldTable, FieldValue};

use crate::{
    client::{Client, consume, short},
    fake::Fake,
};

/// Lists connections while these clients' tasks run.
async fn list(
    broker: &std::sync::Arc<broker::Broker>,
    clients: &mut [&mut Client],
) -> Vec<broker::listing::Connection> {
    let listing = broker.list_connections();
    tokio::pin!(listing);
    loop {
        tokio::select! {
            biased;
            connections = &mut listing => return connections,
            () = tokio::task::yield_now() => clients.iter_mut().for_each(|client| client.take_mail()),
        }
    }
}

#[tokio::test]
async fn a_connection_is_listed_with_its_channels_and_consumers() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.select_confirms().await;
    client.qos(7, false).await;
    let arguments = FieldTable(vec![(short("x-own"), FieldValue::I32(3))]);
    client.send(1, basic::Consume { arguments: arguments.clone(), exclusive: true, ..consume("q", "tag") });
    client.expect::<basic::ConsumeOk>().await;
    client.publish("", "q", "one");
    assert_eq!(client.heard_so_far().await.len(), 2, "the delivery and the confirm");
    client.open_channel(5).await;
    let listed = list(&broker, &mut [&mut client]).await;
    let [connection] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((&connection.user, &connection.vhost), (&short("guest"), &short("/")));
    assert_eq!(connection.name, "127.0.0.1:0 -> 127.0.0.1:0");
    assert_eq!((connection.state, connection.auth_mechanism.clone()), (ConnectionState::Running, short("PLAIN")));
    assert!(matches!(connection.client_properties.get("capabilities"), Some(FieldValue::Table(_))));
    let [one, five] = &connection.channels[..] else { panic!("{listed:?}") };
    assert_eq!((one.number, one.prefetch, one.confirm, one.unacknowledged), (1, 7, true, 1));
    assert_eq!((five.number, five.confirm, five.consumers.len()), (5, false, 0));
    assert_eq!(five.name(connection), "127.0.0.1:0 -> 127.0.0.1:0 (5)");
    let [consumer] = &one.consumers[..] else { panic!("{listed:?}") };
    assert_eq!((&consumer.tag, &consumer.queue), (&short("tag"), &short("q")));
    assert_eq!((consumer.ack_required, consumer.prefetch, consumer.active, consumer.exclusive), (true, 7, true, true));
    assert_eq!(consumer.arguments, arguments);
}

#[tokio::test]
async fn an_alarm_shows_in_the_state_of_publishers_and_others() {
    let (_fake, broker) = Fake::start();
    let mut publisher = Client::connect(&broker).await;
    let mut other = Client::connect(&broker).await;
    publisher.publish("", "nowhere", "x");
    broker.set_alarm(Some("low on memory"));
    let listed = list(&broker, &mut [&mut publisher, &mut other]).await;
    let states: Vec<_> = listed.iter().map(|connection| connection.state).collect();
    assert_eq!(states, [ConnectionState::Blocked, ConnectionState::Blocking]);
}

#[tokio::test]
async fn an_operator_ends_the_connection_that_was_named() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let mut other = Client::connect(&broker).await;
    let serial = list(&broker, &mut [&mut client, &mut other]).await[0].serial;
    assert!(!broker.close_connection(serial + 1_000_000, "no"));
    assert!(!broker.close_connection_named("1.2.3.4:5 -> 1.2.3.4:6", "no"));
    assert!(broker.close_connection(serial, "Closed via management plugin"));
    client.expect_connection_error(ReplyCode::ConnectionForced, "Closed via management plugin").await;
    assert_eq!(other.heard_so_far().await, []);
    assert_eq!(broker.close_connections_of_vhost(&short("elsewhere"), "no"), 0);
    assert_eq!(broker.close_connections_of_user(&short("guest"), "yes"), 2);
}
