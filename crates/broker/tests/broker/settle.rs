//! `basic.ack`, `basic.nack`, `basic.reject`, `basic.recover`.

use amqp_codec::{ReplyCode, methods::basic};
use queue::Command;

use crate::{
    client::{Client, consume, short},
    fake::Fake,
};

#[tokio::test]
async fn acks_of_one_batch_are_one_command() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    for _ in 0..4 {
        client.publish("", "q", "m");
        client.expect_delivery().await;
    }
    fake.clear_log();
    for delivery_tag in [1, 2, 4] {
        client.batch(1, basic::Ack { delivery_tag, multiple: false });
        client.batch_publish("", "amq.nowhere", "between");
    }
    client.work();
    let log = fake.log();
    assert_eq!(log.len(), 1);
    let [Command::Settle { ranges, .. }] = &log[0].commands[..] else { panic!("{:?}", log[0].commands) };
    let ranges: Vec<(u64, u64)> = ranges.iter().map(|range| (range.first, range.last)).collect();
    assert_eq!(ranges, [(1, 2), (4, 4)]);
}

#[tokio::test]
async fn an_unknown_delivery_tag_closes_the_channel() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.ack(82, false);
    client.expect_channel_error(ReplyCode::PreconditionFailed, "unknown delivery tag 82").await;
}

#[tokio::test]
async fn a_requeued_message_comes_again_and_says_so() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    client.publish("", "q", "m");
    client.expect_delivery().await;
    client.send(1, basic::Nack { delivery_tag: 1, multiple: false, requeue: true });
    let (again, body) = client.expect_delivery().await;
    assert_eq!((again.delivery_tag, again.redelivered, body.as_str()), (2, true, "m"));
}

#[tokio::test]
async fn a_reject_counts_as_a_failed_delivery_and_a_nack_does_not() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    client.publish("", "q", "m");
    client.expect_delivery().await;
    fake.clear_log();
    client.send(1, basic::Nack { delivery_tag: 1, multiple: false, requeue: true });
    client.expect_delivery().await;
    client.send(1, basic::Reject { delivery_tag: 2, requeue: true });
    client.expect_delivery().await;
    let returns = fake.log().into_iter().flat_map(|chunk| chunk.commands);
    let failed: Vec<bool> = returns
        .filter_map(|command| if let Command::Return { failed, .. } = command { Some(failed) } else { None })
        .collect();
    assert_eq!(failed, [false, true]);
}

#[tokio::test]
async fn a_discarded_message_does_not_come_again() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    client.publish("", "q", "m");
    client.expect_delivery().await;
    client.send(1, basic::Reject { delivery_tag: 1, requeue: false });
    assert!(client.heard_so_far().await.is_empty());
    assert_eq!(client.declare("q").await.message_count, 0);
}

#[tokio::test]
async fn recover_brings_everything_again() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    for body in ["m", "n"] {
        client.publish("", "q", body);
        client.expect_delivery().await;
    }
    client.send(1, basic::Recover { requeue: true });
    client.expect::<basic::RecoverOk>().await;
    let mut again = vec![client.expect_delivery().await.1, client.expect_delivery().await.1];
    again.sort();
    assert_eq!(again, ["m", "n"]);
}

#[tokio::test]
async fn what_a_closed_channel_held_goes_back() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.open_channel(2).await;
    client.send(2, consume("q", "c"));
    client.expect::<basic::ConsumeOk>().await;
    client.publish("", "q", "m");
    client.expect_delivery().await;
    client.send(2, amqp_codec::methods::channel::Close { reply_code: 200, ..Default::default() });
    client.expect::<amqp_codec::methods::channel::CloseOk>().await;
    client.send(1, basic::Get { queue: short("q"), no_ack: true });
    assert!(client.expect::<basic::GetOk>().await.redelivered);
}
