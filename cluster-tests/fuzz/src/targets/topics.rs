//! Topic exchanges: patterns, one a line, and a key in the first line, against the definition of a match. What is unbound leaves
//! nothing behind.

use routing::{Binding, Destination, ExchangeKind, Message, NewExchange, RouteOutcome, Routes, Table};
use types::{FieldTable, GroupId, QueueId, ShortStr};

/// More patterns than that find nothing new.
const PATTERNS_MAX: usize = 32;

/// See the module.
pub fn topics(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n').map(|line| line.get(..255).unwrap_or(line));
    let key = lines.next().unwrap_or_default();
    let patterns: Vec<ShortStr> = lines.take(PATTERNS_MAX).map(short).collect();
    let matching = |from: usize| {
        let numbered = (0_u64..).zip(&patterns).skip(from);
        numbered.filter(|(_, pattern)| matches(pattern.as_bytes(), key)).map(|(id, _)| id).collect::<Vec<_>>()
    };
    let mut exchange = Exchange::new();
    for (id, pattern) in (0..).zip(&patterns) {
        exchange.bind(id, pattern);
    }
    assert_eq!(exchange.route(key), matching(0));
    let half = patterns.len() / 2;
    for (id, pattern) in (0..).zip(&patterns).take(half) {
        exchange.unbind(id, pattern);
    }
    assert_eq!(exchange.route(key), matching(half));
}

/// The definition: which beginnings of the key each beginning of the pattern matches.
fn matches(pattern: &[u8], key: &[u8]) -> bool {
    let key = words(key);
    let mut matched = vec![false; key.len() + 1];
    matched[0] = true;
    for word in words(pattern) {
        let mut next = vec![false; key.len() + 1];
        for count in 0..=key.len() {
            next[count] = match word {
                b"#" => matched[..=count].contains(&true),
                _ if count == 0 => false,
                b"*" => matched[count - 1],
                word => matched[count - 1] && key[count - 1] == word,
            };
        }
        matched = next;
    }
    matched[key.len()]
}

/// As in RabbitMQ an empty text has no words, not an empty one.
fn words(text: &[u8]) -> Vec<&[u8]> {
    if text.is_empty() { Vec::new() } else { text.split(|byte| *byte == b'.').collect() }
}

fn short(text: &[u8]) -> ShortStr {
    ShortStr::from_bytes(bytes::Bytes::copy_from_slice(text)).expect("lines are cut")
}

/// One topic exchange, with a queue for each pattern.
struct Exchange {
    table: Table,
    routes: Routes,
}

static VHOST: ShortStr = ShortStr::from_static("/");
static NAME: ShortStr = ShortStr::from_static("topic");

impl Exchange {
    fn new() -> Self {
        let mut table = Table::new();
        table.declare_vhost(&VHOST);
        let arguments = FieldTable::default();
        let new = NewExchange {
            kind: ExchangeKind::Topic,
            delayed: false,
            internal: false,
            history: None,
            alternate: None,
            arguments: &arguments,
        };
        table.declare_exchange(&VHOST, &NAME, &new);
        Exchange { table, routes: Routes::new() }
    }

    fn bind(&mut self, id: u64, pattern: &ShortStr) {
        self.table.declare_queue(&VHOST, &short(format!("q{id}").as_bytes()), QueueId(id), GroupId(1));
        let arguments = FieldTable::default();
        assert!(self.table.bind(&VHOST, &binding(id, pattern, &arguments)));
    }

    fn unbind(&mut self, id: u64, pattern: &ShortStr) {
        let arguments = FieldTable::default();
        assert!(self.table.unbind(&VHOST, &binding(id, pattern, &arguments)));
    }

    fn route(&mut self, key: &[u8]) -> Vec<u64> {
        let message = Message { routing_key: key, more_keys: &[], properties: &(), random: 0, is_local: &|_| false };
        let outcome = self.table.route(VHOST.as_bytes(), NAME.as_bytes(), &message, &mut self.routes);
        assert!(matches!(outcome, RouteOutcome::Routed(_)));
        self.routes.queues().iter().map(|queue| queue.queue.0).collect()
    }
}

fn binding<'a>(id: u64, routing_key: &'a ShortStr, arguments: &'a FieldTable) -> Binding<'a> {
    Binding { source: &NAME, destination: Destination::Queue(QueueId(id)), routing_key, arguments }
}
