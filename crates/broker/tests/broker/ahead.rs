//! Declarations that a client sends without waiting: they are under way together, and answered in order.

use ::queue::Command as QueueCommand;
use amqp_codec::{
    ReplyCode,
    methods::{channel, connection, exchange, queue},
};
use metadata::{Command, SetVhostLimit, VhostLimit};
use replication::Metadata;

use crate::{
    client::{Client, short},
    fake::Fake,
};

/// The most that a channel has under way.
const OPERATIONS_MAX: usize = 128;
/// The most that may be ahead of their turns on a node.
const AHEAD_MAX: usize = 2048;

pub(crate) fn declare(name: &str) -> queue::Declare {
    queue::Declare { queue: short(name), durable: true, ..queue::Declare::default() }
}

pub(crate) fn bind(queue: &str, key: &str) -> queue::Bind {
    let exchange = short("amq.direct");
    queue::Bind { queue: short(queue), exchange, routing_key: short(key), ..queue::Bind::default() }
}

pub(crate) fn unbind(queue: &str, key: &str) -> queue::Unbind {
    let exchange = short("amq.direct");
    queue::Unbind { queue: short(queue), exchange, routing_key: short(key), ..queue::Unbind::default() }
}

fn is_declared(fake: &Fake, name: &str) -> bool {
    fake.read().queue(b"/", name.as_bytes()).is_some()
}

#[tokio::test]
async fn declarations_that_are_sent_together_are_proposed_together() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.hold_metadata();
    for name in ["a", "b", "c"] {
        client.batch(1, declare(name));
        client.batch(1, bind(name, "key"));
    }
    client.work();
    assert_eq!(fake.held_proposals().len(), 6);
    assert_eq!(client.heard_so_far().await, []);
    fake.release_metadata();
    for name in ["a", "b", "c"] {
        assert_eq!(client.expect::<queue::DeclareOk>().await.queue, short(name));
        client.expect::<queue::BindOk>().await;
    }
}

#[tokio::test]
async fn answers_keep_their_order_whatever_is_done_first() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.hold_metadata();
    for name in ["a", "b", "c"] {
        client.batch(1, declare(name));
    }
    client.work();
    fake.reorder_proposals(|count| count - 1);
    fake.apply_proposals(2);
    assert_eq!(client.heard_so_far().await, [], "the first is not done");
    assert!(is_declared(&fake, "c") && is_declared(&fake, "b") && !is_declared(&fake, "a"));
    fake.release_metadata();
    for name in ["a", "b", "c"] {
        assert_eq!(client.expect::<queue::DeclareOk>().await.queue, short(name));
    }
}

#[tokio::test]
async fn a_binding_that_comes_before_its_queue_is_made_in_its_turn() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.hold_metadata();
    client.batch(1, declare("q"));
    client.batch(1, bind("", "key"));
    client.work();
    fake.reorder_proposals(|count| count - 1);
    fake.release_metadata();
    client.expect::<queue::DeclareOk>().await;
    client.expect::<queue::BindOk>().await;
    assert_eq!(fake.read().bindings(b"/").count(), 1);
}

#[tokio::test]
async fn what_is_no_declaration_waits_for_those_before_it() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.hold_metadata();
    client.batch(1, declare("q"));
    client.batch_publish("", "q", "m");
    client.batch(1, declare("r"));
    client.work();
    assert_eq!(fake.held_proposals().len(), 1);
    fake.release_metadata();
    client.expect::<queue::DeclareOk>().await;
    client.expect::<queue::DeclareOk>().await;
    assert_eq!(client.declare("q").await.message_count, 1);
}

#[tokio::test]
async fn what_is_bound_and_what_is_unbound_are_not_under_way_together() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    fake.hold_metadata();
    for key in ["a", "b"] {
        client.batch(1, bind("q", key));
    }
    for key in ["a", "b"] {
        client.batch(1, unbind("q", key));
    }
    client.work();
    assert!(fake.held_proposals().iter().all(|command| matches!(command, Command::Bind(_))));
    fake.apply_proposals(2);
    client.expect::<queue::BindOk>().await;
    client.expect::<queue::BindOk>().await;
    assert_eq!(fake.held_proposals().len(), 2);
    fake.release_metadata();
    client.expect::<queue::UnbindOk>().await;
    client.expect::<queue::UnbindOk>().await;
    assert_eq!(fake.read().bindings(b"/").count(), 0);
}

#[tokio::test]
async fn nothing_after_a_mistake_is_begun() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.hold_metadata();
    for name in ["a", "amq.mine", "b"] {
        client.batch(1, declare(name));
    }
    client.work();
    assert_eq!(fake.held_proposals().len(), 1);
    fake.release_metadata();
    client.expect::<queue::DeclareOk>().await;
    let text = "queue name 'amq.mine' contains reserved prefix 'amq.*'";
    client.expect_channel_error(ReplyCode::AccessRefused, text).await;
    client.heard_so_far().await;
    assert!(is_declared(&fake, "a") && !is_declared(&fake, "b"));
}

#[tokio::test]
async fn declaring_twice_in_different_ways_is_refused_in_the_order_of_the_client() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.hold_metadata();
    client.batch(1, declare("q"));
    client.batch(1, queue::Declare { durable: false, ..declare("q") });
    client.work();
    assert_eq!(fake.held_proposals().len(), 1);
    fake.release_metadata();
    client.expect::<queue::DeclareOk>().await;
    let text = "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'";
    client.expect_channel_error(ReplyCode::PreconditionFailed, text).await;
}

#[tokio::test]
async fn another_client_that_gets_in_between_is_told_of_after_what_was_done() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let mut other = Client::connect(&broker).await;
    fake.hold_metadata();
    for name in ["a", "b", "c"] {
        client.batch(1, declare(name));
    }
    client.work();
    other.send(1, queue::Declare { durable: false, ..declare("b") });
    // The other's is the last of four.
    fake.reorder_proposals(|count| if count == 4 { 3 } else { 0 });
    fake.release_metadata();
    other.expect::<queue::DeclareOk>().await;
    assert_eq!(client.expect::<queue::DeclareOk>().await.queue, short("a"));
    let text = "inequivalent arg 'durable' for queue 'b' in vhost '/': received 'true' but current is 'false'";
    client.expect_channel_error(ReplyCode::PreconditionFailed, text).await;
}

#[tokio::test]
async fn no_more_is_ahead_than_a_limit_has_room_for() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.change(Command::SetVhostLimit(SetVhostLimit {
        vhost: short("/"),
        limit: VhostLimit::MaxQueues,
        value: Some(2),
    }));
    fake.hold_metadata();
    for name in ["a", "b", "c"] {
        client.batch(1, declare(name));
    }
    client.batch(1, bind("a", "key"));
    client.work();
    assert_eq!(fake.held_proposals().len(), 2);
    fake.release_metadata();
    client.expect::<queue::DeclareOk>().await;
    client.expect::<queue::DeclareOk>().await;
    assert_eq!(client.expect::<channel::Close>().await.reply_code, ReplyCode::PreconditionFailed.code());
    assert_eq!(fake.read().bindings(b"/").count(), 0);
}

#[tokio::test]
async fn a_client_is_answered_when_other_nodes_have_heard_and_the_machine_is_made_meanwhile() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.clear_log();
    fake.hold_spread();
    client.send(1, declare("q"));
    assert_eq!(client.heard_so_far().await, []);
    let commands = fake.log().into_iter().flat_map(|chunk| chunk.commands);
    assert_eq!(commands.filter(|command| matches!(command, QueueCommand::CreateQueue { .. })).count(), 1);
    client.send(1, bind("q", "key"));
    assert_eq!(client.heard_so_far().await, []);
    fake.release_spread();
    client.expect::<queue::DeclareOk>().await;
    client.expect::<queue::BindOk>().await;
}

#[tokio::test]
async fn a_queue_is_bound_though_it_had_ended_when_it_was_declared() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    let auto_delete = || queue::Declare { auto_delete: true, ..declare("q") };
    client.send(1, auto_delete());
    client.expect::<queue::DeclareOk>().await;
    client.send(1, bind("q", "key"));
    client.expect::<queue::BindOk>().await;
    client.consume("q", "c").await;
    // Metadata does not hear of the queue's end.
    fake.set_metadata_down(true);
    client.send(1, channel::Close { reply_code: 200, ..channel::Close::default() });
    client.expect::<channel::CloseOk>().await;
    client.heard_so_far().await;
    fake.set_metadata_down(false);
    client.open_channel(1).await;
    client.batch(1, auto_delete());
    client.batch(1, bind("q", "key"));
    client.work();
    client.expect::<queue::DeclareOk>().await;
    client.expect::<queue::BindOk>().await;
    assert_eq!(fake.read().bindings(b"/").count(), 1, "the new queue is bound");
}

#[tokio::test]
async fn a_queue_that_comes_after_its_connection_goes_with_it() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.hold_metadata();
    for name in ["a", "b"] {
        client.batch(1, queue::Declare { exclusive: true, durable: false, ..declare(name) });
    }
    client.work();
    client.hang_up();
    // The queues come last.
    fake.reorder_proposals(|count| count - 1);
    fake.release_metadata();
    while !client.session.is_finished() {
        client.mail().await;
    }
    drop(client);
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(!is_declared(&fake, "a") && !is_declared(&fake, "b"));
}

#[tokio::test]
async fn very_many_queues_go_with_their_connection_in_many_small_changes() {
    for (count, changes) in [(20, 1), (1100, 2 * 512 + 1)] {
        let (fake, broker) = Fake::start();
        let mut client = Client::connect(&broker).await;
        let exclusive = |name: &str| queue::Declare { exclusive: true, durable: false, ..declare(name) };
        (0..count).for_each(|number| client.batch(1, exclusive(&number.to_string())));
        client.work();
        for _ in 0..count {
            client.expect::<queue::DeclareOk>().await;
        }
        let before = fake.proposed();
        client.send(0, connection::Close { reply_code: 200, ..connection::Close::default() });
        client.expect::<connection::CloseOk>().await;
        assert_eq!(fake.proposed() - before, changes);
        assert_eq!(fake.read().queues().count(), 0);
    }
}

#[tokio::test]
async fn what_is_there_already_is_proposed_to_nobody() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    for round in 0..2 {
        let before = fake.proposed();
        for name in ["a", "b"] {
            client.batch(1, declare(name));
            client.batch(1, bind(name, "key"));
        }
        client.batch(
            1,
            exchange::Declare { exchange: short("x"), type_: short("fanout"), ..exchange::Declare::default() },
        );
        client.work();
        for _ in ["a", "b"] {
            client.expect::<queue::DeclareOk>().await;
            client.expect::<queue::BindOk>().await;
        }
        client.expect::<exchange::DeclareOk>().await;
        assert_eq!(fake.proposed() - before, if round == 0 { 5 } else { 0 });
    }
}

#[tokio::test]
async fn a_channel_and_a_node_have_a_bounded_number_under_way() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.hold_metadata();
    let channels = 1..=u16::try_from(AHEAD_MAX / OPERATIONS_MAX + 3).unwrap();
    let each = 2 * OPERATIONS_MAX;
    for channel in channels.clone() {
        if channel > 1 {
            client.open_channel(channel).await;
        }
        (0..each).for_each(|number| client.batch(channel, declare(&format!("{channel}.{number}"))));
        client.work();
        if channel == 1 {
            assert_eq!(fake.held_proposals().len(), OPERATIONS_MAX);
        }
    }
    assert_eq!(fake.held_proposals().len(), AHEAD_MAX + channels.len(), "one of each channel is in its turn");
    fake.release_metadata();
    for _ in 0..each * channels.len() {
        client.expect::<queue::DeclareOk>().await;
    }
}

#[tokio::test]
async fn a_channel_that_fails_leaves_room_for_others() {
    let (fake, broker) = Fake::start();
    for _ in 0..2 * AHEAD_MAX / OPERATIONS_MAX {
        let mut client = Client::connect(&broker).await;
        fake.hold_metadata();
        (0..OPERATIONS_MAX).for_each(|number| client.batch(1, declare(&format!("{number}"))));
        client.work();
        assert_eq!(fake.held_proposals().len(), OPERATIONS_MAX);
        // Never answered: the connection ends first.
        client.hang_up();
        drop(client);
        fake.forget_proposals();
        fake.release_metadata();
    }
}

#[tokio::test]
async fn large_arguments_are_not_gathered() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    fake.hold_metadata();
    for name in ["a", "b"] {
        let value = types::FieldValue::LongStr(vec![b'x'; 8192].into());
        let arguments = types::FieldTable(vec![(short("note"), value)]);
        client.batch(1, queue::Declare { arguments, ..declare(name) });
    }
    client.work();
    assert_eq!(fake.held_proposals().len(), 1);
    fake.release_metadata();
    client.expect::<queue::DeclareOk>().await;
    client.expect::<queue::DeclareOk>().await;
}
