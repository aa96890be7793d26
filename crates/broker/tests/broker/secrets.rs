//! `connection.update-secret`: what a client may do is looked up anew.

use amqp_codec::{
    ReplyCode,
    methods::{basic, connection},
};
use bytes::Bytes;
use metadata::{ClearPermissions, Command, Permissions, SetPermissions};

use crate::{
    client::{Client, short},
    fake::Fake,
};

fn update() -> connection::UpdateSecret {
    connection::UpdateSecret { new_secret: Bytes::from_static(b"new"), reason: short("renewed") }
}

fn may_read(fake: &Fake, read: &str) {
    let permissions = Permissions { configure: ".*".into(), write: ".*".into(), read: read.into() };
    let (user, vhost) = (short("guest"), short("/"));
    fake.change(Command::SetPermissions(SetPermissions { user, vhost, permissions }));
}

#[tokio::test]
async fn consumers_that_are_not_allowed_any_more_are_cancelled() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    for name in ["kept", "lost"] {
        client.declare(name).await;
        client.consume(name, name).await;
    }
    client.send(0, update());
    client.expect::<connection::UpdateSecretOk>().await;
    may_read(&fake, "^kept$");
    client.send(0, update());
    assert_eq!(client.expect::<basic::Cancel>().await.consumer_tag, "lost");
    client.expect::<connection::UpdateSecretOk>().await;
    client.publish("", "lost", "nobody gets it");
    client.publish("", "kept", "x");
    assert_eq!(client.expect_delivery().await.1, "x");
    assert_eq!(client.heard_so_far().await, []);
}

#[tokio::test]
async fn a_client_that_may_not_enter_the_vhost_any_more_is_told_so() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.change(Command::ClearPermissions(ClearPermissions { user: short("guest"), vhost: short("/") }));
    client.send(0, update());
    let text = "access to vhost '/' refused for user 'guest'";
    client.expect_connection_error(ReplyCode::NotAllowed, text).await;
}
