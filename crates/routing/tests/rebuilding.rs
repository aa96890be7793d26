//! A table that has seen declarations come and go routes like one that was built of what is left, in any order; and what it
//! says may be remembered holds for every message.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*, sample::select};
use routing::{
    Binding, Destination, ExchangeKind, Message, NewExchange, Properties, QueueRef, RouteOutcome, Routes, Table,
};
use types::{FieldTable, FieldValue, GroupId, QueueId, ShortStr};

const VHOST: ShortStr = ShortStr::from_static("/");
const EXCHANGES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
const KINDS: [ExchangeKind; 9] = [
    ExchangeKind::Direct,
    ExchangeKind::Fanout,
    ExchangeKind::Topic,
    ExchangeKind::Headers,
    ExchangeKind::ConsistentHash,
    ExchangeKind::ModulusHash,
    ExchangeKind::Random,
    ExchangeKind::LocalRandom,
    ExchangeKind::RecentHistory,
];
const QUEUES: [&str; 4] = ["q1", "q2", "q3", "q4"];
const KEYS: [&str; 6] = ["1", "2", "1.2", "#", "*.2", "#.1.#"];

#[derive(Clone, Copy, Debug, PartialEq)]
struct New {
    kind: ExchangeKind,
    delayed: bool,
    alternate: Option<usize>,
    hash_header: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Edge {
    source: usize,
    to: To,
    key: &'static str,
    header: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    Queue(usize),
    Exchange(usize),
}

#[derive(Clone, Copy, Debug)]
enum Change {
    DeclareExchange(usize, New),
    DeleteExchange(usize),
    SetAlternate(usize, Option<usize>),
    DeclareQueue(usize),
    DeleteQueue(usize),
    Bind(Edge),
    Unbind(prop::sample::Index),
}

/// The declarations that are left.
#[derive(Debug, Default)]
struct Left {
    exchanges: BTreeMap<usize, New>,
    queues: BTreeMap<usize, QueueId>,
    edges: Vec<Edge>,
    /// A queue that is declared again is another one.
    queues_ever: u64,
}

fn new_exchange() -> impl Strategy<Value = New> {
    let alternate = option::weighted(0.3, 0..EXCHANGES.len());
    (select(KINDS.to_vec()), prop::bool::weighted(0.1), alternate, any::<bool>())
        .prop_map(|(kind, delayed, alternate, hash_header)| New { kind, delayed, alternate, hash_header })
}

fn change() -> impl Strategy<Value = Change> {
    let exchange = || 0..EXCHANGES.len();
    let to = prop_oneof![3 => (0..QUEUES.len()).prop_map(To::Queue), 1 => exchange().prop_map(To::Exchange)];
    let edge = (exchange(), to, select(KEYS.to_vec()), option::of(1..3_i64))
        .prop_map(|(source, to, key, header)| Edge { source, to, key, header });
    prop_oneof![
        3 => (exchange(), new_exchange()).prop_map(|(at, new)| Change::DeclareExchange(at, new)),
        1 => exchange().prop_map(Change::DeleteExchange),
        1 => (exchange(), option::of(exchange())).prop_map(|(at, alternate)| Change::SetAlternate(at, alternate)),
        2 => (0..QUEUES.len()).prop_map(Change::DeclareQueue),
        1 => (0..QUEUES.len()).prop_map(Change::DeleteQueue),
        16 => edge.prop_map(Change::Bind),
        3 => any::<prop::sample::Index>().prop_map(Change::Unbind),
    ]
}

fn name(exchange: usize) -> ShortStr {
    ShortStr::from_static(EXCHANGES[exchange])
}

fn group(queue: usize) -> GroupId {
    GroupId(u32::try_from(queue % 2).expect("below two"))
}

fn declare(table: &mut Table, at: usize, new: New) -> bool {
    let mut arguments = FieldTable::default();
    if new.hash_header {
        arguments.push(ShortStr::from_static("hash-header"), FieldValue::LongStr(Bytes::from_static(b"h")));
    }
    let alternate = new.alternate.map(name);
    let new = NewExchange {
        kind: new.kind,
        delayed: new.delayed,
        internal: false,
        history: None,
        alternate,
        arguments: &arguments,
    };
    table.declare_exchange(&VHOST, &name(at), &new)
}

fn bind(table: &mut Table, queues: &BTreeMap<usize, QueueId>, edge: Edge, on: bool) -> bool {
    let arguments =
        FieldTable(edge.header.map(|value| (ShortStr::from_static("h"), FieldValue::I64(value))).into_iter().collect());
    let exchange;
    let destination = match edge.to {
        To::Queue(queue) => Destination::Queue(queues.get(&queue).copied().unwrap_or(QueueId(0))),
        To::Exchange(to) => {
            exchange = name(to);
            Destination::Exchange(&exchange)
        }
    };
    let (source, key) = (name(edge.source), ShortStr::from_static(edge.key));
    let binding = Binding { source: &source, destination, routing_key: &key, arguments: &arguments };
    if on { table.bind(&VHOST, &binding) } else { table.unbind(&VHOST, &binding) }
}

impl Left {
    /// Makes the change in the table and here, and compares whether there was anything to change.
    fn change(&mut self, table: &mut Table, change: Change) {
        let (told, expected) = match change {
            Change::DeclareExchange(at, new) => {
                let is_new = !self.exchanges.contains_key(&at);
                self.exchanges.entry(at).or_insert(new);
                (declare(table, at, new), is_new)
            }
            Change::DeleteExchange(at) => {
                self.edges.retain(|edge| edge.source != at && edge.to != To::Exchange(at));
                (table.delete_exchange(&VHOST, &name(at)), self.exchanges.remove(&at).is_some())
            }
            Change::SetAlternate(at, alternate) => {
                let there = self.exchanges.get_mut(&at).map(|new| new.alternate = alternate).is_some();
                (table.set_alternate(&VHOST, &name(at), alternate.map(name)), there)
            }
            Change::DeclareQueue(at) => {
                self.queues_ever += 1;
                let id = QueueId(self.queues_ever);
                let is_new = !self.queues.contains_key(&at);
                self.queues.entry(at).or_insert(id);
                (table.declare_queue(&VHOST, &ShortStr::from_static(QUEUES[at]), id, group(at)), is_new)
            }
            Change::DeleteQueue(at) => {
                self.edges.retain(|edge| edge.to != To::Queue(at));
                let gone = self.queues.remove(&at);
                let id = gone.unwrap_or(QueueId(0));
                (table.delete_queue(&VHOST, &ShortStr::from_static(QUEUES[at]), id), gone.is_some())
            }
            Change::Bind(edge) if self.edges.contains(&edge) => return,
            Change::Bind(edge) => {
                let has_destination = match edge.to {
                    To::Queue(queue) => self.queues.contains_key(&queue),
                    To::Exchange(to) => self.exchanges.contains_key(&to),
                };
                let fits = has_destination && self.exchanges.contains_key(&edge.source);
                if fits {
                    self.edges.push(edge);
                }
                (bind(table, &self.queues, edge, true), fits)
            }
            Change::Unbind(_) if self.edges.is_empty() => return,
            Change::Unbind(at) => {
                let edge = self.edges.remove(at.index(self.edges.len()));
                (bind(table, &self.queues, edge, false), true)
            }
        };
        assert_eq!(told, expected, "{change:?}");
    }

    /// A table of what is left. The bindings come in an order of their own.
    fn rebuild(&self) -> Table {
        let mut table = Table::new();
        table.declare_vhost(&VHOST);
        for (at, new) in self.exchanges.iter().rev() {
            assert!(declare(&mut table, *at, *new));
        }
        for (at, id) in self.queues.iter().rev() {
            assert!(table.declare_queue(&VHOST, &ShortStr::from_static(QUEUES[*at]), *id, group(*at)));
        }
        for edge in self.edges.iter().rev() {
            assert!(bind(&mut table, &self.queues, *edge, true));
        }
        table
    }
}

/// The header `h`.
struct Header(Option<i64>);

impl Properties for Header {
    fn headers(&self) -> Option<FieldTable> {
        self.0.map(|value| FieldTable(vec![(ShortStr::from_static("h"), FieldValue::I64(value))]))
    }

    fn header(&self, name: &[u8]) -> Option<FieldValue> {
        self.0.filter(|_| name == b"h").map(FieldValue::I64)
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

fn built(changes: &[Change]) -> (Table, Left) {
    let (mut table, mut left) = (Table::new(), Left::default());
    table.declare_vhost(&VHOST);
    for (at, kind) in KINDS.into_iter().enumerate().take(EXCHANGES.len()) {
        let new = New { kind, delayed: false, alternate: None, hash_header: at % 2 == 1 };
        left.change(&mut table, Change::DeclareExchange(at, new));
    }
    (0..QUEUES.len()).for_each(|at| left.change(&mut table, Change::DeclareQueue(at)));
    changes.iter().for_each(|change| left.change(&mut table, *change));
    (table, left)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_table_after_changes_routes_like_one_of_what_is_left(
        changes in vec(change(), 0..80),
        header in option::of(1..3_i64),
        random in any::<u64>(),
        local in 0..2_u32,
    ) {
        let (table, left) = built(&changes);
        let rebuilt = left.rebuild();
        let (properties, is_local) = (Header(header), |queue: QueueRef| queue.group.0 == local);
        let (mut one, mut other) = (Routes::new(), Routes::new());
        for exchange in EXCHANGES {
            for key in ["1", "2", "1.2", "3.2", "1.1.1", ""] {
                let message =
                    Message { properties: &properties, random, is_local: &is_local, ..Message::with_key(key.as_bytes()) };
                let outcome = table.route(b"/", exchange.as_bytes(), &message, &mut one);
                prop_assert_eq!(outcome, rebuilt.route(b"/", exchange.as_bytes(), &message, &mut other));
                prop_assert_eq!(one.queues(), other.queues(), "{} {}", exchange, key);
                let is_there = |queue: &QueueRef| left.queues.values().any(|id| *id == queue.queue);
                prop_assert!(one.queues().iter().all(is_there));
            }
        }
    }

    #[test]
    fn what_may_be_remembered_holds_for_every_message(
        changes in vec(change(), 0..80),
        messages in vec((option::of(1..3_i64), any::<u64>(), 0..2_u32), 6),
    ) {
        let (table, _) = built(&changes);
        let mut routes = Routes::new();
        for exchange in EXCHANGES {
            for key in ["1", "2", "1.2", ""] {
                let mut remembered: Option<Vec<QueueRef>> = None;
                let mut ways = Vec::new();
                for (header, random, local) in &messages {
                    let (properties, is_local) = (Header(*header), |queue: QueueRef| queue.group.0 == *local);
                    let (random, is_local) = (*random, &is_local);
                    let message =
                        Message { properties: &properties, random, is_local, ..Message::with_key(key.as_bytes()) };
                    if let RouteOutcome::Routed(routed) = table.route(b"/", exchange.as_bytes(), &message, &mut routes) {
                        ways.push(routes.queues().to_vec());
                        if routed.cacheable {
                            remembered = Some(routes.queues().to_vec());
                        }
                    }
                }
                if let Some(remembered) = remembered {
                    prop_assert!(ways.iter().all(|way| *way == remembered), "{} {} {:?}", exchange, key, ways);
                }
            }
        }
    }
}
