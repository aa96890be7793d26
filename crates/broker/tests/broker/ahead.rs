//! Declarations that a client sends without waiting: they are under way together, and answered in order.

use ::queue::Command as QueueCommand;
use amqp_codec::{
    Method, ReplyCode,
    methods::{channel, exchange, queue},
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

fn declare(name: &str) -> queue::Declare {
    queue::Declare { queue: short(name), durable: true, ..queue::Declare::default() }
}

fn bind(queue: &str, key: &str) -> queue::Bind {
    let exchange = short("amq.direct");
    queue::Bind { queue: short(queue), exchange, routing_key: short(key), ..queue::Bind::default() }
}

fn unbind(queue: &str, key: &str) -> queue::Unbind {
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

mod order {
    //! The same methods, sent one by one and all at once: the client hears the same, and the same is there afterwards.

    use std::collections::BTreeSet;

    use metadata::Destination;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[derive(Clone, Debug)]
    enum Ask {
        Declare { queue: usize, durable: bool, exclusive: bool },
        Delete { queue: usize },
        DeclareExchange { exchange: usize, fanout: bool },
        DeleteExchange { exchange: usize },
        Bind { queue: Option<usize>, exchange: usize, key: usize },
        Unbind { queue: usize, exchange: usize, key: usize },
        BindExchange { from: usize, to: usize },
    }

    const QUEUES: [&str; 3] = ["q", "r", "s"];
    const EXCHANGES: [&str; 3] = ["amq.direct", "x", "y"];
    const KEYS: [&str; 2] = ["a", "b"];

    fn ask() -> impl Strategy<Value = Ask> {
        let (queue, exchange, key) = (0..QUEUES.len(), 0..EXCHANGES.len(), 0..KEYS.len());
        prop_oneof![
            6 => (queue.clone(), prop::bool::weighted(0.9), prop::bool::weighted(0.1))
                .prop_map(|(queue, durable, exclusive)| Ask::Declare { queue, durable, exclusive }),
            1 => queue.clone().prop_map(|queue| Ask::Delete { queue }),
            4 => (1..EXCHANGES.len(), prop::bool::weighted(0.1))
                .prop_map(|(exchange, fanout)| Ask::DeclareExchange { exchange, fanout }),
            1 => (1..EXCHANGES.len()).prop_map(|exchange| Ask::DeleteExchange { exchange }),
            6 => (prop::option::of(queue.clone()), exchange.clone(), key.clone())
                .prop_map(|(queue, exchange, key)| Ask::Bind { queue, exchange, key }),
            3 => (queue, exchange.clone(), key)
                .prop_map(|(queue, exchange, key)| Ask::Unbind { queue, exchange, key }),
            1 => (exchange.clone(), exchange).prop_map(|(from, to)| Ask::BindExchange { from, to }),
        ]
    }

    fn add(client: &mut Client, ask: &Ask) {
        match *ask {
            Ask::Declare { queue, durable, exclusive } => {
                client.batch(1, queue::Declare { durable, exclusive, ..declare(QUEUES[queue]) });
            }
            Ask::Delete { queue } => {
                client.batch(1, queue::Delete { queue: short(QUEUES[queue]), ..queue::Delete::default() });
            }
            Ask::DeclareExchange { exchange, fanout } => {
                let type_ = short(if fanout { "fanout" } else { "direct" });
                let exchange = short(EXCHANGES[exchange]);
                client.batch(1, exchange::Declare { exchange, type_, ..exchange::Declare::default() });
            }
            Ask::DeleteExchange { exchange } => {
                let exchange = short(EXCHANGES[exchange]);
                client.batch(1, exchange::Delete { exchange, ..exchange::Delete::default() });
            }
            Ask::Bind { queue, exchange, key } => {
                let queue = queue.map_or("", |queue| QUEUES[queue]);
                client.batch(1, queue::Bind { exchange: short(EXCHANGES[exchange]), ..bind(queue, KEYS[key]) });
            }
            Ask::Unbind { queue, exchange, key } => {
                let exchange = short(EXCHANGES[exchange]);
                client.batch(1, queue::Unbind { exchange, ..unbind(QUEUES[queue], KEYS[key]) });
            }
            Ask::BindExchange { from, to } => {
                let (source, destination) = (short(EXCHANGES[from]), short(EXCHANGES[to]));
                client.batch(1, exchange::Bind { source, destination, ..exchange::Bind::default() });
            }
        }
    }

    /// What is there, without ids.
    fn topology(fake: &Fake) -> BTreeSet<String> {
        let machine = fake.read();
        let queues =
            machine.queues().map(|queue| format!("{} {} {}", queue.name, queue.durable, queue.owner.is_some()));
        let exchanges = machine.exchanges(b"/").map(|exchange| format!("{} {:?}", exchange.name, exchange.kind));
        let bindings = machine.bindings(b"/").map(|binding| {
            let to = match binding.destination {
                Destination::Queue(queue) => machine.queue_by_id(*queue).unwrap().name.clone(),
                Destination::Exchange(name) => name.clone(),
            };
            format!("{} -> {to} by {}", binding.source, binding.routing_key)
        });
        queues.chain(exchanges).chain(bindings).collect()
    }

    async fn one_by_one(asks: &[Ask]) -> (Vec<Method>, BTreeSet<String>) {
        let (fake, broker) = Fake::start();
        let mut client = Client::connect(&broker).await;
        let mut heard = Vec::new();
        for ask in asks {
            add(&mut client, ask);
            client.work();
            heard.push(client.hear().await.method);
            if matches!(heard.last(), Some(Method::ChannelClose(_))) {
                break;
            }
        }
        (heard, topology(&fake))
    }

    /// Proposals are applied a few at a time, in any order, as when leaders change all the time.
    async fn all_at_once(asks: &[Ask], luck: &[usize]) -> (Vec<Method>, BTreeSet<String>) {
        let (fake, broker) = Fake::start();
        let mut client = Client::connect(&broker).await;
        fake.hold_metadata();
        asks.iter().for_each(|ask| add(&mut client, ask));
        client.work();
        let mut heard = Vec::new();
        let mut luck = luck.iter().copied().cycle();
        while !fake.held_proposals().is_empty() {
            fake.reorder_proposals(|count| luck.next().unwrap() % count);
            fake.apply_proposals(1 + luck.next().unwrap() % 4);
            heard.extend(client.heard_so_far().await);
        }
        heard.extend(client.heard_so_far().await);
        (heard.into_iter().map(|heard| heard.method).collect(), topology(&fake))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn what_is_sent_at_once_comes_to_the_same_as_what_is_sent_one_by_one(
            asks in vec(ask(), 1..30),
            luck in vec(0_usize..1000, 1..50),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let expected = one_by_one(&asks).await;
                let found = all_at_once(&asks, &luck).await;
                prop_assert_eq!(found, expected);
                Ok(())
            })?;
        }
    }
}
