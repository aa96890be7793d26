//! Publisher confirms.

use amqp_codec::methods::{Method, basic, queue};
use types::GroupId;

use crate::{
    client::{Client, short},
    fake::{Fake, SHARDS},
};

#[tokio::test]
async fn a_batch_is_confirmed_by_one_ack_when_its_group_has_answered() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.select_confirms().await;
    fake.hold();
    for _ in 0..3 {
        client.batch_publish("", "q", "m");
    }
    client.work();
    assert!(client.heard_so_far().await.is_empty(), "nothing is confirmed before the commit");
    assert!(client.session.publish_bytes_in_flight() > 0);
    fake.release();
    let ack = client.expect::<basic::Ack>().await;
    assert_eq!((ack.delivery_tag, ack.multiple), (3, true));
    assert!(client.heard_so_far().await.is_empty());
    assert_eq!(client.session.publish_bytes_in_flight(), 0);
}

#[tokio::test]
async fn a_message_for_queues_of_two_groups_is_confirmed_once_by_both() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    declare_in_both_groups(&fake, &mut client).await;
    client.select_confirms().await;
    fake.hold();
    client.batch_publish("amq.fanout", "", "m");
    client.batch_publish("amq.fanout", "", "n");
    client.work();
    let groups: Vec<GroupId> = fake.log().iter().map(|chunk| chunk.group).collect();
    assert_eq!(groups.len(), 2);
    fake.release();
    let ack = client.expect::<basic::Ack>().await;
    assert_eq!((ack.delivery_tag, ack.multiple), (2, true));
    assert!(client.heard_so_far().await.is_empty());
}

#[tokio::test]
async fn messages_of_a_group_that_gives_up_are_nacked() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.select_confirms().await;
    fake.hold();
    client.publish("", "q", "m");
    fake.fail_held();
    assert_eq!(client.expect::<basic::Nack>().await.delivery_tag, 1);
    // The channel goes on.
    client.publish("", "q", "n");
    assert_eq!(client.expect::<basic::Ack>().await.delivery_tag, 2);
}

#[tokio::test]
async fn messages_whose_answer_was_lost_are_confirmed() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.select_confirms().await;
    fake.hold();
    client.publish("", "q", "m");
    fake.release_by_another_leader();
    assert_eq!(client.expect::<basic::Ack>().await.delivery_tag, 1);
    assert_eq!(client.declare("q").await.message_count, 1);
}

#[tokio::test]
async fn exactly_the_messages_that_a_queue_rejected_are_nacked() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    // Without confirms they are dropped in silence.
    fake.reject_next(&[(0, 1)]);
    client.publish("", "q", "m");
    assert!(client.heard_so_far().await.is_empty());
    client.select_confirms().await;
    fake.reject_next(&[(1, 1), (3, 1)]);
    for _ in 0..5 {
        client.batch_publish("", "q", "m");
    }
    client.work();
    assert_eq!(verdicts(&mut client, 5).await, [true, false, true, false, true]);
}

#[tokio::test]
async fn a_message_that_one_of_several_groups_rejected_is_nacked() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    declare_in_both_groups(&fake, &mut client).await;
    client.select_confirms().await;
    fake.reject_next(&[(1, 2)]);
    for _ in 0..4 {
        client.batch_publish("amq.fanout", "", "m");
    }
    client.work();
    assert_eq!(verdicts(&mut client, 4).await, [true, false, false, true]);
}

#[tokio::test]
async fn messages_for_a_queue_that_may_reject_are_nacked_when_the_answer_was_lost() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let overflow = types::FieldValue::LongStr("reject-publish".into());
    let arguments = types::FieldTable(vec![(short("x-overflow"), overflow)]);
    client.send(1, queue::Declare { queue: short("q"), durable: true, arguments, ..Default::default() });
    client.expect::<queue::DeclareOk>().await;
    client.select_confirms().await;
    fake.hold();
    client.publish("", "q", "m");
    fake.release_by_another_leader();
    assert_eq!(client.expect::<basic::Nack>().await.delivery_tag, 1);
}

#[tokio::test]
async fn a_full_queue_that_rejects_takes_what_fits_and_nacks_the_rest() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let arguments = types::FieldTable(vec![
        (short("x-max-length"), types::FieldValue::I32(2)),
        (short("x-overflow"), types::FieldValue::LongStr("reject-publish".into())),
    ]);
    client.send(1, queue::Declare { queue: short("small"), durable: true, arguments, ..Default::default() });
    client.expect::<queue::DeclareOk>().await;
    client.declare("large").await;
    for name in ["small", "large"] {
        client.send(1, queue::Bind { queue: short(name), exchange: short("amq.fanout"), ..Default::default() });
        client.expect::<queue::BindOk>().await;
    }
    client.select_confirms().await;
    for key in ["large", "", "", "large", "", "large"] {
        client.batch_publish(if key.is_empty() { "amq.fanout" } else { "" }, key, "m");
    }
    client.work();
    assert_eq!(verdicts(&mut client, 6).await, [true, true, true, true, false, true]);
    assert_eq!(client.declare("large").await.message_count, 6);
}

/// Whether each of the first publishes was confirmed.
async fn verdicts(client: &mut Client, count: usize) -> Vec<bool> {
    let mut verdicts = vec![None; count];
    while verdicts.iter().any(Option::is_none) {
        let (tag, multiple, ok) = match client.hear().await.method {
            Method::BasicAck(basic::Ack { delivery_tag, multiple }) => (delivery_tag, multiple, true),
            Method::BasicNack(basic::Nack { delivery_tag, multiple, .. }) => (delivery_tag, multiple, false),
            other => panic!("{other:?}"),
        };
        let at = usize::try_from(tag).unwrap() - 1;
        let from = if multiple { 0 } else { at };
        verdicts[from..=at].iter_mut().filter(|verdict| verdict.is_none()).for_each(|verdict| *verdict = Some(ok));
    }
    verdicts.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_message_whose_queue_is_deleted_meanwhile_is_confirmed() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let mut other = Client::connect(&broker).await;
    client.declare("q").await;
    client.select_confirms().await;
    fake.hold();
    other.send(1, queue::Delete { queue: short("q"), ..queue::Delete::default() });
    client.publish("", "q", "m");
    fake.release();
    assert_eq!(client.expect::<basic::Ack>().await.delivery_tag, 1);
    other.expect::<queue::DeleteOk>().await;
}

#[tokio::test]
async fn too_much_in_flight_stops_the_reading_until_it_is_answered() {
    let (fake, broker) = Fake::start_with(|config| config.in_flight_bytes_max = 1000);
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    fake.hold();
    client.publish("", "q", &"x".repeat(2000));
    assert!(!client.session.wants_input());
    fake.release();
    client.take_mail();
    assert!(client.session.wants_input());
}

/// Two queues bound to `amq.fanout`, one in each shard.
async fn declare_in_both_groups(fake: &Fake, client: &mut Client) {
    for (name, locator) in [("a", "client-local"), ("b", "balanced")] {
        let arguments =
            types::FieldTable(vec![(short("x-queue-leader-locator"), types::FieldValue::LongStr(locator.into()))]);
        client.send(1, queue::Declare { queue: short(name), durable: true, arguments, ..Default::default() });
        client.expect::<queue::DeclareOk>().await;
        client.send(1, queue::Bind { queue: short(name), exchange: short("amq.fanout"), ..Default::default() });
        client.expect::<queue::BindOk>().await;
    }
    let groups: std::collections::BTreeSet<GroupId> = fake.log().iter().map(|chunk| chunk.group).collect();
    assert_eq!(groups.into_iter().collect::<Vec<_>>(), SHARDS, "the emptier of two groups is chosen");
    fake.clear_log();
}
