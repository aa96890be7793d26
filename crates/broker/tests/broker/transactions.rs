//! Transactions.

use amqp_codec::{
    ReplyCode,
    methods::{basic, tx},
};

use crate::{client::Client, fake::Fake};

async fn transactional(broker: &std::sync::Arc<broker::Broker>) -> Client {
    let mut client = Client::connect(broker).await;
    client.declare("q").await;
    client.send(1, tx::Select {});
    client.expect::<tx::SelectOk>().await;
    client
}

async fn depth(broker: &std::sync::Arc<broker::Broker>) -> u32 {
    Client::connect(broker).await.declare("q").await.message_count
}

#[tokio::test]
async fn what_is_published_comes_to_its_queue_at_the_commit() {
    let (fake, broker) = Fake::start();
    let mut client = transactional(&broker).await;
    client.publish("", "q", "a");
    client.publish("", "q", "b");
    assert_eq!(depth(&broker).await, 0);
    fake.hold();
    client.send(1, tx::Commit {});
    assert!(client.heard_so_far().await.is_empty(), "the answer waits for the queues");
    fake.release();
    client.expect::<tx::CommitOk>().await;
    assert_eq!(depth(&broker).await, 2);
    // The next transaction has begun.
    client.publish("", "q", "c");
    assert_eq!(depth(&broker).await, 2);
    client.send(1, tx::Commit {});
    client.expect::<tx::CommitOk>().await;
    assert_eq!(depth(&broker).await, 3);
}

#[tokio::test]
async fn an_empty_commit_is_answered_at_once() {
    let (_fake, broker) = Fake::start();
    let mut client = transactional(&broker).await;
    client.send(1, tx::Commit {});
    client.expect::<tx::CommitOk>().await;
}

#[tokio::test]
async fn what_is_rolled_back_has_not_happened() {
    let (_fake, broker) = Fake::start();
    let mut client = transactional(&broker).await;
    client.publish("", "q", "dropped");
    client.send(1, tx::Rollback {});
    client.expect::<tx::RollbackOk>().await;
    client.publish("", "q", "kept");
    client.send(1, tx::Commit {});
    client.expect::<tx::CommitOk>().await;
    client.consume("q", "c").await;
    let (delivery, body) = client.expect_delivery().await;
    assert_eq!(body, "kept");
    client.ack(delivery.delivery_tag, false);
    client.send(1, tx::Rollback {});
    client.expect::<tx::RollbackOk>().await;
    assert!(client.heard_so_far().await.is_empty(), "a rollback does not requeue");
    client.ack(delivery.delivery_tag, false);
    client.send(1, tx::Commit {});
    client.expect::<tx::CommitOk>().await;
    client.hang_up();
    drop(client);
    assert_eq!(depth(&broker).await, 0);
}

#[tokio::test]
async fn what_is_acknowledged_is_done_at_the_commit() {
    let (_fake, broker) = Fake::start();
    let mut client = transactional(&broker).await;
    client.publish("", "q", "m");
    client.send(1, tx::Commit {});
    client.expect::<tx::CommitOk>().await;
    client.qos(1, false).await;
    client.consume("q", "c").await;
    let (first, _) = client.expect_delivery().await;
    client.publish("", "q", "n");
    client.ack(first.delivery_tag, false);
    assert!(client.heard_so_far().await.is_empty(), "the acknowledged message still counts as held");
    client.send(1, tx::Commit {});
    let heard = [client.hear().await.method.name(), client.hear().await.method.name()];
    assert!(heard.contains(&"tx.commit-ok") && heard.contains(&"basic.deliver"), "{heard:?}");
}

#[tokio::test]
async fn returns_come_with_the_commit() {
    let (_fake, broker) = Fake::start();
    let mut client = transactional(&broker).await;
    client.publish_mandatory("", "nowhere", "lost");
    assert!(client.heard_so_far().await.is_empty());
    client.send(1, tx::Commit {});
    assert_eq!(client.expect::<basic::Return>().await.reply_code, 312);
    client.expect::<tx::CommitOk>().await;
}

#[tokio::test]
async fn a_commit_that_a_group_gives_up_has_failed() {
    let (fake, broker) = Fake::start();
    let mut client = transactional(&broker).await;
    client.publish("", "q", "m");
    fake.hold();
    client.send(1, tx::Commit {});
    fake.fail_held();
    client.expect_channel_error(ReplyCode::PreconditionFailed, "partial tx completion").await;
}

#[tokio::test]
async fn a_commit_of_which_a_queue_rejects_a_message_has_failed() {
    let (fake, broker) = Fake::start();
    let mut client = transactional(&broker).await;
    client.publish("", "q", "a");
    client.publish("", "q", "b");
    fake.reject_next(&[(1, 1)]);
    client.send(1, tx::Commit {});
    client.expect_channel_error(ReplyCode::PreconditionFailed, "partial tx completion").await;
}

#[tokio::test]
async fn a_transaction_is_bounded_in_bytes() {
    let (_fake, broker) = Fake::start_with(|config| config.in_flight_bytes_max = 1000);
    let mut client = transactional(&broker).await;
    client.publish("", "q", &"x".repeat(500));
    client.send(1, tx::Rollback {});
    client.expect::<tx::RollbackOk>().await;
    client.publish("", "q", &"x".repeat(500));
    client.publish("", "q", &"x".repeat(500));
    let text = "transaction holds more than 1000 bytes of messages";
    client.expect_channel_error(ReplyCode::PreconditionFailed, text).await;
}
