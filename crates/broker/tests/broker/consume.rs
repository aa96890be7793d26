//! `basic.consume` and `basic.cancel`.

use ::queue::{CancelReason, Cancelled, Command, ConsumerOptions};
use amqp_codec::{
    ReplyCode,
    methods::{Method, basic, queue},
};
use replication::Sessions;
use types::{ConsumerKey, FieldTable, FieldValue};

use crate::{
    client::{Client, consume, short},
    fake::Fake,
};

#[tokio::test]
async fn consume_ok_comes_before_the_first_delivery() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "m");
    client.send(1, consume("q", "c"));
    assert_eq!(client.expect::<basic::ConsumeOk>().await.consumer_tag, short("c"));
    assert_eq!(client.expect_delivery().await.1, "m");
}

#[tokio::test]
async fn a_consumer_without_tag_gets_one() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.send(1, consume("q", ""));
    let tag = client.expect::<basic::ConsumeOk>().await.consumer_tag;
    assert!(tag.as_bytes().starts_with(b"amq.ctag-"));
    client.publish("", "q", "m");
    assert_eq!(client.expect_delivery().await.0.consumer_tag, tag);
}

#[tokio::test]
async fn a_tag_in_use_closes_the_connection() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    client.send(1, consume("q", "c"));
    client.expect_connection_error(ReplyCode::NotAllowed, "attempt to reuse consumer tag 'c'").await;
}

#[tokio::test]
async fn an_exclusive_consumer_is_alone() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let mut other = Client::connect(&broker).await;
    client.declare("q").await;
    client.send(1, basic::Consume { exclusive: true, ..consume("q", "c") });
    client.expect::<basic::ConsumeOk>().await;
    other.send(1, consume("q", "d"));
    other.expect_channel_error(ReplyCode::AccessRefused, "queue 'q' in vhost '/' in exclusive use").await;
}

#[tokio::test]
async fn consuming_from_nothing_is_not_found() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, consume("q", "c"));
    client.expect_channel_error(ReplyCode::NotFound, "no queue 'q' in vhost '/'").await;
}

#[tokio::test]
async fn a_priority_must_be_a_number() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    let arguments = FieldTable(vec![(short("x-priority"), FieldValue::LongStr("high".into()))]);
    client.send(1, basic::Consume { arguments, ..consume("q", "c") });
    let text = "invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got longstr\"";
    client.expect_channel_error(ReplyCode::PreconditionFailed, text).await;
}

/// The options with which the last consumer was attached, and its key.
fn attached(fake: &Fake) -> (ConsumerOptions, ConsumerKey) {
    let chunks = fake.log();
    let attach = chunks.iter().flat_map(|chunk| chunk.commands.iter().map(|command| (chunk.session, command)));
    let attach = attach.filter_map(|(session, command)| match command {
        Command::Attach { number, options, .. } => Some((*options, ConsumerKey { session, number: *number })),
        _ => None,
    });
    attach.last().unwrap()
}

fn arguments(fields: &[(&str, FieldValue)]) -> FieldTable {
    FieldTable(fields.iter().map(|(name, value)| (short(name), value.clone())).collect())
}

#[tokio::test]
async fn a_consumers_priority_is_handed_to_its_queue() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    let arguments = arguments(&[("x-priority", FieldValue::I8(-3))]);
    client.send(1, basic::Consume { arguments, ..consume("q", "c") });
    client.expect::<basic::ConsumeOk>().await;
    assert_eq!(attached(&fake).0.priority, -3);
}

#[tokio::test]
async fn of_the_timeouts_of_consumer_queue_and_node_the_nearest_counts() {
    let (fake, broker) = Fake::start_with(|config| config.consumer_timeout_ms = Some(1));
    let mut client = Client::connect(&broker).await;
    client.declare("plain").await;
    let timeout = |ms: i32| arguments(&[("x-consumer-timeout", FieldValue::I32(ms))]);
    client.send(
        1,
        queue::Declare { queue: short("q"), durable: true, arguments: timeout(2000), ..queue::Declare::default() },
    );
    client.expect::<queue::DeclareOk>().await;
    let cases = [
        ("plain", None, Some(1)),
        ("q", None, Some(2000)),
        ("q", Some(3000), Some(3000)),
        ("plain", Some(3000), Some(3000)),
        ("q", Some(0), None),
    ];
    for (queue, own, expected) in cases {
        let arguments = own.map(timeout).unwrap_or_default();
        client.send(1, basic::Consume { arguments, ..consume(queue, "") });
        client.expect::<basic::ConsumeOk>().await;
        assert_eq!(attached(&fake).0.timeout_ms, expected);
    }
    client.send(1, basic::Consume { no_ack: true, ..consume("q", "") });
    client.expect::<basic::ConsumeOk>().await;
    assert_eq!(attached(&fake).0.timeout_ms, None, "what is not held cannot be held too long");
}

#[tokio::test]
async fn a_consumer_with_a_timeout_is_given_no_more_than_its_client_may_hold() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.qos(100, false).await;
    client.consume("q", "without").await;
    assert_eq!(attached(&fake).0.prefetch, 200);
    let arguments = arguments(&[("x-consumer-timeout", FieldValue::I32(60_000))]);
    client.send(1, basic::Consume { arguments, ..consume("q", "with") });
    client.expect::<basic::ConsumeOk>().await;
    assert_eq!(attached(&fake).0.prefetch, 100);
}

#[tokio::test]
async fn a_timeout_that_is_none_is_refused() {
    for (value, why) in [
        (FieldValue::I32(-5), "{value_negative,-5}"),
        (FieldValue::LongStr("long".into()), "\"expected integer, got longstr\""),
    ] {
        let (_fake, broker) = Fake::start();
        let mut client = Client::connect(&broker).await;
        client.declare("q").await;
        let arguments = arguments(&[("x-consumer-timeout", value)]);
        client.send(1, basic::Consume { arguments, ..consume("q", "c") });
        let text = format!("invalid arg 'x-consumer-timeout' for queue 'q' in vhost '/': {why}");
        client.expect_channel_error(ReplyCode::PreconditionFailed, &text).await;
    }
}

#[tokio::test]
async fn a_consumer_that_held_a_message_for_too_long_is_over_and_its_late_acks_are_passed_over() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.qos(1, true).await;
    client.consume("q", "slow").await;
    let slow = attached(&fake).1;
    client.publish("", "q", "held");
    let (held, _) = client.expect_delivery().await;
    let queue = types::QueueId(1);
    broker.cancelled(Cancelled { consumer: slow, queue, reason: CancelReason::Timeout { after_ms: 500 } });
    assert_eq!(client.expect::<basic::Cancel>().await.consumer_tag, short("slow"));
    fake.clear_log();
    client.ack(held.delivery_tag, false);
    assert!(client.heard_so_far().await.is_empty());
    assert!(fake.log().is_empty(), "the queue has taken it back");
    // The channel may hold as much as before.
    client.declare("other").await;
    client.consume("other", "next").await;
    client.publish("", "other", "m");
    client.expect_delivery().await;
}

#[tokio::test]
async fn a_single_active_consumer_is_not_exclusive() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let arguments = arguments(&[("x-single-active-consumer", FieldValue::Bool(true))]);
    client.send(1, queue::Declare { queue: short("q"), durable: true, arguments, ..queue::Declare::default() });
    client.expect::<queue::DeclareOk>().await;
    client.send(1, basic::Consume { exclusive: true, ..consume("q", "c") });
    client.expect_channel_error(ReplyCode::AccessRefused, "queue 'q' in vhost '/' in exclusive use").await;
}

#[tokio::test]
async fn a_cancelled_consumer_gets_no_more_and_keeps_what_it_holds() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    client.publish("", "q", "held");
    let (held, _) = client.expect_delivery().await;
    client.send(1, basic::Cancel { consumer_tag: short("c"), no_wait: false });
    assert_eq!(client.expect::<basic::CancelOk>().await.consumer_tag, short("c"));
    client.publish("", "q", "later");
    assert_eq!(client.declare("q").await.message_count, 1);
    client.ack(held.delivery_tag, false);
    assert!(client.heard_so_far().await.is_empty());
    // The tag is free again.
    client.consume("q", "c").await;
    assert_eq!(client.expect_delivery().await.1, "later");
}

#[tokio::test]
async fn cancelling_what_is_not_there_succeeds() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, basic::Cancel { consumer_tag: short("c"), no_wait: false });
    assert_eq!(client.expect::<basic::CancelOk>().await.consumer_tag, short("c"));
}

#[tokio::test]
async fn a_consumer_is_told_when_its_queue_is_deleted() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let mut other = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    other.send(1, queue::Delete { queue: short("q"), ..queue::Delete::default() });
    other.expect::<queue::DeleteOk>().await;
    assert_eq!(client.expect::<basic::Cancel>().await.consumer_tag, short("c"));
}

#[tokio::test]
async fn a_consumer_without_limit_is_granted_credit_as_it_takes_messages() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.send(1, basic::Consume { no_ack: true, ..consume("q", "c") });
    client.expect::<basic::ConsumeOk>().await;
    let messages = 20_000;
    for _ in 0..messages {
        client.batch_publish("", "q", "m");
    }
    client.work();
    for _ in 0..messages {
        client.expect_delivery().await;
    }
    let grants = fake.log().into_iter().flat_map(|chunk| chunk.commands);
    let grants = grants.filter(|command| matches!(command, Command::Credit { .. })).count();
    assert!((2..200).contains(&grants), "{grants}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_sent_no_more_than_its_credit() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let mut publisher = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    let body = "x".repeat(100_000);
    for _ in 0..300 {
        publisher.publish("", "q", &body);
    }
    // The client's task acts on its mail, but what it writes stays in the connection.
    client.session.on_mail(&mut client.connection);
    client.session.flush(&mut client.connection);
    assert!(client.connection.pending_output_bytes() < 2 * 1024 * 1024);
    let delivered = || {
        let log = fake.log();
        log.iter().flat_map(|chunk| &chunk.commands).filter(|command| matches!(command, Command::Credit { .. })).count()
    };
    assert_eq!(delivered(), 0, "no credit before the client reads");
    let mut bodies = 0;
    while bodies < 300 {
        let heard = client.hear().await;
        assert!(matches!(heard.method, Method::BasicDeliver(_)));
        bodies += 1;
        if bodies % 10 == 0 {
            client.ack(0, true);
        }
    }
    assert!(delivered() > 0);
}

#[tokio::test]
async fn basic_get_is_refused_where_one_consumer_gets_everything() {
    for kind in ["classic", "quorum"] {
        let (_fake, broker) = Fake::start();
        let mut client = Client::connect(&broker).await;
        let arguments = arguments(&[
            ("x-single-active-consumer", FieldValue::Bool(true)),
            ("x-queue-type", FieldValue::LongStr(kind.into())),
        ]);
        client.send(1, queue::Declare { queue: short("q"), durable: true, arguments, ..queue::Declare::default() });
        client.expect::<queue::DeclareOk>().await;
        client.send(1, basic::Get { queue: short("q"), no_ack: false });
        let text = format!(
            "cannot obtain access to locked queue 'q' in vhost '/'. basic.get operations are not supported by {kind} \
             queues with single active consumer"
        );
        client.expect_channel_error(ReplyCode::ResourceLocked, &text).await;
    }
}

#[tokio::test]
async fn a_message_that_was_held_for_too_long_goes_to_another_consumer() {
    let (fake, broker) = Fake::start();
    let (mut slow, mut next) = (Client::connect(&broker).await, Client::connect(&broker).await);
    slow.declare("q").await;
    let arguments = arguments(&[("x-consumer-timeout", FieldValue::I32(500))]);
    slow.send(1, basic::Consume { arguments, ..consume("q", "slow") });
    slow.expect::<basic::ConsumeOk>().await;
    slow.publish("", "q", "m");
    let (held, _) = slow.expect_delivery().await;
    next.consume("q", "next").await;
    fake.pass_ms(1000);
    assert_eq!(slow.expect::<basic::Cancel>().await.consumer_tag, short("slow"));
    assert_eq!(next.expect_delivery().await.1, "m");
    slow.ack(held.delivery_tag, false);
    assert!(slow.heard_so_far().await.is_empty());
}
