//! What happens, as messages to `amq.rabbitmq.event`.

use std::sync::Arc;

use amqp_codec::{
    Method,
    methods::{basic, queue},
};
use broker::Broker;
use metadata::{Command, Permissions, PutUser, SetPermissions};
use types::{FieldTable, FieldValue};

use crate::{
    client::{Client, consume, short},
    fake::{Fake, password},
};

/// A client with a queue that gets the events of that pattern.
async fn listener(broker: &Arc<Broker>, pattern: &str) -> Client {
    let mut listener = Client::connect(broker).await;
    listener.declare("events").await;
    let bind = queue::Bind {
        queue: short("events"),
        exchange: short("amq.rabbitmq.event"),
        routing_key: short(pattern),
        ..queue::Bind::default()
    };
    listener.send(1, bind);
    listener.expect::<queue::BindOk>().await;
    listener
}

async fn events(listener: &mut Client) -> Vec<(String, FieldTable)> {
    listener.send(1, basic::Consume { no_ack: true, ..consume("events", "e") });
    let heard = listener.heard_so_far().await;
    let events = heard.into_iter().filter_map(|heard| match heard.method {
        Method::BasicDeliver(deliver) => {
            assert!(heard.properties.timestamp.is_some());
            Some((deliver.routing_key.to_string(), heard.properties.headers.unwrap_or_default()))
        }
        _ => None,
    });
    events.collect()
}

fn names(events: &[(String, FieldTable)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

fn text(headers: &FieldTable, name: &str) -> String {
    headers.get(name).and_then(FieldValue::as_str).unwrap_or_else(|| panic!("no {name}: {headers:?}")).to_owned()
}

#[tokio::test]
async fn what_clients_do_is_told() {
    let (_fake, broker) = Fake::start();
    let mut listener = listener(&broker, "#").await;
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "tag").await;
    client.hang_up();
    drop(client);
    let events = events(&mut listener).await;
    // The listener's own consumer is told, too.
    let expected = [
        "connection.created",
        "channel.created",
        "consumer.created",
        "channel.closed",
        "consumer.deleted",
        "connection.closed",
    ];
    let told = names(&events);
    for name in expected {
        assert!(told.contains(&name), "{name}: {told:?}");
    }
    let created = &events.iter().find(|(name, _)| name == "connection.created").unwrap().1;
    assert_eq!((text(created, "user"), text(created, "vhost")), ("guest".into(), "/".into()));
    assert_eq!(text(created, "name"), "127.0.0.1:0 -> 127.0.0.1:0");
    assert!(matches!(created.get("client_properties"), Some(FieldValue::Table(_))));
    let consumer = &events.iter().find(|(name, _)| name == "consumer.created").unwrap().1;
    assert_eq!((text(consumer, "queue"), text(consumer, "consumer_tag")), ("q".into(), "tag".into()));
}

#[tokio::test]
async fn changes_of_users_and_their_permissions_are_told() {
    let (fake, broker) = Fake::start();
    let mut listener = listener(&broker, "*.#").await;
    let put = |password_text: &str, tag: &str| {
        let (user, password, tags) = (short("app"), Some(password(password_text)), vec![short(tag)]);
        fake.change(Command::PutUser(PutUser { user, password, tags }));
    };
    put("one", "monitoring");
    put("two", "administrator");
    let permissions = Permissions { configure: "^c".into(), write: "^w".into(), read: "^r".into() };
    fake.change(Command::SetPermissions(SetPermissions { user: short("app"), vhost: short("/"), permissions }));
    fake.change(Command::DeleteUser { user: short("app") });
    let events = events(&mut listener).await;
    let told: Vec<_> =
        names(&events).into_iter().filter(|name| name.starts_with("user.") || name.starts_with("perm")).collect();
    let expected = [
        "user.created",
        "user.password.changed",
        "user.tags.set",
        "permission.created",
        "permission.deleted",
        "user.deleted",
    ];
    assert_eq!(told, expected);
    let permission = &events.iter().find(|(name, _)| name == "permission.created").unwrap().1;
    assert_eq!((text(permission, "user"), text(permission, "write")), ("app".into(), "^w".into()));
}

#[tokio::test]
async fn logins_alarms_and_changes_of_queues_are_told() {
    let (_fake, broker) = Fake::start();
    let mut listener = listener(&broker, "#").await;
    let loopback = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    Client::log_in(&broker, "guest", "wrong", loopback).await;
    broker.set_alarm(Some("low on disk"));
    broker.set_alarm(None);
    listener.declare("q").await;
    let events = events(&mut listener).await;
    let of = |event: &str| &events.iter().find(|(name, _)| name == event).unwrap_or_else(|| panic!("no {event}")).1;
    assert_eq!(text(of("user.authentication.failure"), "name"), "guest");
    assert_eq!(text(of("alarm.set"), "reason"), "low on disk");
    of("alarm.cleared");
    assert_eq!(text(of("queue.created"), "name"), "q");
    assert_eq!(of("queue.created").get("durable"), Some(&FieldValue::Bool(true)));
}
