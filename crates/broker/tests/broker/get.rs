//! `basic.get` and `queue.purge`.

use amqp_codec::{
    ReplyCode,
    methods::{basic, queue},
};

use crate::{
    client::{Client, short},
    fake::{Fake, SHARDS},
};

fn get(name: &str) -> basic::Get {
    basic::Get { queue: short(name), no_ack: false }
}

#[tokio::test]
async fn a_message_is_fetched_with_the_count_of_those_left() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "m");
    client.publish("", "q", "n");
    client.send(1, get("q"));
    let ok = client.expect::<basic::GetOk>().await;
    assert_eq!((ok.delivery_tag, ok.redelivered, ok.message_count), (1, false, 1));
    assert_eq!((ok.exchange, ok.routing_key), (short(""), short("q")));
    client.send(1, basic::Nack { delivery_tag: 1, multiple: false, requeue: true });
    client.send(1, get("q"));
    assert!(client.expect::<basic::GetOk>().await.redelivered);
}

#[tokio::test]
async fn an_empty_queue_says_so() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.send(1, get("q"));
    client.expect::<basic::GetEmpty>().await;
}

#[tokio::test]
async fn getting_from_nothing_is_not_found() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, get("q"));
    client.expect_channel_error(ReplyCode::NotFound, "no queue 'q' in vhost '/'").await;
}

#[tokio::test]
async fn a_purge_takes_ready_messages_only() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    for _ in 0..3 {
        client.publish("", "q", "m");
    }
    client.send(1, get("q"));
    client.expect::<basic::GetOk>().await;
    client.send(1, queue::Purge { queue: short("q"), no_wait: false });
    assert_eq!(client.expect::<queue::PurgeOk>().await.message_count, 2);
}

#[tokio::test]
async fn a_fetched_message_whose_answer_was_lost_is_answered_from_what_the_new_leader_sends() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "m");
    fake.hold();
    client.send(1, get("q"));
    fake.release_by_another_leader();
    assert_eq!(client.expect::<basic::GetOk>().await.delivery_tag, 1);
    client.ack(1, false);
    client.send(1, get("q"));
    client.expect::<basic::GetEmpty>().await;
}

#[tokio::test]
async fn a_fetched_message_that_is_sent_again_is_not_given_twice() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "m");
    client.send(1, get("q"));
    client.expect::<basic::GetOk>().await;
    fake.reissue(SHARDS[0]);
    assert!(client.heard_so_far().await.is_empty());
    client.send(1, get("q"));
    client.expect::<basic::GetEmpty>().await;
}

#[tokio::test]
async fn a_fetched_message_whose_answer_was_lost_for_good_goes_back_when_another_is_fetched() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "m");
    client.publish("", "q", "n");
    fake.hold();
    client.send(1, get("q"));
    fake.release_without_answers();
    let heard = client.hear().await;
    assert_eq!(heard.body, "n");
    client.send(1, get("q"));
    let heard = client.hear().await;
    assert_eq!(heard.body, "m");
}
