//! What messages ask for in their properties: expiration, priority, delay, carbon copies.

use ::queue::{Command, Delay, EnqueueOptions};
use amqp_codec::{
    BasicProperties, ReplyCode,
    methods::{exchange, queue},
};
use types::{FieldTable, FieldValue, Timestamp};

use crate::{
    client::{Client, short},
    fake::Fake,
};

fn headers(fields: Vec<(&str, FieldValue)>) -> BasicProperties {
    let fields = fields.into_iter().map(|(name, value)| (short(name), value)).collect();
    BasicProperties { headers: Some(FieldTable(fields)), ..BasicProperties::default() }
}

fn text(text: &str) -> FieldValue {
    FieldValue::LongStr(text.to_owned().into())
}

fn keys(keys: &[&str]) -> FieldValue {
    FieldValue::Array(keys.iter().map(|key| text(key)).collect())
}

/// What the runs of all messages since the log was cleared ask for, with their lengths.
fn submitted(fake: &Fake) -> Vec<(u32, EnqueueOptions)> {
    let mut runs = Vec::new();
    for chunk in fake.log() {
        for command in chunk.commands {
            if let Command::Enqueue(enqueue) = command {
                runs.extend(enqueue.runs.iter().map(|run| (run.count, run.options)));
            }
        }
    }
    runs
}

async fn client_with_queue(broker: &std::sync::Arc<broker::Broker>, fake: &Fake) -> Client {
    let mut client = Client::connect(broker).await;
    client.declare("q").await;
    fake.clear_log();
    client
}

#[tokio::test]
async fn expiration_and_priority_are_handed_to_the_queue() {
    let (fake, broker) = Fake::start();
    let mut client = client_with_queue(&broker, &fake).await;
    let properties =
        BasicProperties { expiration: Some(short("5000")), priority: Some(7), ..BasicProperties::default() };
    client.publish_with("", "q", false, &properties, "m");
    client.work();
    let options = EnqueueOptions { ttl_ms: Some(5000), priority: Some(7), delay: Delay::None };
    assert_eq!(submitted(&fake), [(1, options)]);
}

#[tokio::test]
async fn messages_of_a_batch_with_the_same_wishes_are_one_run() {
    let (fake, broker) = Fake::start();
    let mut client = client_with_queue(&broker, &fake).await;
    for priority in [None, None, Some(1), Some(1), Some(2), None] {
        let properties = BasicProperties { priority, ..BasicProperties::default() };
        client.publish_with("", "q", false, &properties, "m");
    }
    client.work();
    let runs: Vec<_> = submitted(&fake).into_iter().map(|(count, options)| (count, options.priority)).collect();
    assert_eq!(runs, [(2, None), (2, Some(1)), (1, Some(2)), (1, None)]);
}

#[tokio::test]
async fn a_delay_counts_at_exchanges_that_delay_and_is_shown_as_passed() {
    let (fake, broker) = Fake::start();
    let mut client = client_with_queue(&broker, &fake).await;
    client.send(
        1,
        exchange::Declare {
            exchange: short("later"),
            type_: short("x-delayed-message"),
            arguments: FieldTable(vec![(short("x-delayed-type"), text("direct"))]),
            ..exchange::Declare::default()
        },
    );
    client.expect::<exchange::DeclareOk>().await;
    client.send(
        1,
        queue::Bind { queue: short("q"), exchange: short("later"), routing_key: short("k"), ..Default::default() },
    );
    client.expect::<queue::BindOk>().await;
    for (delay, expected) in [
        (FieldValue::I32(1000), Delay::For(1000)),
        (text("250"), Delay::For(250)),
        (FieldValue::F64(10.9), Delay::For(10)),
        (FieldValue::I32(-5), Delay::None),
        (FieldValue::I64(1 << 32), Delay::None),
        (FieldValue::Bool(true), Delay::None),
        (text("soon"), Delay::None),
    ] {
        fake.clear_log();
        client.publish_with("later", "k", false, &headers(vec![("x-delay", delay)]), "m");
        client.work();
        let options = EnqueueOptions { delay: expected, ..EnqueueOptions::default() };
        assert_eq!(submitted(&fake), [(1, options)]);
    }
    fake.clear_log();
    client.publish_with("", "q", false, &headers(vec![("x-delay", FieldValue::I32(1000))]), "m");
    client.work();
    assert_eq!(submitted(&fake), [(1, EnqueueOptions::default())], "other exchanges do not delay");
}

#[tokio::test]
async fn whoever_gets_a_delayed_message_sees_that_its_delay_has_passed() {
    let (fake, broker) = Fake::start();
    let mut client = client_with_queue(&broker, &fake).await;
    client.send(
        1,
        exchange::Declare {
            exchange: short("later"),
            type_: short("x-delayed-message"),
            arguments: FieldTable(vec![(short("x-delayed-type"), text("fanout"))]),
            ..exchange::Declare::default()
        },
    );
    client.expect::<exchange::DeclareOk>().await;
    client.send(1, queue::Bind { queue: short("q"), exchange: short("later"), ..Default::default() });
    client.expect::<queue::BindOk>().await;
    fake.clear_log();
    let asked = headers(vec![("a", text("b")), ("x-delay", FieldValue::I64(1000))]);
    client.publish_with("later", "k", false, &asked, "m");
    client.work();
    let record = types::MessageRecord::decode(fake.log()[0].blob.record(0).unwrap()).unwrap();
    let passed = headers(vec![("a", text("b")), ("x-delay", FieldValue::I32(-1000))]);
    assert_eq!(BasicProperties::decode(record.properties).unwrap(), passed);
}

#[tokio::test]
async fn an_exchange_delays_what_comes_through_another_too() {
    let (fake, broker) = Fake::start();
    let mut client = client_with_queue(&broker, &fake).await;
    client.declare("now").await;
    for (name, kind, argument) in [
        ("later", "x-delayed-message", ("x-delayed-type", "fanout")),
        ("all", "fanout", ("a", "b")),
        ("spare", "direct", ("alternate-exchange", "later")),
    ] {
        let arguments = FieldTable(vec![(short(argument.0), text(argument.1))]);
        let (exchange, type_) = (short(name), short(kind));
        client.send(1, exchange::Declare { exchange, type_, arguments, ..exchange::Declare::default() });
        client.expect::<exchange::DeclareOk>().await;
    }
    for (queue, source) in [("q", "later"), ("now", "all")] {
        client.send(1, queue::Bind { queue: short(queue), exchange: short(source), ..Default::default() });
        client.expect::<queue::BindOk>().await;
    }
    client.send(1, exchange::Bind { destination: short("later"), source: short("all"), ..exchange::Bind::default() });
    client.expect::<exchange::BindOk>().await;
    let late = EnqueueOptions { delay: Delay::For(1000), ..EnqueueOptions::default() };
    for (exchange, expected) in [("all", vec![(1, EnqueueOptions::default()), (1, late)]), ("spare", vec![(1, late)])] {
        fake.clear_log();
        let asked = headers(vec![("x-delay", FieldValue::I32(1000))]);
        client.publish_with(exchange, "k", false, &asked, "m");
        client.work();
        assert_eq!(submitted(&fake), expected, "{exchange}");
        fake.clear_log();
        client.publish_with(exchange, "k", false, &BasicProperties::default(), "m");
        client.work();
        assert!(submitted(&fake).iter().all(|(_, options)| options.delay == Delay::None));
    }
}

#[tokio::test]
async fn a_delivery_time_counts_on_any_queue() {
    let (fake, broker) = Fake::start();
    let mut client = client_with_queue(&broker, &fake).await;
    for value in [FieldValue::I64(1_900_000_000_000), FieldValue::Timestamp(1_900_000_000)] {
        fake.clear_log();
        client.publish_with("", "q", false, &headers(vec![("x-opt-delivery-time", value)]), "m");
        client.work();
        let delay = Delay::Until(Timestamp(1_900_000_000_000));
        assert_eq!(submitted(&fake), [(1, EnqueueOptions { delay, ..EnqueueOptions::default() })]);
    }
}

#[tokio::test]
async fn copies_go_to_the_queues_of_all_keys_each_once() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    for name in ["to", "copy", "blind"] {
        client.declare(name).await;
    }
    client.select_confirms().await;
    let properties = headers(vec![("CC", keys(&["copy", "to"])), ("BCC", keys(&["blind", "nowhere"]))]);
    client.publish_with("", "to", true, &properties, "m");
    client.work();
    client.expect::<amqp_codec::methods::basic::Ack>().await;
    for name in ["to", "copy", "blind"] {
        assert_eq!(client.declare(name).await.message_count, 1, "{name}");
    }
}

#[tokio::test]
async fn nobody_sees_who_got_a_blind_copy() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    client.publish_with("", "q", false, &headers(vec![("BCC", keys(&["x"])), ("CC", keys(&["y"]))]), "m");
    client.work();
    assert_eq!(client.hear().await.properties, headers(vec![("CC", keys(&["y"]))]));
}

#[tokio::test]
async fn copies_that_are_no_list_are_refused() {
    for (header, value, kind) in [("CC", text("k"), "longstr"), ("BCC", FieldValue::I32(1), "signedint")] {
        let (_fake, broker) = Fake::start();
        let mut client = Client::connect(&broker).await;
        client.publish_with("", "q", false, &headers(vec![(header, value)]), "m");
        client.work();
        let text = format!("invalid message: {{unacceptable_type_in_header,\"{header}\",{kind}}}");
        client.expect_channel_error(ReplyCode::PreconditionFailed, &text).await;
    }
}

#[tokio::test]
async fn a_message_whose_time_is_over_is_not_delivered() {
    let (fake, broker) = Fake::start();
    let mut client = client_with_queue(&broker, &fake).await;
    for (expiration, body) in [(Some("1000"), "short"), (Some("5000"), "long"), (None, "for ever")] {
        let properties = BasicProperties { expiration: expiration.map(short), ..BasicProperties::default() };
        client.publish_with("", "q", false, &properties, body);
    }
    client.work();
    fake.pass_ms(2000);
    client.consume("q", "c").await;
    assert_eq!(client.expect_delivery().await.1, "long");
    assert_eq!(client.expect_delivery().await.1, "for ever");
}

#[tokio::test]
async fn messages_of_higher_priority_come_first() {
    let (fake, broker) = Fake::start();
    let mut client = client_with_queue(&broker, &fake).await;
    for (priority, body) in [(Some(1), "low"), (None, "usual"), (Some(9), "high")] {
        let properties = BasicProperties { priority, ..BasicProperties::default() };
        client.publish_with("", "q", false, &properties, body);
    }
    client.work();
    client.consume("q", "c").await;
    for body in ["high", "usual", "low"] {
        assert_eq!(client.expect_delivery().await.1, body);
    }
}

#[tokio::test]
async fn a_delayed_message_comes_when_its_time_has_come() {
    let (fake, broker) = Fake::start();
    let mut client = client_with_queue(&broker, &fake).await;
    let at = FieldValue::I64(1000);
    client.publish_with("", "q", false, &headers(vec![("x-opt-delivery-time", at)]), "later");
    client.publish("", "q", "now");
    client.consume("q", "c").await;
    assert_eq!(client.expect_delivery().await.1, "now");
    assert!(client.heard_so_far().await.is_empty());
    fake.pass_ms(1000);
    assert_eq!(client.expect_delivery().await.1, "later");
}
