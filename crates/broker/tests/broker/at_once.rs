//! The same methods, sent one by one and all at once: the client hears the same, and the same is there afterwards.

use std::collections::BTreeSet;

use amqp_codec::{
    Method,
    methods::{exchange, queue},
};
use metadata::Destination;
use proptest::{collection::vec, prelude::*};
use replication::Metadata;

use crate::{
    ahead::{bind, declare, unbind},
    client::{Client, short},
    fake::Fake,
};

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
    let queues = machine.queues().map(|queue| format!("{} {} {}", queue.name, queue.durable, queue.owner.is_some()));
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
