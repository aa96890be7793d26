//! Routing through random tables, against a naive search over a list of bindings.

use std::collections::BTreeSet;

use proptest::{collection::vec, option, prelude::*, sample::select};
use routing::{Binding, Destination, ExchangeKind, QueueRef, RouteOutcome, Routes, Table};
use types::{FieldTable, GroupId, QueueId, ShortStr};

const VHOST: ShortStr = ShortStr::from_static("/");
const EXCHANGES: [(&str, ExchangeKind); 5] = [
    ("d", ExchangeKind::Direct),
    ("e", ExchangeKind::Direct),
    ("f", ExchangeKind::Fanout),
    ("t", ExchangeKind::Topic),
    ("u", ExchangeKind::Topic),
];
const QUEUES: u64 = 6;

#[derive(Clone, Debug, PartialEq)]
struct Edge {
    source: usize,
    to: To,
    key: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    Queue(u64),
    Exchange(usize),
}

#[derive(Clone, Debug)]
enum Change {
    Bind(Edge),
    /// Unbinds the binding at that place of the list.
    Unbind(prop::sample::Index),
}

fn edge() -> impl Strategy<Value = Edge> {
    let to = prop_oneof![
        3 => (1..=QUEUES).prop_map(To::Queue),
        1 => (0..EXCHANGES.len()).prop_map(To::Exchange),
    ];
    let key = select(vec!["", "a", "b", "a.b", "#", "*", "a.*", "#.b"]);
    (0..EXCHANGES.len(), to, key).prop_map(|(source, to, key)| Edge { source, to, key })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![4 => edge().prop_map(Change::Bind), 1 => any::<prop::sample::Index>().prop_map(Change::Unbind)]
}

fn name(exchange: usize) -> ShortStr {
    ShortStr::from_static(EXCHANGES[exchange].0)
}

fn queue(id: u64) -> QueueRef {
    QueueRef { queue: QueueId(id), group: GroupId(u32::try_from(id % 3).expect("below three")) }
}

fn apply(table: &mut Table, edge: &Edge, bind: bool) -> bool {
    let (source, key, arguments) = (name(edge.source), ShortStr::from_static(edge.key), FieldTable::default());
    let exchange;
    let destination = match edge.to {
        To::Queue(id) => Destination::Queue(QueueId(id)),
        To::Exchange(to) => {
            exchange = name(to);
            Destination::Exchange(&exchange)
        }
    };
    let binding = Binding { source: &source, destination, routing_key: &key, arguments: &arguments };
    if bind { table.bind(&VHOST, &binding) } else { table.unbind(&VHOST, &binding) }
}

fn table(alternates: &[Option<usize>]) -> Table {
    let mut table = Table::new();
    table.declare_vhost(&VHOST);
    for ((exchange, kind), alternate) in EXCHANGES.into_iter().zip(alternates) {
        table.declare_exchange(&VHOST, &ShortStr::from_static(exchange), kind, alternate.map(name), false);
    }
    for id in 1..=QUEUES {
        let name = ShortStr::copy_from(&format!("q{id}")).expect("it is short");
        table.declare_queue(&VHOST, &name, queue(id).queue, queue(id).group);
    }
    table
}

fn topic_matches(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern, key) {
        ([], key) => key.is_empty(),
        (["#", rest @ ..], key) => (0..=key.len()).any(|skipped| topic_matches(rest, &key[skipped..])),
        ([_, ..], []) => false,
        (["*", pattern @ ..], [_, key @ ..]) => topic_matches(pattern, key),
        ([word, pattern @ ..], [first, key @ ..]) => word == first && topic_matches(pattern, key),
    }
}

fn words(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}

fn naive(edges: &[Edge], alternates: &[Option<usize>], exchange: usize, key: &str) -> BTreeSet<QueueRef> {
    let mut queues = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![exchange];
    while let Some(exchange) = open.pop() {
        if !seen.insert(exchange) {
            continue;
        }
        let matching = edges.iter().filter(|edge| {
            edge.source == exchange
                && match EXCHANGES[exchange].1 {
                    ExchangeKind::Direct => edge.key == key,
                    ExchangeKind::Fanout => true,
                    ExchangeKind::Topic => topic_matches(&words(edge.key), &words(key)),
                    ExchangeKind::Headers => panic!("there is none here"),
                }
        });
        let mut matched = false;
        for edge in matching {
            matched = true;
            match edge.to {
                To::Queue(id) => drop(queues.insert(queue(id))),
                To::Exchange(to) => open.push(to),
            }
        }
        if !matched {
            open.extend(alternates[exchange]);
        }
    }
    queues
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_goes_where_a_naive_search_sends_it(
        alternates in vec(option::of(0..EXCHANGES.len()), EXCHANGES.len()),
        changes in vec(change(), 0..40),
    ) {
        let mut table = table(&alternates);
        let mut edges: Vec<Edge> = Vec::new();
        for change in changes {
            match change {
                Change::Bind(edge) if edges.contains(&edge) => {}
                Change::Bind(edge) => {
                    prop_assert!(apply(&mut table, &edge, true));
                    edges.push(edge);
                }
                Change::Unbind(_) if edges.is_empty() => {}
                Change::Unbind(at) => {
                    let edge = edges.remove(at.index(edges.len()));
                    prop_assert!(apply(&mut table, &edge, false));
                }
            }
        }
        let mut routes = Routes::new();
        for exchange in 0..EXCHANGES.len() {
            for key in ["", "a", "b", "a.b", "b.a", "c.c.b"] {
                let outcome = table.route(b"/", name(exchange).as_bytes(), key.as_bytes(), || None, &mut routes);
                prop_assert_eq!(outcome, RouteOutcome::Routed);
                let expected: Vec<_> = naive(&edges, &alternates, exchange, key).into_iter().collect();
                prop_assert_eq!(routes.queues(), expected);
            }
        }
    }
}
