//! Dead letters, told by hand as the leader of their queue would tell them.

use std::{sync::Arc, time::Duration};

use amqp_codec::{
    BasicProperties,
    methods::{basic, exchange, queue as queue_methods},
};
use broker::Broker;
use bytes::Bytes;
use metadata::{DeclareQueue, Home};
use queue::{Command, DeadLetter, DeathReason};
use replication::{DeadLetterBatch, Sessions};
use types::{BlobBuilder, FieldTable, FieldValue, GroupId, MessageRef, QueueId, RecordParts, SeqRange, Timestamp};

use crate::{
    client::{Client, short},
    fake::{Fake, NODE, SHARDS},
};

/// A queue with arguments, made without a client.
fn declare(fake: &Arc<Fake>, name: &str, arguments: &[(&str, &str)]) -> QueueId {
    let text = |value: &str| FieldValue::LongStr(Bytes::copy_from_slice(value.as_bytes()));
    let arguments = arguments.iter().map(|(name, value)| (short(name), text(value))).collect();
    let reply = fake.change(metadata::Command::DeclareQueue(DeclareQueue {
        vhost: short("/"),
        name: short(name),
        default_type: None,
        server_named: false,
        durable: true,
        auto_delete: false,
        exclusive: false,
        arguments: FieldTable(arguments),
        connection: Default::default(),
        home: Home { node: NODE, boot: 1 },
        group: SHARDS[0],
    }));
    let metadata::Reply::Queue { queue, .. } = reply else { panic!("{reply:?}") };
    queue
}

fn died(number: u64, reason: DeathReason, key: &str, body: &str) -> (DeadLetter, Bytes) {
    let mut builder = BlobBuilder::default();
    let properties = BasicProperties { expiration: Some(short("7")), ..BasicProperties::default() }.to_bytes();
    builder.push(&RecordParts {
        exchange: b"",
        routing_key: key.as_bytes(),
        properties: &properties,
        body: &[Bytes::copy_from_slice(body.as_bytes())],
    });
    let message = MessageRef { index: number, slot: 0 };
    let letter = DeadLetter { number, message, reason, died_at: Timestamp(7_000), delivery_count: 0 };
    (letter, builder.finish().record(0).unwrap())
}

fn tell(broker: &Arc<Broker>, queue: QueueId, letters: Vec<(DeadLetter, Bytes)>) {
    broker.dead_letters(SHARDS[0], DeadLetterBatch { queue, letters });
}

/// Waits until the source was told something about dead letters that was not told before.
async fn told(fake: &Arc<Fake>) -> Vec<Command> {
    let of_dead = |command: &Command| matches!(command, Command::SettleDead { .. } | Command::RetryDead { .. });
    for _ in 0..2_000 {
        let log = fake.log();
        let commands: Vec<Command> =
            log.iter().flat_map(|submitted| submitted.commands.iter().filter(|c| of_dead(c)).cloned()).collect();
        if !commands.is_empty() {
            fake.clear_log();
            return commands;
        }
        tokio::time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await.unwrap_err();
    }
    panic!("the source is told nothing");
}

fn settled(queue: QueueId, first: u64, last: u64) -> Command {
    Command::SettleDead { queue, ranges: vec![SeqRange { first, last }] }
}

fn retried(queue: QueueId, number: u64) -> Command {
    Command::RetryDead { queue, ranges: vec![SeqRange::one(number)] }
}

fn bodies(fake: &Arc<Fake>) -> Vec<(GroupId, Vec<u64>)> {
    let sources = fake.log().into_iter().flat_map(|submitted| {
        let group = submitted.group;
        submitted.commands.into_iter().filter_map(move |command| match command {
            Command::Enqueue(enqueue) => enqueue.source.map(|source| (group, source.numbers)),
            _ => None,
        })
    });
    sources.collect()
}

#[tokio::test]
async fn a_dead_letter_reaches_the_queue_that_its_key_names() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("dead").await;
    let queue = declare(&fake, "q", &[("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead")]);
    fake.clear_log();
    let letters = (1..=3).map(|number| died(number, DeathReason::Rejected, "q", &number.to_string())).collect();
    tell(&broker, queue, letters);
    assert_eq!(told(&fake).await, [settled(queue, 1, 3)]);
    client.consume("dead", "c").await;
    for number in 1..=3 {
        let heard = client.hear().await;
        assert_eq!(heard.body, number.to_string());
        let amqp_codec::methods::Method::BasicDeliver(deliver) = heard.method else { panic!("{:?}", heard.method) };
        assert_eq!((deliver.exchange, deliver.routing_key), (short(""), short("dead")));
        let headers = heard.properties.headers.unwrap();
        assert_eq!(headers.get("x-first-death-queue").and_then(FieldValue::as_str), Some("q"));
        assert_eq!(heard.properties.expiration, None);
    }
}

#[tokio::test]
async fn letters_that_are_told_twice_are_submitted_once() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("dead").await;
    let queue = declare(&fake, "q", &[("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead")]);
    fake.clear_log();
    fake.hold();
    for _ in 0..2 {
        tell(&broker, queue, vec![died(1, DeathReason::MaxLength, "q", "one")]);
    }
    tell(&broker, queue, vec![died(2, DeathReason::MaxLength, "q", "two")]);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let numbers: Vec<_> = bodies(&fake).into_iter().map(|(_, numbers)| numbers).collect();
    assert_eq!(numbers, [vec![1], vec![2]]);
    fake.clear_log();
    fake.release();
    let commands = told(&fake).await;
    assert!(commands.contains(&settled(queue, 1, 1)), "{commands:?}");
}

#[tokio::test]
async fn at_most_once_drops_what_has_nowhere_to_go() {
    let (fake, broker) = Fake::start();
    let queue = declare(&fake, "q", &[("x-dead-letter-exchange", "missing")]);
    tell(&broker, queue, vec![died(4, DeathReason::Expired, "q", "x")]);
    assert_eq!(told(&fake).await, [settled(queue, 4, 4)]);
}

#[tokio::test]
async fn a_circle_without_a_rejection_ends() {
    let (fake, broker) = Fake::start();
    let queue = declare(&fake, "q", &[("x-dead-letter-exchange", "")]);
    fake.clear_log();
    tell(&broker, queue, vec![died(1, DeathReason::Expired, "q", "x")]);
    assert_eq!(told(&fake).await, [settled(queue, 1, 1)]);
    tell(&broker, queue, vec![died(2, DeathReason::Rejected, "q", "y")]);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bodies(&fake), [(SHARDS[0], vec![2])]);
}

#[tokio::test]
async fn at_least_once_tries_again_until_there_is_a_queue() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let arguments = [
        ("x-dead-letter-exchange", "dlx"),
        ("x-dead-letter-strategy", "at-least-once"),
        ("x-overflow", "reject-publish"),
    ];
    let queue = declare(&fake, "q", &arguments);
    fake.clear_log();
    tell(&broker, queue, vec![died(1, DeathReason::Expired, "k", "x")]);
    assert_eq!(told(&fake).await, [retried(queue, 1)]);
    tell(&broker, queue, vec![died(2, DeathReason::Expired, "k", "x")]);
    assert_eq!(told(&fake).await, [retried(queue, 2)]);
    client.send(1, exchange::Declare { exchange: short("dlx"), type_: short("fanout"), ..Default::default() });
    client.expect::<exchange::DeclareOk>().await;
    client.declare("dead").await;
    client.send(1, queue_methods::Bind { queue: short("dead"), exchange: short("dlx"), ..Default::default() });
    client.expect::<queue_methods::BindOk>().await;
    tell(&broker, queue, vec![died(3, DeathReason::Expired, "k", "x")]);
    assert_eq!(told(&fake).await, [settled(queue, 3, 3)]);
    client.send(1, basic::Get { queue: short("dead"), no_ack: true });
    client.expect::<basic::GetOk>().await;
}

#[tokio::test]
async fn at_least_once_goes_on_when_answers_are_lost_and_tries_again_what_failed() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("dead").await;
    let arguments = [
        ("x-dead-letter-exchange", ""),
        ("x-dead-letter-routing-key", "dead"),
        ("x-dead-letter-strategy", "at-least-once"),
        ("x-overflow", "reject-publish"),
    ];
    let queue = declare(&fake, "q", &arguments);
    fake.clear_log();
    fake.hold();
    tell(&broker, queue, vec![died(1, DeathReason::Expired, "k", "x")]);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    fake.release_without_answers();
    assert_eq!(told(&fake).await, [settled(queue, 1, 1)]);
    fake.hold();
    tell(&broker, queue, vec![died(2, DeathReason::Expired, "k", "x")]);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    fake.fail_held();
    assert_eq!(told(&fake).await, [retried(queue, 2)]);
}

/// Declares a durable queue with arguments.
async fn declare_with(client: &mut Client, name: &str, arguments: Vec<(&str, FieldValue)>) {
    let arguments = FieldTable(arguments.into_iter().map(|(name, value)| (short(name), value)).collect());
    client.send(1, queue_methods::Declare { queue: short(name), durable: true, arguments, ..Default::default() });
    client.expect::<queue_methods::DeclareOk>().await;
}

fn text(value: &str) -> FieldValue {
    FieldValue::LongStr(Bytes::copy_from_slice(value.as_bytes()))
}

/// The next delivery: body, reason and count of the last death.
async fn next_dead(client: &mut Client) -> (String, String, i64) {
    let heard = client.hear().await;
    let headers = heard.properties.headers.expect("a dead letter has headers");
    let Some(FieldValue::Array(deaths)) = headers.get("x-death") else { panic!("{headers:?}") };
    let FieldValue::Table(last) = &deaths[0] else { panic!("{deaths:?}") };
    let reason = last.get("reason").and_then(FieldValue::as_str).unwrap().to_owned();
    let count = last.get("count").and_then(FieldValue::as_i64).unwrap();
    (String::from_utf8(heard.body.to_vec()).unwrap(), reason, count)
}

#[tokio::test]
async fn what_a_client_rejects_and_what_a_queue_cannot_hold_is_dead_lettered_in_order() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("dead").await;
    let to_dead = || vec![("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text("dead"))];
    declare_with(&mut client, "rejected", to_dead()).await;
    let mut short_queue = to_dead();
    short_queue.push(("x-max-length", FieldValue::I32(1)));
    declare_with(&mut client, "short", short_queue).await;
    for body in ["1", "2", "3"] {
        client.publish("", "short", body);
    }
    client.consume("dead", "d").await;
    assert_eq!(next_dead(&mut client).await, ("1".into(), "maxlen".into(), 1));
    assert_eq!(next_dead(&mut client).await, ("2".into(), "maxlen".into(), 1));
    for body in ["a", "b"] {
        client.publish("", "rejected", body);
    }
    for _ in 0..2 {
        client.send(1, basic::Get { queue: short("rejected"), no_ack: false });
        client.expect::<basic::GetOk>().await;
    }
    client.send(1, basic::Nack { delivery_tag: 4, multiple: true, requeue: false });
    assert_eq!(next_dead(&mut client).await, ("a".into(), "rejected".into(), 1));
    assert_eq!(next_dead(&mut client).await, ("b".into(), "rejected".into(), 1));
}

#[tokio::test]
async fn a_message_that_goes_round_by_rejections_is_counted() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    declare_with(&mut client, "q", vec![("x-dead-letter-exchange", text(""))]).await;
    client.publish("", "q", "again");
    client.consume("q", "c").await;
    client.expect_delivery().await;
    for count in 1..=3_u8 {
        client.send(1, basic::Reject { delivery_tag: count.into(), requeue: false });
        assert_eq!(next_dead(&mut client).await, ("again".into(), "rejected".into(), count.into()));
    }
}

#[tokio::test]
async fn a_history_that_a_client_publishes_means_nothing() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("dead").await;
    let arguments = vec![("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text("dead"))];
    declare_with(&mut client, "q", arguments).await;
    let death = FieldTable(vec![
        (short("queue"), text("q")),
        (short("reason"), text("rejected")),
        (short("count"), FieldValue::I64(40)),
    ]);
    let headers = FieldTable(vec![(short("x-death"), FieldValue::Array(vec![FieldValue::Table(death)]))]);
    let properties = BasicProperties { headers: Some(headers), ..BasicProperties::default() };
    client.publish_with("", "q", false, &properties, "x");
    client.work();
    client.consume("q", "c").await;
    client.expect_delivery().await;
    client.send(1, basic::Reject { delivery_tag: 1, requeue: false });
    client.consume("dead", "d").await;
    assert_eq!(next_dead(&mut client).await, ("x".into(), "rejected".into(), 1));
}
