//! Direct reply-to.

use amqp_codec::{
    BasicProperties, Method, ReplyCode,
    methods::{basic, channel, queue},
};

use types::{FieldTable, FieldValue};

use crate::{
    client::{Client, consume, short},
    fake::Fake,
};

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

fn consume_replies() -> basic::Consume {
    basic::Consume { no_ack: true, ..consume(REPLY_TO, "replies") }
}

fn asking_for_reply() -> BasicProperties {
    BasicProperties { reply_to: Some(short(REPLY_TO)), ..BasicProperties::default() }
}

/// Publishes a request to the queue; returns where its reply is to go.
async fn request(asker: &mut Client, server: &mut Client) -> String {
    asker.publish_with("", "requests", false, &asking_for_reply(), "ask");
    asker.work();
    let heard = server.hear().await;
    assert!(matches!(heard.method, Method::BasicDeliver(_)), "{:?}", heard.method);
    heard.properties.reply_to.unwrap().to_string_lossy()
}

async fn asker_and_server(broker: &std::sync::Arc<broker::Broker>) -> (Client, Client) {
    let (mut asker, mut server) = (Client::connect(broker).await, Client::connect(broker).await);
    server.declare("requests").await;
    server.consume("requests", "s").await;
    asker.send(1, consume_replies());
    asker.expect::<basic::ConsumeOk>().await;
    (asker, server)
}

#[tokio::test]
async fn a_reply_comes_to_the_channel_that_asked() {
    let (_fake, broker) = Fake::start();
    let (mut asker, mut server) = asker_and_server(&broker).await;
    let reply_to = request(&mut asker, &mut server).await;
    assert!(reply_to.starts_with("amq.rabbitmq.reply-to."), "{reply_to}");
    server.publish_mandatory("", &reply_to, "answer");
    let (deliver, body) = asker.expect_delivery().await;
    assert_eq!((deliver.consumer_tag, body.as_str()), (short("replies"), "answer"));
    assert_eq!((deliver.exchange, deliver.routing_key), (short(""), short(&reply_to)));
    assert!(server.heard_so_far().await.is_empty());
}

#[tokio::test]
async fn a_reply_name_in_cc_and_bcc_is_resolved() {
    let (_fake, broker) = Fake::start();
    let (mut asker, mut server) = asker_and_server(&broker).await;
    let reply_to = request(&mut asker, &mut server).await;
    server.declare("archive").await;
    for name in ["CC", "BCC"] {
        let keys = FieldValue::Array(vec![FieldValue::LongStr(reply_to.clone().into())]);
        let headers = Some(FieldTable(vec![(short(name), keys)]));
        let properties = BasicProperties { headers, ..BasicProperties::default() };
        server.publish_with("", "archive", false, &properties, name);
        server.work();
        let (deliver, body) = asker.expect_delivery().await;
        assert_eq!((deliver.routing_key, body.as_str()), (short("archive"), name));
    }
    assert_eq!(server.declare("archive").await.message_count, 2, "the other key counts too");
    let properties = BasicProperties {
        headers: Some(FieldTable(vec![(short("CC"), FieldValue::Array(vec![FieldValue::LongStr("archive".into())]))])),
        ..BasicProperties::default()
    };
    server.publish_with("", &reply_to, false, &properties, "both");
    server.work();
    assert_eq!(asker.expect_delivery().await.1, "both");
    assert_eq!(server.declare("archive").await.message_count, 3);
}

#[tokio::test]
async fn a_reply_that_comes_too_late_counts_as_routed() {
    let (_fake, broker) = Fake::start();
    let (mut asker, mut server) = asker_and_server(&broker).await;
    let reply_to = request(&mut asker, &mut server).await;
    asker.send(1, basic::Cancel { consumer_tag: short("replies"), no_wait: false });
    asker.expect::<basic::CancelOk>().await;
    server.select_confirms().await;
    server.publish_mandatory("", &reply_to, "answer");
    server.expect::<basic::Ack>().await;
    server.publish_mandatory("", "amq.rabbitmq.reply-to.nonsense", "answer");
    server.expect::<basic::Ack>().await;
    assert!(asker.heard_so_far().await.is_empty());
}

#[tokio::test]
async fn a_reply_queue_goes_with_its_channel_and_leaves_nothing() {
    let (fake, broker) = Fake::start();
    let (mut asker, mut server) = asker_and_server(&broker).await;
    let reply_to = request(&mut asker, &mut server).await;
    server.send(1, queue::Declare { queue: short(&reply_to), ..queue::Declare::default() });
    let declared = server.expect::<queue::DeclareOk>().await;
    assert_eq!((declared.message_count, declared.consumer_count), (0, 1));
    fake.clear_log();
    asker.send(1, channel::Close { reply_code: 200, ..channel::Close::default() });
    asker.expect::<channel::CloseOk>().await;
    asker.heard_so_far().await;
    let forgets = fake.log().into_iter().flat_map(|chunk| chunk.commands);
    let forgets = forgets.filter(|command| matches!(command, ::queue::Command::Forget { .. })).count();
    assert_eq!(forgets, 1);
    server.send(1, queue::Declare { queue: short(&reply_to), passive: true, ..queue::Declare::default() });
    let text = format!("no queue '{reply_to}' in vhost '/'");
    server.expect_channel_error(ReplyCode::NotFound, &text).await;
}

#[tokio::test]
async fn asking_for_a_reply_takes_a_consumer_of_replies() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.publish_with("", "requests", false, &asking_for_reply(), "ask");
    client.work();
    client.expect_channel_error(ReplyCode::PreconditionFailed, "fast reply consumer does not exist").await;
}

#[tokio::test]
async fn a_consumer_of_replies_does_not_acknowledge_and_is_alone() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, consume(REPLY_TO, "c"));
    client.expect_channel_error(ReplyCode::PreconditionFailed, "reply consumer cannot acknowledge").await;
    let mut client = Client::connect(&broker).await;
    client.send(1, consume_replies());
    client.expect::<basic::ConsumeOk>().await;
    client.send(1, basic::Consume { consumer_tag: short("second"), ..consume_replies() });
    client.expect_channel_error(ReplyCode::PreconditionFailed, "reply consumer already set").await;
}

#[tokio::test]
async fn a_cancelled_consumer_of_replies_may_be_followed_by_another() {
    let (_fake, broker) = Fake::start();
    let (mut asker, mut server) = asker_and_server(&broker).await;
    asker.send(1, basic::Cancel { consumer_tag: short("replies"), no_wait: false });
    asker.expect::<basic::CancelOk>().await;
    asker.send(1, consume_replies());
    asker.expect::<basic::ConsumeOk>().await;
    let reply_to = request(&mut asker, &mut server).await;
    server.publish("", &reply_to, "answer");
    assert_eq!(asker.expect_delivery().await.1, "answer");
}

#[tokio::test]
async fn the_common_name_is_always_there_and_takes_no_messages() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, queue::Declare { queue: short(REPLY_TO), passive: true, ..queue::Declare::default() });
    let declared = client.expect::<queue::DeclareOk>().await;
    assert_eq!((declared.message_count, declared.consumer_count), (0, 1));
    client.publish_mandatory("", REPLY_TO, "lost");
    assert_eq!(client.expect::<basic::Return>().await.reply_code, 312);
}

#[tokio::test]
async fn a_reply_queue_cannot_be_bound() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, queue::Bind { queue: short(REPLY_TO), exchange: short("amq.fanout"), ..queue::Bind::default() });
    let text = "cannot bind or unbind to a volatile (direct reply-to) queue";
    client.expect_channel_error(ReplyCode::AccessRefused, text).await;
}
