//! Routing through random tables, against a naive search over a list of bindings.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
};
use routing::{
    Binding, Destination, ExchangeKind, Message, NewExchange, Properties, QueueRef, RouteOutcome, Routes, Table,
};
use types::{FieldTable, FieldValue, GroupId, QueueId, ShortStr};

const VHOST: ShortStr = ShortStr::from_static("/");
const EXCHANGES: [(&str, ExchangeKind); 7] = [
    ("d", ExchangeKind::Direct),
    ("e", ExchangeKind::Direct),
    ("f", ExchangeKind::Fanout),
    ("t", ExchangeKind::Topic),
    ("u", ExchangeKind::Topic),
    ("h", ExchangeKind::Headers),
    ("i", ExchangeKind::Headers),
];
const QUEUES: u64 = 6;

#[derive(Clone, Debug, PartialEq)]
struct Edge {
    source: usize,
    to: To,
    key: &'static str,
    /// Those of a headers exchange: `x-match`, and what is asked for.
    matching: Matching,
}

#[derive(Clone, Debug, PartialEq)]
struct Matching {
    how: Option<&'static str>,
    /// A void asks for presence.
    wanted: Vec<(&'static str, Option<i64>)>,
}

/// The headers of a message.
struct Headers(Vec<(&'static str, i64)>);

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
    (0..EXCHANGES.len(), to, key, matching()).prop_map(|(source, to, key, matching)| Edge { source, to, key, matching })
}

fn matching() -> impl Strategy<Value = Matching> {
    let how = option::of(select(vec!["all", "any", "all-with-x", "any-with-x"]));
    let wanted = subsequence(vec!["a", "b", "x-a", "x-b"], 0..=3)
        .prop_flat_map(|names| vec(option::of(1..3_i64), names.len()).prop_map(move |values| zip(&names, values)));
    (how, wanted).prop_map(|(how, wanted)| Matching { how, wanted })
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, i64)>> {
    subsequence(vec!["a", "b", "x-a", "x-b", "x-match"], 0..=4)
        .prop_flat_map(|names| vec(1..3_i64, names.len()).prop_map(move |values| zip(&names, values)))
}

fn zip<T>(names: &[&'static str], values: Vec<T>) -> Vec<(&'static str, T)> {
    names.iter().copied().zip(values).collect()
}

impl Matching {
    fn arguments(&self) -> FieldTable {
        let mut table = FieldTable::default();
        if let Some(how) = self.how {
            table.push(ShortStr::from_static("x-match"), FieldValue::LongStr(Bytes::from_static(how.as_bytes())));
        }
        for (name, value) in &self.wanted {
            table.push(ShortStr::from_static(name), value.map_or(FieldValue::Void, FieldValue::I64));
        }
        table
    }

    fn matches(&self, headers: &[(&'static str, i64)]) -> bool {
        let with_x = matches!(self.how, Some("all-with-x" | "any-with-x"));
        let mut answers =
            self.wanted.iter().filter(|(name, _)| with_x || !name.starts_with("x-")).map(|(name, wanted)| {
                headers.iter().any(|(there, value)| there == name && wanted.is_none_or(|wanted| wanted == *value))
            });
        match self.how {
            Some("any" | "any-with-x") => answers.any(|answer| answer),
            _ => answers.all(|answer| answer),
        }
    }
}

impl Properties for Headers {
    fn headers(&self) -> Option<FieldTable> {
        let field = |(name, value): &(&'static str, i64)| (ShortStr::from_static(name), FieldValue::I64(*value));
        Some(FieldTable(self.0.iter().map(field).collect()))
    }

    fn header(&self, name: &[u8]) -> Option<FieldValue> {
        self.0.iter().find(|(there, _)| there.as_bytes() == name).map(|(_, value)| FieldValue::I64(*value))
    }

    fn message_id(&self) -> Option<ShortStr> {
        None
    }

    fn correlation_id(&self) -> Option<ShortStr> {
        None
    }

    fn timestamp(&self) -> Option<u64> {
        None
    }

    fn asks_for_delay(&self) -> bool {
        false
    }

    fn may_be_kept(&self) -> bool {
        true
    }
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
    let (source, key, arguments) = (name(edge.source), ShortStr::from_static(edge.key), edge.matching.arguments());
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
        let alternate = alternate.map(name);
        let arguments = &FieldTable::default();
        let new = NewExchange { kind, delayed: false, internal: false, history: None, alternate, arguments };
        assert!(table.declare_exchange(&VHOST, &ShortStr::from_static(exchange), &new));
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

fn edge_matches(edge: &Edge, keys: &[&str], headers: &[(&'static str, i64)]) -> bool {
    match EXCHANGES[edge.source].1 {
        ExchangeKind::Direct => keys.contains(&edge.key),
        ExchangeKind::Topic => keys.iter().any(|key| topic_matches(&words(edge.key), &words(key))),
        ExchangeKind::Headers => edge.matching.matches(headers),
        ExchangeKind::Fanout => true,
        ExchangeKind::RecentHistory
        | ExchangeKind::ConsistentHash
        | ExchangeKind::ModulusHash
        | ExchangeKind::Random
        | ExchangeKind::LocalRandom => panic!("there is none here"),
    }
}

fn naive(
    edges: &[Edge],
    alternates: &[Option<usize>],
    exchange: usize,
    keys: &[&str],
    headers: &[(&'static str, i64)],
) -> BTreeSet<QueueRef> {
    let mut queues = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![exchange];
    while let Some(exchange) = open.pop() {
        if !seen.insert(exchange) {
            continue;
        }
        let mut matched = false;
        for edge in edges.iter().filter(|edge| edge.source == exchange && edge_matches(edge, keys, headers)) {
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
        headers in headers(),
        more_keys in vec(select(vec!["", "a", "a.b", "b"]), 0..3),
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
        let properties = Headers(headers);
        let more: Vec<Bytes> = more_keys.iter().map(|key| Bytes::from_static(key.as_bytes())).collect();
        for exchange in 0..EXCHANGES.len() {
            for key in ["", "a", "b", "a.b", "b.a", "c.c.b"] {
                let message =
                    Message { properties: &properties, more_keys: &more, ..Message::with_key(key.as_bytes()) };
                let outcome = table.route(b"/", name(exchange).as_bytes(), &message, &mut routes);
                prop_assert!(matches!(outcome, RouteOutcome::Routed(_)));
                let keys: Vec<&str> = std::iter::once(key).chain(more_keys.iter().copied()).collect();
                let expected: Vec<_> = naive(&edges, &alternates, exchange, &keys, &properties.0).into_iter().collect();
                prop_assert_eq!(routes.queues(), expected);
            }
        }
    }
}
