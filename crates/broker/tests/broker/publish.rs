//! `basic.publish`: routing, returns, and what is refused.

use ::queue::Command;
use amqp_codec::{
    BasicProperties, ReplyCode,
    methods::{basic, exchange, queue},
};
use types::{FieldTable, FieldValue};

use crate::{
    client::{Client, short},
    fake::Fake,
};

fn declare_exchange(name: &str, kind: &str) -> exchange::Declare {
    exchange::Declare { exchange: short(name), type_: short(kind), ..exchange::Declare::default() }
}

fn bind(queue: &str, exchange: &str, key: &str) -> queue::Bind {
    queue::Bind { queue: short(queue), exchange: short(exchange), routing_key: short(key), ..queue::Bind::default() }
}

#[tokio::test]
async fn a_message_comes_to_its_consumer_as_it_was_published() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.consume("q", "c").await;
    let properties =
        BasicProperties { content_type: Some(short("text/plain")), delivery_mode: Some(2), ..Default::default() };
    client.publish_with("", "q", false, &properties, "hello");
    client.work();
    let heard = client.hear().await;
    let deliver = match heard.method {
        amqp_codec::Method::BasicDeliver(deliver) => deliver,
        other => panic!("{other:?}"),
    };
    assert_eq!((deliver.exchange, deliver.routing_key), (short(""), short("q")));
    assert_eq!((deliver.delivery_tag, deliver.redelivered, deliver.consumer_tag), (1, false, short("c")));
    assert_eq!(heard.properties, properties);
    assert_eq!(heard.body, "hello");
}

#[tokio::test]
async fn publishes_of_one_batch_are_one_command_with_one_run_per_queue() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    fake.clear_log();
    for body in ["a", "b", "c"] {
        client.batch_publish("", "q", body);
    }
    client.work();
    let log = fake.log();
    assert_eq!(log.len(), 1);
    let [Command::Enqueue(enqueue)] = &log[0].commands[..] else { panic!("{:?}", log[0].commands) };
    assert_eq!((enqueue.runs.len(), enqueue.runs[0].count, enqueue.sizes.len()), (1, 3, 3));
}

#[tokio::test]
async fn what_was_gathered_is_submitted_though_the_connection_gave_memory_back() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.select_confirms().await;
    client.batch_publish("", "q", "a");
    client.work_trimmed();
    assert_eq!(client.expect::<basic::Ack>().await.delivery_tag, 1);
}

#[tokio::test]
async fn a_message_for_several_queues_of_a_group_is_written_once() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    for name in ["a", "b"] {
        client.declare(name).await;
        client.send(1, bind(name, "amq.fanout", ""));
        client.expect::<queue::BindOk>().await;
    }
    fake.clear_log();
    client.batch_publish("amq.fanout", "", "one");
    client.batch_publish("amq.fanout", "", "two");
    client.work();
    let log = fake.log();
    assert_eq!(log.len(), 1, "both queues are in the group that this node leads");
    assert_eq!(log[0].blob.slot_count(), 2);
    let [Command::Enqueue(enqueue)] = &log[0].commands[..] else { panic!("{:?}", log[0].commands) };
    assert_eq!(enqueue.runs.iter().map(|run| (run.first_slot, run.count)).collect::<Vec<_>>(), [(0, 2), (0, 2)]);
}

#[tokio::test]
async fn messages_of_one_batch_for_several_queues_go_each_to_its_own() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("a").await;
    client.declare("b").await;
    fake.clear_log();
    for key in ["a", "b", "b", "a", "a", "a"] {
        client.batch_publish("", key, key);
    }
    client.work();
    assert_eq!(fake.log().len(), 1, "both queues are in the group that this node leads");
    assert_eq!(client.declare("a").await.message_count, 4);
    assert_eq!(client.declare("b").await.message_count, 2);
}

#[tokio::test]
async fn a_mandatory_message_without_queue_comes_back_before_its_confirm() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.select_confirms().await;
    client.publish_mandatory("", "nowhere", "lost");
    let heard = client.hear().await;
    let amqp_codec::Method::BasicReturn(returned) = heard.method else { panic!("{:?}", heard.method) };
    assert_eq!((returned.reply_code, returned.reply_text), (312, short("NO_ROUTE")));
    assert_eq!((returned.exchange, returned.routing_key), (short(""), short("nowhere")));
    assert_eq!(heard.body, "lost");
    assert_eq!(client.expect::<basic::Ack>().await.delivery_tag, 1);
}

#[tokio::test]
async fn a_message_without_queue_is_dropped_and_confirmed() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.select_confirms().await;
    client.publish("amq.direct", "nowhere", "lost");
    assert_eq!(client.expect::<basic::Ack>().await.delivery_tag, 1);
}

#[tokio::test]
async fn an_unknown_exchange_closes_the_channel() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.publish("x", "k", "lost");
    client.expect_channel_error(ReplyCode::NotFound, "no exchange 'x' in vhost '/'").await;
}

#[tokio::test]
async fn an_internal_exchange_takes_no_messages_of_clients() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, exchange::Declare { internal: true, ..declare_exchange("x", "fanout") });
    client.expect::<exchange::DeclareOk>().await;
    client.publish("x", "", "no");
    let text = "cannot publish to internal exchange 'x' in vhost '/'";
    client.expect_channel_error(ReplyCode::AccessRefused, text).await;
}

#[tokio::test]
async fn another_users_name_in_user_id_is_refused() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    let own = BasicProperties { user_id: Some(short("guest")), ..Default::default() };
    client.publish_with("", "q", false, &own, "mine");
    client.work();
    assert_eq!(client.declare("q").await.message_count, 1);
    let other = BasicProperties { user_id: Some(short("root")), ..Default::default() };
    client.publish_with("", "q", false, &other, "not mine");
    client.work();
    let text = "user_id property set to 'root' but authenticated user was 'guest'";
    client.expect_channel_error(ReplyCode::PreconditionFailed, text).await;
}

#[tokio::test]
async fn an_impersonator_may_publish_in_anybodys_name() {
    let (fake, broker) = Fake::start();
    let tags = vec![short("administrator"), short("impersonator")];
    fake.change(metadata::Command::SetTags(metadata::SetTags { user: short("guest"), tags }));
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    let other = BasicProperties { user_id: Some(short("root")), ..Default::default() };
    client.publish_with("", "q", false, &other, "for root");
    client.work();
    assert_eq!(client.declare("q").await.message_count, 1);
}

#[tokio::test]
async fn an_expiration_that_is_no_number_is_refused() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let properties = BasicProperties { expiration: Some(short("soon")), ..Default::default() };
    client.publish_with("", "q", false, &properties, "");
    client.work();
    let text = "invalid expiration 'soon': no_integer";
    client.expect_channel_error(ReplyCode::PreconditionFailed, text).await;
}

#[tokio::test]
async fn a_cached_route_follows_new_bindings() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("amq.topic", "a.b", "before");
    client.send(1, bind("q", "amq.topic", "a.*"));
    client.expect::<queue::BindOk>().await;
    client.publish("amq.topic", "a.b", "bound");
    assert_eq!(client.declare("q").await.message_count, 1);
    client.send(
        1,
        queue::Unbind {
            queue: short("q"),
            exchange: short("amq.topic"),
            routing_key: short("a.*"),
            ..Default::default()
        },
    );
    client.expect::<queue::UnbindOk>().await;
    client.publish("amq.topic", "a.b", "after");
    assert_eq!(client.declare("q").await.message_count, 1);
}

#[tokio::test]
async fn a_headers_exchange_routes_each_message_by_its_own_headers() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    let wanted = FieldTable(vec![(short("colour"), FieldValue::LongStr("red".into()))]);
    client.send(1, queue::Bind { arguments: wanted.clone(), ..bind("q", "amq.headers", "") });
    client.expect::<queue::BindOk>().await;
    for headers in [wanted.clone(), FieldTable::default(), wanted] {
        let properties = BasicProperties { headers: Some(headers), ..Default::default() };
        client.publish_with("amq.headers", "", false, &properties, "m");
    }
    client.work();
    assert_eq!(client.declare("q").await.message_count, 2);
}

#[tokio::test]
async fn an_alternate_exchange_takes_what_goes_nowhere_else() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("rest").await;
    client.send(1, bind("rest", "amq.fanout", ""));
    client.expect::<queue::BindOk>().await;
    let arguments = FieldTable(vec![(short("alternate-exchange"), FieldValue::LongStr("amq.fanout".into()))]);
    client.send(1, exchange::Declare { arguments, ..declare_exchange("x", "direct") });
    client.expect::<exchange::DeclareOk>().await;
    client.publish_mandatory("x", "nowhere", "kept");
    assert_eq!(client.declare("rest").await.message_count, 1);
}
