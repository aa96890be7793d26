//! A node that may not have heard of everything looks again before it says that something is not there.

use std::sync::Arc;

use amqp_codec::{
    ReplyCode,
    methods::{Method, basic, connection, exchange, queue},
};
use broker::Broker;
use types::{FieldTable, ShortStr};

use crate::{
    client::{Client, short},
    fake::Fake,
};

fn declare(name: &str) -> queue::Declare {
    queue::Declare { queue: short(name), durable: true, ..queue::Declare::default() }
}

/// What `declarer` declares is on its way, and `other` has asked for it, both held back.
async fn both_held(fake: &Fake, declarer: &mut Client, other: &mut Client) {
    declarer.heard_so_far().await;
    other.heard_so_far().await;
    assert_eq!(fake.held_proposals().len(), 2);
}

#[tokio::test]
async fn a_queue_that_this_node_had_not_heard_of_is_found() {
    let ask: [fn(&mut Client); 4] = [
        |client| client.send(1, queue::Declare { passive: true, ..declare("q") }),
        |client| client.send(1, basic::Get { queue: short("q"), no_ack: true }),
        |client| client.send(1, queue::Purge { queue: short("q"), no_wait: false }),
        |client| {
            let (queue, exchange, routing_key) = (short("q"), short("amq.direct"), short("k"));
            client.send(
                1,
                queue::Bind { queue, exchange, routing_key, no_wait: false, arguments: FieldTable::default() },
            );
        },
    ];
    for ask in ask {
        let (fake, broker) = Fake::start();
        let (mut declarer, mut other) = (Client::connect(&broker).await, Client::connect(&broker).await);
        fake.hold_metadata();
        declarer.send(1, declare("q"));
        declarer.heard_so_far().await;
        ask(&mut other);
        both_held(&fake, &mut declarer, &mut other).await;
        fake.release_metadata();
        declarer.expect::<queue::DeclareOk>().await;
        let heard = other.hear().await.method;
        assert!(!matches!(heard, Method::ChannelClose(_)), "{heard:?}");
    }
}

#[tokio::test]
async fn deleting_a_queue_that_this_node_had_not_heard_of_deletes_it() {
    let (fake, broker) = Fake::start();
    let (mut declarer, mut other) = (Client::connect(&broker).await, Client::connect(&broker).await);
    fake.hold_metadata();
    declarer.send(1, declare("q"));
    declarer.heard_so_far().await;
    other.send(1, queue::Delete { queue: short("q"), ..queue::Delete::default() });
    both_held(&fake, &mut declarer, &mut other).await;
    fake.release_metadata();
    other.expect::<queue::DeleteOk>().await;
    let vhost = ShortStr::from_static("/");
    assert!(replication::Metadata::read(&*fake).queue(vhost.as_bytes(), b"q").is_none());
}

#[tokio::test]
async fn a_message_to_an_exchange_that_this_node_had_not_heard_of_is_taken_once() {
    let (fake, broker) = Fake::start();
    let (mut declarer, mut other) = (Client::connect(&broker).await, Client::connect(&broker).await);
    other.select_confirms().await;
    fake.hold_metadata();
    let type_ = short("fanout");
    declarer.send(1, exchange::Declare { exchange: short("x"), type_, durable: true, ..exchange::Declare::default() });
    declarer.heard_so_far().await;
    other.publish("x", "k", "first");
    other.publish("", "k", "second");
    both_held(&fake, &mut declarer, &mut other).await;
    fake.release_metadata();
    let ack = other.expect::<basic::Ack>().await;
    assert_eq!((ack.delivery_tag, ack.multiple), (2, true));
}

#[tokio::test]
async fn what_is_not_there_for_a_majority_either_is_refused() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let before = fake.proposed();
    client.send(1, queue::Declare { passive: true, ..declare("q") });
    client.expect_channel_error(ReplyCode::NotFound, "no queue 'q' in vhost '/'").await;
    assert_eq!(fake.proposed() - before, 1, "it was asked for");
}

#[tokio::test]
async fn without_a_majority_nothing_is_said_not_to_be_there() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.set_metadata_down(true);
    client.send(1, queue::Declare { passive: true, ..declare("q") });
    let text = "metadata could not be changed: no majority of the cluster answered in time";
    client.expect_connection_error(ReplyCode::InternalError, text).await;
}

#[tokio::test]
async fn a_message_for_a_queue_that_this_node_had_not_heard_of_comes_there() {
    let (fake, broker) = Fake::start();
    let (mut declarer, mut other) = (Client::connect(&broker).await, Client::connect(&broker).await);
    other.select_confirms().await;
    fake.hold_metadata();
    declarer.send(1, declare("q"));
    declarer.heard_so_far().await;
    other.publish_mandatory("", "q", "body");
    both_held(&fake, &mut declarer, &mut other).await;
    fake.release_metadata();
    declarer.expect::<queue::DeclareOk>().await;
    assert_eq!(other.expect::<basic::Ack>().await.delivery_tag, 1, "it is not returned");
    other.send(1, basic::Get { queue: short("q"), no_ack: true });
    assert_eq!(other.hear().await.body, "body");
}

#[tokio::test]
async fn a_message_that_nobody_waits_for_is_dropped_without_asking_a_majority() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let before = fake.proposed();
    client.publish("", "nobody", "body");
    client.qos(1, false).await;
    assert_eq!(fake.proposed(), before);
}

#[tokio::test]
async fn without_a_majority_a_message_that_no_queue_takes_is_refused() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.select_confirms().await;
    fake.set_metadata_down(true);
    client.publish("", "nobody", "first");
    client.publish("nowhere", "nobody", "second");
    let told = [client.expect::<basic::Nack>().await, client.expect::<basic::Nack>().await];
    assert_eq!(told.map(|nack| nack.delivery_tag), [1, 2]);
    // The channel is open.
    client.qos(1, false).await;
}

#[tokio::test]
async fn many_who_look_for_what_is_not_there_share_their_questions() {
    let (fake, broker) = Fake::start();
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(Client::connect(&broker).await);
    }
    let before = fake.proposed();
    fake.hold_metadata();
    for client in &mut clients {
        client.send(1, queue::Declare { passive: true, ..declare("q") });
        client.heard_so_far().await;
    }
    fake.release_metadata();
    for client in &mut clients {
        client.expect_channel_error(ReplyCode::NotFound, "no queue 'q' in vhost '/'").await;
    }
    assert_eq!(fake.proposed() - before, 2, "the first asks alone, the others together");
}

#[tokio::test]
async fn what_waits_to_be_looked_for_counts_as_what_waits() {
    let (fake, broker) = Fake::start_with(|config| config.backlog_bytes_max = 1000);
    let mut client = Client::connect(&broker).await;
    client.select_confirms().await;
    fake.hold_metadata();
    client.publish("nowhere", "k", &"x".repeat(1000));
    client.heard_so_far().await;
    assert!(!client.session.wants_input(), "no more is read than fits");
    fake.release_metadata();
    client.expect_channel_error(ReplyCode::NotFound, "no exchange 'nowhere' in vhost '/'").await;
}

#[tokio::test]
async fn while_no_majority_answers_messages_do_not_wait_one_after_the_other() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.select_confirms().await;
    fake.hold_metadata();
    let before = fake.proposed();
    (0..50).for_each(|_| client.publish("", "nobody", "body"));
    client.heard_so_far().await;
    fake.forget_proposals();
    let mut refused = 0;
    while refused < 50 {
        let nack = client.expect::<basic::Nack>().await;
        refused = if nack.multiple { nack.delivery_tag } else { refused + 1 };
    }
    assert_eq!(fake.proposed() - before, 1, "the others are told what the first was");
}

/// A node whose metadata still has a queue that its group has deleted.
struct Stale {
    fake: Arc<Fake>,
    _broker: Arc<Broker>,
    /// Who deletes `q`.
    declarer: Client,
    /// Somebody else, with confirms.
    other: Client,
}

impl Stale {
    async fn start() -> Self {
        let (fake, broker) = Fake::start();
        let (mut declarer, mut other) = (Client::connect(&broker).await, Client::connect(&broker).await);
        other.select_confirms().await;
        declarer.declare("q").await;
        fake.hold_metadata();
        declarer.send(1, queue::Delete { queue: short("q"), ..queue::Delete::default() });
        declarer.heard_so_far().await;
        Stale { fake, _broker: broker, declarer, other }
    }

    /// The deletion is on its way, and the other one's question.
    async fn held(&mut self) {
        both_held(&self.fake, &mut self.declarer, &mut self.other).await;
    }

    /// `q` is declared anew, of which this node hears only after `other` has asked for it: when its question is answered.
    async fn declared_anew(&mut self) {
        self.held().await;
        self.fake.apply_proposals(1);
        self.declarer.expect::<queue::DeleteOk>().await;
        self.declarer.send(1, declare("q"));
        self.declarer.heard_so_far().await;
        assert_eq!(self.fake.held_proposals().len(), 2, "a question, and a declaration after it");
        self.fake.reorder_proposals(|count| count - 1);
        self.fake.release_metadata();
        self.declarer.expect::<queue::DeclareOk>().await;
    }
}

#[tokio::test]
async fn a_queue_that_was_declared_anew_elsewhere_is_found() {
    let ask: [fn(&mut Client); 3] = [
        |client| client.send(1, basic::Get { queue: short("q"), no_ack: true }),
        |client| client.send(1, queue::Purge { queue: short("q"), no_wait: false }),
        |client| client.send(1, basic::Consume { queue: short("q"), consumer_tag: short("c"), ..Default::default() }),
    ];
    for ask in ask {
        let mut stale = Stale::start().await;
        ask(&mut stale.other);
        stale.declared_anew().await;
        let heard = stale.other.hear().await.method;
        assert!(!matches!(heard, Method::ChannelClose(_)), "{heard:?}");
    }
}

#[tokio::test]
async fn deleting_a_queue_that_was_declared_anew_elsewhere_deletes_the_new_one() {
    let mut stale = Stale::start().await;
    stale.other.send(1, queue::Delete { queue: short("q"), ..queue::Delete::default() });
    stale.declared_anew().await;
    stale.other.expect::<queue::DeleteOk>().await;
    assert!(replication::Metadata::read(&*stale.fake).queue(b"/", b"q").is_none());
}

#[tokio::test]
async fn a_message_for_a_queue_that_was_declared_anew_elsewhere_is_not_confirmed_and_lost() {
    let mut stale = Stale::start().await;
    stale.other.publish("", "q", "body");
    stale.declared_anew().await;
    assert_eq!(stale.other.expect::<basic::Nack>().await.delivery_tag, 1);
    // The channel goes on, and the publisher publishes again.
    stale.other.publish("", "q", "body");
    assert_eq!(stale.other.expect::<basic::Ack>().await.delivery_tag, 2);
}

#[tokio::test]
async fn a_message_for_a_queue_that_is_being_deleted_is_confirmed_as_if_it_had_come_before() {
    let mut stale = Stale::start().await;
    stale.other.publish("", "q", "body");
    stale.held().await;
    stale.fake.release_metadata();
    assert_eq!(stale.other.expect::<basic::Ack>().await.delivery_tag, 1);
}

#[tokio::test]
async fn a_message_for_a_queue_that_is_gone_is_refused_when_no_majority_says_whether_there_is_another() {
    let mut stale = Stale::start().await;
    stale.other.publish("", "q", "body");
    stale.held().await;
    stale.fake.forget_proposals();
    assert_eq!(stale.other.expect::<basic::Nack>().await.delivery_tag, 1);
}

/// A client asks, the queue's group does it, and the answer is lost. Another client does something in between.
async fn answer_is_lost(ask: fn(&mut Client), meanwhile: &[Method]) -> (Client, Client) {
    let (fake, broker) = Fake::start();
    let (mut client, mut other) = (Client::connect(&broker).await, Client::connect(&broker).await);
    client.declare("q").await;
    fake.hold();
    ask(&mut client);
    client.heard_so_far().await;
    let applied = fake.apply_held();
    for method in meanwhile {
        other.send(1, method.clone());
        other.hear().await;
    }
    fake.answers_are_lost(applied);
    (client, other)
}

const DELETE: fn(&mut Client) =
    |client| client.send(1, queue::Delete { queue: short("q"), ..queue::Delete::default() });
const PURGE: fn(&mut Client) = |client| client.send(1, queue::Purge { queue: short("q"), no_wait: false });

#[tokio::test]
async fn a_queue_is_deleted_or_emptied_though_the_answer_was_lost() {
    let (mut client, _other) = answer_is_lost(DELETE, &[]).await;
    client.expect::<queue::DeleteOk>().await;
    let (mut client, _other) = answer_is_lost(PURGE, &[]).await;
    client.expect::<queue::PurgeOk>().await;
    let delete = queue::Delete { queue: short("q"), ..queue::Delete::default() };
    let (mut client, _other) = answer_is_lost(DELETE, &[delete.into()]).await;
    client.expect::<queue::DeleteOk>().await;
}

#[tokio::test]
async fn what_was_done_to_a_queue_is_not_done_to_the_next_of_that_name_when_the_answer_was_lost() {
    for ask in [DELETE, PURGE] {
        let delete = queue::Delete { queue: short("q"), ..queue::Delete::default() };
        let (mut client, mut other) = answer_is_lost(ask, &[delete.into(), declare("q").into()]).await;
        // Whether this was what deleted the queue, or it was gone before and this node had not heard so, nobody can tell.
        let close = client.expect::<connection::Close>().await;
        assert_eq!(close.reply_code, ReplyCode::InternalError.code());
        assert!(close.reply_text.to_string().contains("queue 'q' in vhost '/' was not answered"), "{close:?}");
        other.send(1, queue::Declare { passive: true, ..declare("q") });
        other.expect::<queue::DeclareOk>().await;
    }
}
