//! Exchanges with a history.

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

async fn declare_with(client: &mut Client, name: &str, kind: &str, arguments: Vec<(&str, FieldValue)>) {
    let arguments = FieldTable(arguments.into_iter().map(|(name, value)| (short(name), value)).collect());
    let declare =
        exchange::Declare { exchange: short(name), type_: short(kind), arguments, ..exchange::Declare::default() };
    client.send(1, declare);
    client.expect::<exchange::DeclareOk>().await;
}

async fn bind(client: &mut Client, source: &str, queue: &str, key: &str) {
    let bind =
        queue::Bind { queue: short(queue), exchange: short(source), routing_key: short(key), ..queue::Bind::default() };
    client.send(1, bind);
    client.expect::<queue::BindOk>().await;
}

/// Takes everything out of the queue.
async fn drain(client: &mut Client, queue: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        client.send(1, basic::Get { queue: short(queue), no_ack: true });
        let heard = client.hear().await;
        match heard.method {
            amqp_codec::Method::BasicGetOk(_) => bodies.push(String::from_utf8(heard.body.to_vec()).unwrap()),
            _ => return bodies,
        }
    }
}

#[tokio::test]
async fn what_is_bound_gets_the_last_messages_and_then_new_ones() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    declare_with(&mut client, "h", "x-recent-history", vec![("x-recent-history-length", FieldValue::I32(3))]).await;
    for body in ["a", "b", "c", "d"] {
        client.publish("h", "any", body);
    }
    client.declare("q").await;
    bind(&mut client, "h", "q", "").await;
    client.publish("h", "other", "e");
    assert_eq!(drain(&mut client, "q").await, ["b", "c", "d", "e"]);
    bind(&mut client, "h", "q", "").await;
    assert_eq!(drain(&mut client, "q").await, Vec::<String>::new(), "it was bound already");
    bind(&mut client, "h", "q", "another key").await;
    assert_eq!(drain(&mut client, "q").await, ["c", "d", "e"], "they stay in the history");
}

#[tokio::test]
async fn more_messages_than_one_look_finds_come_in_order() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    declare_with(&mut client, "h", "x-recent-history", vec![("x-recent-history-length", FieldValue::I32(150))]).await;
    let bodies: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    bodies.iter().for_each(|body| client.publish("h", "", body));
    client.declare("q").await;
    bind(&mut client, "h", "q", "").await;
    assert_eq!(drain(&mut client, "q").await, bodies[50..]);
}

#[tokio::test]
async fn an_exchange_that_is_bound_routes_the_history_as_it_routes_all() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    declare_with(&mut client, "h", "x-recent-history", vec![]).await;
    declare_with(&mut client, "t", "topic", vec![]).await;
    client.declare("q").await;
    bind(&mut client, "t", "q", "a.*").await;
    for key in ["a.1", "b.1", "a.2"] {
        client.publish("h", key, key);
    }
    client.send(1, exchange::Bind { destination: short("t"), source: short("h"), ..exchange::Bind::default() });
    client.expect::<exchange::BindOk>().await;
    assert_eq!(drain(&mut client, "q").await, ["a.1", "a.2"]);
}

#[tokio::test]
async fn what_says_so_is_not_kept_and_what_is_kept_does_not_expire() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    declare_with(&mut client, "h", "x-recent-history", vec![]).await;
    let no_store = |value| FieldTable(vec![(short("x-recent-history-no-store"), value)]);
    for (body, value) in [("kept", FieldValue::Bool(false)), ("not kept", FieldValue::Bool(true))] {
        let properties = BasicProperties { headers: Some(no_store(value)), ..BasicProperties::default() };
        client.publish_with("h", "", false, &properties, body);
    }
    let expiring = BasicProperties { expiration: Some(short("10")), ..BasicProperties::default() };
    client.publish_with("h", "", false, &expiring, "short-lived");
    client.work();
    client.heard_so_far().await;
    fake.pass_ms(1000);
    client.declare("q").await;
    bind(&mut client, "h", "q", "").await;
    assert_eq!(drain(&mut client, "q").await, ["kept", "short-lived"]);
}

#[tokio::test]
async fn a_message_that_is_only_kept_is_returned_and_confirmed() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    declare_with(&mut client, "h", "x-recent-history", vec![]).await;
    client.select_confirms().await;
    client.publish_mandatory("h", "k", "m");
    let returned = client.expect::<basic::Return>().await;
    assert_eq!(returned.reply_code, ReplyCode::NoRoute.code());
    client.expect::<basic::Ack>().await;
    client.declare("q").await;
    bind(&mut client, "h", "q", "").await;
    assert_eq!(drain(&mut client, "q").await, ["m"]);
}

/// Asks for a binding of `q` to `h`, and keeps the question for the history.
async fn bind_and_hold(client: &mut Client, fake: &Fake) {
    fake.hold();
    client.send(1, queue::Bind { queue: short("q"), exchange: short("h"), ..queue::Bind::default() });
    let is_peek = |command: &Command| matches!(command, Command::Peek { .. });
    while !fake.log().iter().any(|submitted| submitted.commands.iter().any(is_peek)) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_history_that_is_lost_with_its_leader_is_asked_for_again() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    declare_with(&mut client, "h", "x-recent-history", vec![]).await;
    client.declare("q").await;
    client.publish("h", "", "m");
    bind_and_hold(&mut client, &fake).await;
    fake.release_without_answers();
    client.expect::<queue::BindOk>().await;
    assert_eq!(drain(&mut client, "q").await, ["m"]);
}

#[tokio::test]
async fn a_binding_without_its_history_is_not_answered_with_success() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    declare_with(&mut client, "h", "x-recent-history", vec![]).await;
    client.declare("q").await;
    client.publish("h", "", "m");
    bind_and_hold(&mut client, &fake).await;
    fake.fail_held();
    let text = "metadata could not be changed: no majority of the cluster answered in time";
    client.expect_connection_error(ReplyCode::InternalError, text).await;
}
