//! Changes of leader, and groups that take this node for dead.

use ::queue::{Command, QueueConfig};
use amqp_codec::{
    ReplyCode,
    methods::{basic, queue},
};
use metadata::{DeclareQueue, Home, NodeGone};
use replication::{Groups, Sessions};
use types::{Blob, FieldTable, GroupId, NodeId, QueueId, SessionId};

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
    let text =
        "failed consuming from queue 'q' in vhost '/': no majority of its replicas answered in time, try again later";
    client.expect_connection_error(ReplyCode::InternalError, text).await;
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

#[tokio::test]
async fn a_consumer_whose_group_gives_up_on_its_acks_is_told() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    client.publish("", "q", "m");
    client.expect_delivery().await;
    fake.hold();
    client.ack(1, false);
    fake.fail_held();
    let text = "a queue of this channel does not answer: no majority of its replicas can be reached";
    client.expect_connection_error(ReplyCode::InternalError, text).await;
}

#[tokio::test]
async fn consumers_of_a_queue_in_a_dead_nodes_memory_are_cancelled() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let home = Home { node: NodeId(2), boot: 1 };
    let (queue, group) = declare_in_memory_of(&fake, home);
    let create = Command::CreateQueue { queue, config: QueueConfig::default() };
    fake.submit(group, SessionId::default(), 0, vec![create], Blob::default());
    client.consume("q", "c").await;
    fake.change(metadata::Command::NodeGone(NodeGone { home, heir: None }));
    assert_eq!(client.expect::<basic::Cancel>().await.consumer_tag, short("c"));
}

#[tokio::test]
async fn a_queue_of_a_dead_nodes_memory_begins_anew_in_its_heirs() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let home = Home { node: NodeId(2), boot: 1 };
    declare_in_memory_of(&fake, home);
    let heir = Some(broker.config().home());
    fake.change(metadata::Command::NodeGone(NodeGone { home, heir }));
    client.publish("", "q", "m");
    client.send(1, queue::Declare { queue: short("q"), passive: true, ..queue::Declare::default() });
    assert_eq!(client.expect::<queue::DeclareOk>().await.message_count, 1);
}

/// The transient queue `q`, declared on another node.
fn declare_in_memory_of(fake: &Fake, home: Home) -> (QueueId, GroupId) {
    let declared = fake.change(metadata::Command::DeclareQueue(DeclareQueue {
        vhost: short("/"),
        name: short("q"),
        default_type: None,
        server_named: false,
        durable: false,
        auto_delete: false,
        exclusive: false,
        arguments: FieldTable::default(),
        connection: metadata::ConnectionId { node: home.node, serial: 1 },
        home,
        group: GroupId::local(home.node),
    }));
    let metadata::Reply::Queue { queue, group, .. } = declared else { panic!("{declared:?}") };
    assert_eq!(group, GroupId::local(home.node));
    (queue, group)
}
