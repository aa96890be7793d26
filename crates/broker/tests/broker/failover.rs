//! Changes of leader, and groups that take this node for dead.

use amqp_codec::{
    ReplyCode,
    methods::{basic, queue},
};
use replication::Sessions;

use crate::{
    client::{Client, consume, short},
    fake::{Fake, SHARDS},
};

#[tokio::test]
async fn deliveries_that_are_sent_again_are_dropped() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    client.publish("", "q", "m");
    client.expect_delivery().await;
    fake.reissue(SHARDS[0]);
    assert!(client.heard_so_far().await.is_empty());
    client.ack(1, false);
    assert!(client.heard_so_far().await.is_empty());
}

#[tokio::test]
async fn deliveries_that_a_dead_leader_did_not_send_come_from_the_next() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    client.publish("", "q", "m");
    client.expect_delivery().await;
    fake.hold();
    client.publish("", "q", "n");
    fake.release_by_another_leader();
    let (deliver, body) = client.expect_delivery().await;
    assert_eq!((deliver.delivery_tag, body.as_str()), (2, "n"));
}

#[tokio::test]
async fn a_consume_whose_answer_was_lost_is_asked_again() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "m");
    fake.hold();
    client.send(1, consume("q", "c"));
    fake.release_by_another_leader();
    client.expect::<basic::ConsumeOk>().await;
    assert_eq!(client.expect_delivery().await.1, "m");
    assert!(client.heard_so_far().await.is_empty());
}

#[tokio::test]
async fn a_delete_whose_answer_was_lost_is_done() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    fake.hold();
    client.send(1, queue::Delete { queue: short("q"), ..queue::Delete::default() });
    fake.release_by_another_leader();
    client.expect::<queue::DeleteOk>().await;
    client.send(1, queue::Declare { queue: short("q"), passive: true, ..queue::Declare::default() });
    client.expect_channel_error(ReplyCode::NotFound, "no queue 'q' in vhost '/'").await;
}

#[tokio::test]
async fn a_group_that_gives_up_ends_who_waits_for_it() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    fake.hold();
    client.send(1, consume("q", "c"));
    fake.fail_held();
    client.expect_connection_error(ReplyCode::InternalError, "the queue is not available").await;
}

#[tokio::test]
async fn clients_with_something_in_a_group_that_forgot_them_are_told() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let mut bystander = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    broker.sessions_lost(SHARDS[0]);
    let text = "the cluster took this node for dead and has ended its sessions; consume again on a new channel";
    client.expect_connection_error(ReplyCode::InternalError, text).await;
    assert!(bystander.heard_so_far().await.is_empty());
    bystander.declare("q").await;
}
