//! Topic permissions: who may publish and bind with which routing keys.

use std::sync::Arc;

use amqp_codec::{
    ReplyCode,
    methods::{queue, queue::BindOk},
};
use broker::Broker;
use metadata::{ClearTopicPermissions, Command, SetTopicPermissions, TopicPermissions};

use crate::{
    client::{Client, short},
    fake::Fake,
};

fn permit(fake: &Fake, write: &str, read: &str) {
    let permissions = TopicPermissions { write: write.into(), read: read.into() };
    let (user, vhost, exchange) = (short("guest"), short("/"), short("amq.topic"));
    fake.change(Command::SetTopicPermissions(SetTopicPermissions { user, vhost, exchange, permissions }));
}

fn bind(exchange: &str, key: &str) -> queue::Bind {
    queue::Bind { queue: short("q"), exchange: short(exchange), routing_key: short(key), ..queue::Bind::default() }
}

async fn client(broker: &Arc<Broker>) -> Client {
    let mut client = Client::connect(broker).await;
    client.declare("q").await;
    client
}

#[tokio::test]
async fn a_key_that_the_user_may_not_publish_is_refused() {
    let (fake, broker) = Fake::start();
    let mut client = client(&broker).await;
    client.publish("amq.topic", "other.1", "before there are any");
    permit(&fake, "^{username}[.]", ".*");
    client.publish("amq.topic", "guest.1", "x");
    client.publish("amq.direct", "other.1", "another type of exchange");
    assert_eq!(client.heard_so_far().await, []);
    client.publish("amq.topic", "other.1", "x");
    let text = "write access to topic 'other.1' in exchange 'amq.topic' in vhost '/' refused for user 'guest'";
    client.expect_channel_error(ReplyCode::AccessRefused, text).await;
}

#[tokio::test]
async fn a_key_that_the_user_may_not_read_cannot_be_bound() {
    let (fake, broker) = Fake::start();
    permit(&fake, ".*", "^a");
    let mut client = client(&broker).await;
    client.send(1, bind("amq.topic", "a.#"));
    client.expect::<BindOk>().await;
    client.send(1, bind("amq.direct", "b"));
    client.expect::<BindOk>().await;
    client.send(1, bind("amq.topic", "b.#"));
    let text = "read access to topic 'b.#' in exchange 'amq.topic' in vhost '/' refused for user 'guest'";
    client.expect_channel_error(ReplyCode::AccessRefused, text).await;
}

#[tokio::test]
async fn without_topic_permissions_all_keys_are_allowed_again() {
    let (fake, broker) = Fake::start();
    permit(&fake, "^$", "^$");
    let (user, vhost) = (short("guest"), short("/"));
    fake.change(Command::ClearTopicPermissions(ClearTopicPermissions { user, vhost, exchange: None }));
    let mut client = client(&broker).await;
    client.send(1, bind("amq.topic", "b.#"));
    client.expect::<BindOk>().await;
    client.publish("amq.topic", "b.1", "x");
    assert_eq!(client.heard_so_far().await, []);
}
