//! Limits of connections and channels, and what ends with its user and its virtual host.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use amqp_codec::{
    ReplyCode,
    methods::{basic, channel, connection},
};
use broker::Broker;
use metadata::{Command, SetUserLimit, SetVhostLimit, UserLimit, VhostLimit};

use crate::{
    client::{Client, consume, short},
    fake::Fake,
};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn limit_vhost(fake: &Fake, value: i64) {
    let (vhost, limit) = (short("/"), VhostLimit::MaxConnections);
    fake.change(Command::SetVhostLimit(SetVhostLimit { vhost, limit, value: Some(value) }));
}

fn limit_user(fake: &Fake, limit: UserLimit, value: i64) {
    fake.change(Command::SetUserLimit(SetUserLimit { user: short("guest"), limit, value: Some(value) }));
}

async fn expect_refused(broker: &Arc<Broker>, text: &str) {
    let mut client = Client::log_in(broker, "guest", "guest", LOOPBACK).await;
    client.send(0, connection::Open { virtual_host: short("/") });
    client.expect_connection_error(ReplyCode::NotAllowed, text).await;
}

#[tokio::test]
async fn the_node_has_as_many_connections_as_it_may() {
    let (_fake, broker) = Fake::start_with(|config| config.connections_max = Some(1));
    let client = Client::connect(&broker).await;
    expect_refused(&broker, "connection refused: node connection limit (1) is reached").await;
    drop(client);
    Client::connect(&broker).await;
}

#[tokio::test]
async fn a_vhost_has_as_many_connections_as_it_may() {
    let (fake, broker) = Fake::start();
    limit_vhost(&fake, 1);
    let client = Client::connect(&broker).await;
    expect_refused(&broker, "access to vhost '/' refused for user 'guest': connection limit (1) is reached").await;
    drop(client);
    Client::connect(&broker).await;
    limit_vhost(&fake, 0);
    expect_refused(&broker, "access to vhost '/' refused for user 'guest': connection limit (0) is reached").await;
    limit_vhost(&fake, -1);
    Client::connect(&broker).await;
}

#[tokio::test]
async fn a_user_has_as_many_connections_as_it_may() {
    let (fake, broker) = Fake::start();
    limit_user(&fake, UserLimit::MaxConnections, 1);
    let _client = Client::connect(&broker).await;
    expect_refused(&broker, "connection refused for user 'guest': user connection limit (1) is reached").await;
}

#[tokio::test]
async fn a_user_has_as_many_channels_as_it_may() {
    let (fake, broker) = Fake::start();
    limit_user(&fake, UserLimit::MaxChannels, 2);
    let mut one = Client::connect(&broker).await;
    one.open_channel(2).await;
    one.send(2, channel::Close::default());
    one.expect::<channel::CloseOk>().await;
    let _other = Client::connect(&broker).await;
    one.send(2, channel::Open {});
    let text = "number of channels opened for user 'guest' has reached the maximum allowed user limit of (2)";
    let heard = one.heard_so_far().await;
    let Some(amqp_codec::Method::ConnectionClose(close)) = heard.last().map(|heard| heard.method.clone()) else {
        panic!("{heard:?}")
    };
    assert_eq!(close.reply_text, ReplyCode::NotAllowed.reply_text(text));
}

#[tokio::test]
async fn what_other_nodes_have_counts_towards_the_limits_of_vhosts_and_users() {
    let (fake, broker) = Fake::start();
    limit_vhost(&fake, 1);
    fake.count_elsewhere(b"v/", 1);
    expect_refused(&broker, "access to vhost '/' refused for user 'guest': connection limit (1) is reached").await;
    fake.count_elsewhere(b"v/", -1);
    limit_user(&fake, UserLimit::MaxConnections, 1);
    fake.count_elsewhere(b"uguest", 1);
    expect_refused(&broker, "connection refused for user 'guest': user connection limit (1) is reached").await;
    fake.count_elsewhere(b"uguest", -1);
    limit_user(&fake, UserLimit::MaxChannels, 2);
    fake.count_elsewhere(b"cguest", 1);
    let mut client = Client::connect(&broker).await;
    client.send(2, channel::Open {});
    let text = "number of channels opened for user 'guest' has reached the maximum allowed user limit of (2)";
    expect_channel_refused(&mut client, text).await;
}

#[tokio::test]
async fn nothing_is_counted_of_connections_that_are_over() {
    let (fake, broker) = Fake::start();
    let mut closing = Client::connect(&broker).await;
    closing.open_channel(2).await;
    closing.send(2, channel::Close::default());
    closing.expect::<channel::CloseOk>().await;
    closing.send(0, connection::Close::default());
    closing.expect::<connection::CloseOk>().await;
    let broken = Client::connect(&broker).await;
    assert!(!fake.counts_nothing());
    drop((closing, broken));
    assert!(fake.counts_nothing());
}

#[tokio::test]
async fn the_node_has_as_many_channels_as_it_may() {
    let (_fake, broker) = Fake::start_with(|config| config.channels_max = Some(1));
    let mut client = Client::connect(&broker).await;
    client.send(2, channel::Open {});
    let text = "number of channels opened on node 'quorate@1' has reached the maximum allowed limit of (1)";
    expect_channel_refused(&mut client, text).await;
}

/// The client was told that its channel is one too many.
async fn expect_channel_refused(client: &mut Client, text: &str) {
    let heard = client.heard_so_far().await;
    let Some(amqp_codec::Method::ConnectionClose(close)) = heard.last().map(|heard| heard.method.clone()) else {
        panic!("{heard:?}")
    };
    assert_eq!(close.reply_text, ReplyCode::NotAllowed.reply_text(text));
}

#[tokio::test]
async fn a_channel_has_as_many_consumers_as_it_may() {
    let (_fake, broker) = Fake::start_with(|config| config.consumers_per_channel_max = 2);
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "one").await;
    client.consume("q", "two").await;
    client.send(1, basic::Cancel { consumer_tag: short("one"), no_wait: false });
    client.expect::<basic::CancelOk>().await;
    client.consume("q", "three").await;
    client.send(1, consume("q", "four"));
    client.expect_connection_error(ReplyCode::NotAllowed, "reached maximum (2) of consumers per channel").await;
}

#[tokio::test]
async fn connections_end_with_their_user() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.change(Command::DeleteUser { user: short("guest") });
    client.expect_connection_error(ReplyCode::ConnectionForced, "user 'guest' is deleted").await;
}

#[tokio::test]
async fn connections_end_with_their_vhost() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.change(Command::DeleteVhost { vhost: short("/") });
    client.expect_connection_error(ReplyCode::ConnectionForced, "vhost '/' is deleted").await;
}
