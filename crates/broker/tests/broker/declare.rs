//! `queue.declare`, `queue.delete`, `exchange.*`, `queue.bind`: what is there, what is refused, in which words.

use ::queue::Command;
use amqp_codec::{
    ReplyCode,
    methods::{basic, channel, exchange, queue},
};
use replication::Metadata;
use types::{FieldTable, FieldValue};

use crate::{
    client::{Client, consume, short},
    fake::Fake,
};

fn declare(name: &str) -> queue::Declare {
    queue::Declare { queue: short(name), ..queue::Declare::default() }
}

fn argument(name: &str, value: FieldValue) -> FieldTable {
    FieldTable(vec![(short(name), value)])
}

#[tokio::test]
async fn a_queue_that_is_there_tells_its_depth() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let ok = client.declare("q").await;
    assert_eq!((ok.queue, ok.message_count, ok.consumer_count), (short("q"), 0, 0));
    client.publish("", "q", "m");
    client.consume("q", "c").await;
    client.publish("", "q", "n");
    client.send(1, queue::Declare { passive: true, ..declare("q") });
    let ok = loop {
        let heard = client.hear().await;
        if let amqp_codec::Method::QueueDeclareOk(ok) = heard.method {
            break ok;
        }
    };
    assert_eq!(ok.consumer_count, 1);
}

#[tokio::test]
async fn a_queue_without_name_gets_one_that_stands_for_the_empty_name() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, queue::Declare { exclusive: true, ..declare("") });
    let name = client.expect::<queue::DeclareOk>().await.queue;
    assert!(name.as_bytes().starts_with(b"amq.gen-"));
    client.send(1, queue::Bind { exchange: short("amq.direct"), ..queue::Bind::default() });
    client.expect::<queue::BindOk>().await;
    // With neither queue nor key, the name is the key.
    client.publish("amq.direct", name.as_str().unwrap(), "m");
    client.send(1, queue::Purge::default());
    assert_eq!(client.expect::<queue::PurgeOk>().await.message_count, 1);
}

#[tokio::test]
async fn the_empty_name_means_nothing_before_a_declare() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, queue::Purge::default());
    client.expect_channel_error(ReplyCode::NotFound, "no previously declared queue").await;
}

#[tokio::test]
async fn a_passive_declare_of_nothing_is_not_found() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, queue::Declare { passive: true, ..declare("q") });
    client.expect_channel_error(ReplyCode::NotFound, "no queue 'q' in vhost '/'").await;
}

#[tokio::test]
async fn declaring_differently_is_refused_in_rabbitmqs_words() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.send(1, declare("q"));
    let text = "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'";
    client.expect_channel_error(ReplyCode::PreconditionFailed, text).await;
}

#[tokio::test]
async fn reserved_names_cannot_be_declared() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, declare("amq.mine"));
    let text = "queue name 'amq.mine' contains reserved prefix 'amq.*'";
    client.expect_channel_error(ReplyCode::AccessRefused, text).await;
}

#[tokio::test]
async fn arguments_that_mean_nothing_here_are_accepted() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(
        1,
        queue::Declare { arguments: argument("x-queue-mode", FieldValue::LongStr("lazy".into())), ..declare("lazy") },
    );
    client.expect::<queue::DeclareOk>().await;
}

#[tokio::test]
async fn a_queues_machine_is_told_its_settings() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    for durable in [true, false] {
        fake.clear_log();
        let name = if durable { "durable" } else { "transient" };
        let arguments = argument("x-message-ttl", FieldValue::I32(1000));
        client.send(1, queue::Declare { durable, arguments, ..declare(name) });
        client.expect::<queue::DeclareOk>().await;
        let commands = fake.log().into_iter().flat_map(|chunk| chunk.commands);
        let configs = commands.filter_map(|command| match command {
            Command::CreateQueue { config, .. } => Some(config.message_ttl_ms),
            _ => None,
        });
        assert!(configs.eq(vec![Some(1000); if durable { 1 } else { 2 }]), "{name}");
    }
}

#[tokio::test]
async fn declaring_a_queue_again_renews_its_time_to_expire() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    fake.clear_log();
    client.declare("q").await;
    let commands: Vec<Command> = fake.log().into_iter().flat_map(|chunk| chunk.commands).collect();
    assert!(matches!(commands[..], [Command::Touch { .. }, Command::Inspect { .. }]), "{commands:?}");
}

#[tokio::test]
async fn a_queue_that_has_ended_is_declared_anew() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let auto_delete = || queue::Declare { auto_delete: true, durable: true, ..declare("q") };
    client.send(1, auto_delete());
    client.expect::<queue::DeclareOk>().await;
    client.consume("q", "c").await;
    client.publish("", "q", "m");
    client.expect_delivery().await;
    // Metadata does not hear of the queue's end.
    fake.set_metadata_down(true);
    client.send(1, channel::Close { reply_code: 200, ..channel::Close::default() });
    client.expect::<channel::CloseOk>().await;
    client.heard_so_far().await;
    fake.set_metadata_down(false);
    client.open_channel(1).await;
    client.send(1, auto_delete());
    assert_eq!(client.expect::<queue::DeclareOk>().await.message_count, 0);
    client.publish("", "q", "n");
    client.consume("q", "c").await;
    assert_eq!(client.expect_delivery().await.1, "n");
}

#[tokio::test]
async fn who_declared_a_queue_has_done_so_though_it_is_deleted_and_declared_otherwise_before_the_answer() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.hold_metadata();
    client.send(1, queue::Declare { durable: true, ..declare("q") });
    client.heard_so_far().await;
    let proposal = fake.held_proposals().remove(0);
    fake.apply_proposals(1);
    let metadata::Command::DeclareQueue(theirs) = proposal else { panic!("{proposal:?}") };
    let there = Metadata::read(&*fake).queue_for(&theirs.vhost, &theirs.name, theirs.connection).unwrap().id;
    fake.change(metadata::Command::DeleteQueue { queue: there });
    fake.change(metadata::Command::DeclareQueue(metadata::DeclareQueue { auto_delete: true, ..theirs }));
    fake.release_metadata();
    assert_eq!(client.expect::<queue::DeclareOk>().await.queue, short("q"));
}

#[tokio::test]
async fn a_queue_that_differs_as_far_as_this_node_knows_is_decided_on_by_a_majority() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    fake.hold_metadata();
    client.send(1, queue::Declare { auto_delete: true, durable: true, ..declare("q") });
    client.heard_so_far().await;
    assert_eq!(fake.held_proposals().len(), 1);
    // What this node did not know yet: the queue is gone.
    let theirs = fake.held_proposals().remove(0);
    let metadata::Command::DeclareQueue(declare) = &theirs else { panic!("{theirs:?}") };
    let there = Metadata::read(&*fake).queue_for(&declare.vhost, &declare.name, declare.connection).unwrap().id;
    fake.change(metadata::Command::DeleteQueue { queue: there });
    fake.release_metadata();
    assert_eq!(client.expect::<queue::DeclareOk>().await.queue, short("q"));
}

#[tokio::test]
async fn an_exclusive_queue_is_locked_for_other_connections() {
    let (_fake, broker) = Fake::start();
    let mut owner = Client::connect(&broker).await;
    let mut other = Client::connect(&broker).await;
    owner.send(1, queue::Declare { exclusive: true, ..declare("q") });
    owner.expect::<queue::DeclareOk>().await;
    other.send(1, queue::Declare { passive: true, ..declare("q") });
    let text = "cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on \
                another connection or the exclusive property value does not match that of the original declaration.";
    other.expect_channel_error(ReplyCode::ResourceLocked, text).await;
}

#[tokio::test]
async fn deleting_what_is_not_there_succeeds() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, queue::Delete { queue: short("q"), ..queue::Delete::default() });
    assert_eq!(client.expect::<queue::DeleteOk>().await.message_count, 0);
    client.send(1, exchange::Delete { exchange: short("x"), ..exchange::Delete::default() });
    client.expect::<exchange::DeleteOk>().await;
}

#[tokio::test]
async fn a_deleted_queue_is_gone_with_its_messages_and_its_name_free() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "m");
    client.send(1, queue::Delete { queue: short("q"), ..queue::Delete::default() });
    assert_eq!(client.expect::<queue::DeleteOk>().await.message_count, 1);
    assert_eq!(client.declare("q").await.message_count, 0);
}

#[tokio::test]
async fn conditions_of_a_delete_are_heeded() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "m");
    client.send(1, queue::Delete { queue: short("q"), if_empty: true, ..queue::Delete::default() });
    client.expect_channel_error(ReplyCode::PreconditionFailed, "queue 'q' in vhost '/' not empty").await;
    let mut client = Client::connect(&broker).await;
    client.consume("q", "c").await;
    client.expect_delivery().await;
    client.send(1, queue::Delete { queue: short("q"), if_unused: true, ..queue::Delete::default() });
    client.expect_channel_error(ReplyCode::PreconditionFailed, "queue 'q' in vhost '/' in use").await;
}

#[tokio::test]
async fn exchanges_are_declared_checked_and_deleted() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let x = exchange::Declare { exchange: short("x"), type_: short("topic"), ..exchange::Declare::default() };
    for _ in 0..2 {
        client.send(1, x.clone());
        client.expect::<exchange::DeclareOk>().await;
    }
    client.send(1, exchange::Declare { passive: true, ..x.clone() });
    client.expect::<exchange::DeclareOk>().await;
    client.send(1, exchange::Delete { exchange: short("x"), ..exchange::Delete::default() });
    client.expect::<exchange::DeleteOk>().await;
    client.send(1, exchange::Declare { passive: true, ..x });
    client.expect_channel_error(ReplyCode::NotFound, "no exchange 'x' in vhost '/'").await;
}

#[tokio::test]
async fn what_cannot_be_an_exchange_is_refused() {
    let (_fake, broker) = Fake::start();
    let x =
        |name, kind| exchange::Declare { exchange: short(name), type_: short(kind), ..exchange::Declare::default() };
    for (declare, code, text) in [
        (x("x", "odd"), ReplyCode::PreconditionFailed, "unknown exchange type 'odd'"),
        (x("", "direct"), ReplyCode::AccessRefused, "operation not permitted on the default exchange"),
        (x("amq.x", "direct"), ReplyCode::AccessRefused, "exchange name 'amq.x' contains reserved prefix 'amq.*'"),
        (
            x("amq.topic", "direct"),
            ReplyCode::PreconditionFailed,
            "inequivalent arg 'type' for exchange 'amq.topic' in vhost '/': received 'direct' but current is 'topic'",
        ),
    ] {
        let mut client = Client::connect(&broker).await;
        client.send(1, declare);
        client.expect_channel_error(code, text).await;
    }
    let mut client = Client::connect(&broker).await;
    client.send(1, exchange::Delete { exchange: short("amq.topic"), ..exchange::Delete::default() });
    let text = "deletion of system exchange 'amq.topic' in vhost '/' not allowed";
    client.expect_channel_error(ReplyCode::AccessRefused, text).await;
}

#[tokio::test]
async fn what_cannot_be_bound_is_refused() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    let bind =
        |queue, exchange| queue::Bind { queue: short(queue), exchange: short(exchange), ..queue::Bind::default() };
    for (bind, code, text) in [
        (bind("q", "x"), ReplyCode::NotFound, "no exchange 'x' in vhost '/'"),
        (bind("p", "amq.direct"), ReplyCode::NotFound, "no queue 'p' in vhost '/'"),
        (bind("q", ""), ReplyCode::AccessRefused, "operation not permitted on the default exchange"),
    ] {
        let mut client = Client::connect(&broker).await;
        client.send(1, bind);
        client.expect_channel_error(code, text).await;
    }
}

#[tokio::test]
async fn an_exchange_bound_to_another_passes_messages_on() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.send(
        1,
        queue::Bind { queue: short("q"), exchange: short("amq.direct"), routing_key: short("k"), ..Default::default() },
    );
    client.expect::<queue::BindOk>().await;
    client.send(
        1,
        exchange::Bind { destination: short("amq.direct"), source: short("amq.fanout"), ..Default::default() },
    );
    client.expect::<exchange::BindOk>().await;
    client.publish("amq.fanout", "k", "m");
    assert_eq!(client.declare("q").await.message_count, 1);
}

#[tokio::test]
async fn no_wait_gets_no_answer_but_an_error() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(1, queue::Declare { no_wait: true, durable: true, ..declare("q") });
    client.publish("", "q", "m");
    assert_eq!(client.declare("q").await.message_count, 1, "the next answer is that of the next method");
    client.send(1, queue::Declare { no_wait: true, ..declare("q") });
    let text = "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'";
    client.expect_channel_error(ReplyCode::PreconditionFailed, text).await;
}

#[tokio::test]
async fn without_majority_a_declare_fails_with_a_clear_text() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    fake.set_metadata_down(true);
    // What is there needs no majority.
    client.declare("q").await;
    client.send(1, declare("p"));
    let text = "metadata could not be changed: no majority of the cluster answered in time";
    client.expect_connection_error(ReplyCode::InternalError, text).await;
}

#[tokio::test]
async fn a_queue_that_lost_its_machine_gets_one_again() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    let place = fake.log().into_iter().find(|chunk| chunk.group == crate::fake::SHARDS[0]).unwrap();
    let created = place.commands.iter().find_map(|command| match command {
        ::queue::Command::CreateQueue { queue, .. } => Some(*queue),
        _ => None,
    });
    let delete = ::queue::Command::DeleteQueue { queue: created.unwrap(), if_unused: false, if_empty: false };
    replication::Groups::submit(
        &*fake,
        place.group,
        types::SessionId::default(),
        0,
        vec![delete],
        types::Blob::default(),
    );
    assert_eq!(client.declare("q").await.message_count, 0);
    client.publish("", "q", "m");
    assert_eq!(client.declare("q").await.message_count, 1);
}

#[tokio::test]
async fn an_unused_queue_expires_and_is_gone_from_metadata() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let expires =
        || queue::Declare { durable: true, arguments: argument("x-expires", FieldValue::I32(1000)), ..declare("q") };
    client.send(1, expires());
    client.expect::<queue::DeclareOk>().await;
    fake.pass_ms(800);
    client.send(1, expires());
    client.expect::<queue::DeclareOk>().await;
    fake.pass_ms(800);
    client.send(1, queue::Declare { passive: true, ..declare("q") });
    client.expect::<queue::DeclareOk>().await;
    fake.pass_ms(1001);
    client.heard_so_far().await;
    client.send(1, queue::Declare { passive: true, ..declare("q") });
    client.expect_channel_error(ReplyCode::NotFound, "no queue 'q' in vhost '/'").await;
}

#[tokio::test]
async fn who_says_no_wait_hears_nothing() {
    let (_fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.send(
        1,
        exchange::Declare { exchange: short("x"), type_: short("direct"), no_wait: true, ..Default::default() },
    );
    client.send(1, queue::Declare { no_wait: true, ..declare("q") });
    client.send(1, queue::Declare { no_wait: true, ..declare("q") });
    let (queue, exchange, routing_key) = (short("q"), short("x"), short("k"));
    client.send(1, queue::Bind { queue, exchange, routing_key, no_wait: true, ..Default::default() });
    let (destination, source) = (short("amq.fanout"), short("x"));
    client.send(1, exchange::Bind { destination, source, no_wait: true, ..Default::default() });
    client.send(
        1,
        exchange::Unbind { destination: short("amq.fanout"), source: short("x"), no_wait: true, ..Default::default() },
    );
    client.send(1, queue::Purge { queue: short("q"), no_wait: true });
    client.send(1, basic::Consume { no_wait: true, ..consume("q", "c") });
    client.publish("x", "k", "m");
    assert_eq!(client.expect_delivery().await.1, "m");
    client.send(1, basic::Cancel { consumer_tag: short("c"), no_wait: true });
    client.send(1, queue::Delete { queue: short("q"), no_wait: true, ..Default::default() });
    client.send(1, exchange::Delete { exchange: short("x"), no_wait: true, ..Default::default() });
    assert!(client.heard_so_far().await.is_empty());
    client.publish_mandatory("", "q", "the queue is gone");
    client.expect::<basic::Return>().await;
}
