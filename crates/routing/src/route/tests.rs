//! Messages through small tables.

use std::cell::Cell;

use bytes::Bytes;
use types::{FieldTable, FieldValue, GroupId, QueueId, ShortStr};

use super::*;
use crate::{Binding, Destination, NewExchange, Properties};

const VHOST: ShortStr = ShortStr::from_static("/");

fn s(text: &'static str) -> ShortStr {
    ShortStr::from_static(text)
}

fn fields(list: &[(&'static str, FieldValue)]) -> FieldTable {
    FieldTable(list.iter().map(|(name, value)| (s(name), value.clone())).collect())
}

fn text(text: &'static str) -> FieldValue {
    FieldValue::LongStr(Bytes::from_static(text.as_bytes()))
}

fn plain(kind: ExchangeKind) -> NewExchange<'static> {
    const NO_ARGUMENTS: &FieldTable = &FieldTable(Vec::new());
    NewExchange { kind, delayed: false, internal: false, history: None, alternate: None, arguments: NO_ARGUMENTS }
}

/// Properties that count how often they are read.
#[derive(Default)]
struct Headers {
    headers: Option<FieldTable>,
    message_id: Option<&'static str>,
    timestamp: Option<u64>,
    reads: Cell<u32>,
}

impl Properties for Headers {
    fn headers(&self) -> Option<FieldTable> {
        self.reads.set(self.reads.get() + 1);
        self.headers.clone()
    }

    fn header(&self, name: &[u8]) -> Option<FieldValue> {
        self.headers()?.get(std::str::from_utf8(name).unwrap()).cloned()
    }

    fn message_id(&self) -> Option<ShortStr> {
        self.reads.set(self.reads.get() + 1);
        self.message_id.map(s)
    }

    fn correlation_id(&self) -> Option<ShortStr> {
        self.reads.set(self.reads.get() + 1);
        None
    }

    fn timestamp(&self) -> Option<u64> {
        self.reads.set(self.reads.get() + 1);
        self.timestamp
    }

    fn asks_for_delay(&self) -> bool {
        self.header(b"x-delay").is_some()
    }

    fn may_be_kept(&self) -> bool {
        self.header(b"no-store").is_none()
    }
}

/// A table with queues `q1` to `q9` (and those ids), and short words to talk to it.
struct World {
    table: Table,
    routes: Routes,
}

impl World {
    fn new() -> Self {
        let mut table = Table::new();
        assert!(table.declare_vhost(&VHOST));
        for (name, id) in ["q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9"].into_iter().zip(1..) {
            assert!(table.declare_queue(&VHOST, &s(name), QueueId(id), GroupId(7)));
        }
        World { table, routes: Routes::new() }
    }

    fn exchange(&mut self, name: &'static str, kind: ExchangeKind, alternate: Option<&'static str>) {
        self.declare(name, NewExchange { alternate: alternate.map(s), ..plain(kind) });
    }

    fn declare(&mut self, name: &'static str, new: NewExchange<'_>) {
        assert!(self.table.declare_exchange(&VHOST, &s(name), &new));
    }

    fn change(
        &mut self,
        bind: bool,
        source: &'static str,
        to: Destination<'_>,
        key: &'static str,
        with: &FieldTable,
    ) -> bool {
        let binding = Binding { source: &s(source), destination: to, routing_key: &s(key), arguments: with };
        if bind { self.table.bind(&VHOST, &binding) } else { self.table.unbind(&VHOST, &binding) }
    }

    fn bind_queue(&mut self, source: &'static str, key: &'static str, queue: u64) {
        assert!(self.change(true, source, Destination::Queue(QueueId(queue)), key, &FieldTable::default()));
    }

    fn bind_exchange(&mut self, source: &'static str, key: &'static str, exchange: &'static str) {
        assert!(self.change(true, source, Destination::Exchange(&s(exchange)), key, &FieldTable::default()));
    }

    fn with_headers(&mut self, source: &'static str, queue: u64, arguments: &[(&'static str, FieldValue)]) {
        assert!(self.change(true, source, Destination::Queue(QueueId(queue)), "", &fields(arguments)));
    }

    fn route_with(&mut self, exchange: &str, key: &str, headers: Option<FieldTable>) -> Vec<u64> {
        let properties = Headers { headers, ..Headers::default() };
        self.send(exchange, &Message { properties: &properties, ..Message::with_key(key.as_bytes()) }).0
    }

    fn send(&mut self, exchange: &str, message: &Message<'_>) -> (Vec<u64>, Routed) {
        let RouteOutcome::Routed(routed) = self.table.route(b"/", exchange.as_bytes(), message, &mut self.routes)
        else {
            panic!("there is no exchange {exchange}");
        };
        (self.routes.queues().iter().map(|queue| queue.queue.0).collect(), routed)
    }

    fn route(&mut self, exchange: &str, key: &str) -> Vec<u64> {
        self.route_with(exchange, key, None)
    }
}

#[test]
fn the_default_exchange_knows_every_queue_by_name() {
    let mut world = World::new();
    assert_eq!(world.route("", "q3"), [3]);
    assert_eq!(world.routes.queues()[0].group, GroupId(7));
    assert_eq!(world.route("", "none"), []);
    assert!(world.table.delete_queue(&VHOST, &s("q3"), QueueId(3)));
    assert_eq!(world.route("", "q3"), []);
}

#[test]
fn a_queue_of_another_life_is_not_deleted_by_its_name() {
    let mut world = World::new();
    assert!(!world.table.delete_queue(&VHOST, &s("q3"), QueueId(30)));
    assert_eq!(world.route("", "q3"), [3]);
}

#[test]
fn unknown_exchanges_and_vhosts_are_told() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Fanout, None);
    for (vhost, exchange) in [("/", "y"), ("v", "x"), ("v", "")] {
        let message = Message::with_key(b"q1");
        let outcome = world.table.route(vhost.as_bytes(), exchange.as_bytes(), &message, &mut world.routes);
        assert_eq!(outcome, RouteOutcome::NoSuchExchange);
        assert!(world.routes.is_empty());
    }
}

#[test]
fn direct_exchanges_compare_keys() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Direct, None);
    world.bind_queue("x", "a", 2);
    world.bind_queue("x", "a", 1);
    world.bind_queue("x", "b", 3);
    assert_eq!(world.route("x", "a"), [1, 2]);
    assert_eq!(world.route("x", "b"), [3]);
    assert_eq!(world.route("x", ""), []);
    assert!(world.change(false, "x", Destination::Queue(QueueId(1)), "a", &FieldTable::default()));
    assert!(!world.change(false, "x", Destination::Queue(QueueId(1)), "a", &FieldTable::default()));
    assert_eq!(world.route("x", "a"), [2]);
}

#[test]
fn fanout_exchanges_ignore_keys_and_give_each_queue_once() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Fanout, None);
    world.bind_queue("x", "a", 2);
    world.bind_queue("x", "b", 2);
    world.bind_queue("x", "", 1);
    assert_eq!(world.route("x", "whatever"), [1, 2]);
    assert!(world.change(false, "x", Destination::Queue(QueueId(2)), "a", &FieldTable::default()));
    assert_eq!(world.route("x", ""), [1, 2], "it is still bound with the other key");
}

#[test]
fn bindings_that_differ_in_arguments_only_are_counted() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Direct, None);
    let with = fields(&[("mine", FieldValue::Void)]);
    world.bind_queue("x", "a", 1);
    assert!(world.change(true, "x", Destination::Queue(QueueId(1)), "a", &with));
    assert_eq!(world.route("x", "a"), [1]);
    assert!(world.change(false, "x", Destination::Queue(QueueId(1)), "a", &with));
    assert_eq!(world.route("x", "a"), [1]);
}

#[test]
fn topic_exchanges_give_a_queue_once_however_many_patterns_match() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Topic, None);
    for (pattern, queue) in [("#", 5), ("a.*", 5), ("a.b", 5), ("*.b", 4), ("a.#", 1), ("c", 9)] {
        world.bind_queue("x", pattern, queue);
    }
    assert_eq!(world.route("x", "a.b"), [1, 4, 5]);
    assert_eq!(world.route("x", ""), [5]);
}

#[test]
fn headers_exchanges_match_all_or_any() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Headers, None);
    let (a, b) = (("a", FieldValue::I32(1)), ("b", text("two")));
    world.with_headers("x", 1, &[a.clone(), b.clone()]);
    world.with_headers("x", 2, &[("x-match", text("all")), a.clone(), b.clone()]);
    world.with_headers("x", 3, &[("x-match", text("any")), a.clone(), b.clone()]);
    world.with_headers("x", 4, &[]);
    world.with_headers("x", 5, &[("x-match", text("any"))]);
    world.with_headers("x", 6, &[("a", FieldValue::Void)]);
    let mut route =
        |headers: Option<&[(&'static str, FieldValue)]>| world.route_with("x", "ignored", headers.map(fields));
    assert_eq!(route(Some(&[b.clone(), a.clone()])), [1, 2, 3, 4, 6]);
    assert_eq!(route(Some(std::slice::from_ref(&a))), [3, 4, 6]);
    assert_eq!(route(Some(&[("a", FieldValue::I32(2)), ("c", FieldValue::Void)])), [4, 6]);
    assert_eq!(route(Some(&[b])), [3, 4]);
    assert_eq!(route(None), [4]);
}

#[test]
fn headers_that_begin_with_x_count_only_when_asked_for() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Headers, None);
    let (x, a) = (("x-kind", text("k")), ("a", text("1")));
    for (queue, how) in [(1, "all"), (2, "any"), (3, "all-with-x"), (4, "any-with-x")] {
        world.with_headers("x", queue, &[("x-match", text(how)), x.clone(), a.clone()]);
    }
    assert_eq!(world.route_with("x", "", Some(fields(&[x.clone(), a.clone()]))), [1, 2, 3, 4]);
    assert_eq!(world.route_with("x", "", Some(fields(std::slice::from_ref(&x)))), [4]);
    assert_eq!(world.route_with("x", "", Some(fields(&[a]))), [1, 2, 4]);
}

#[test]
fn header_values_are_compared_without_their_amqp_types() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Headers, None);
    world.with_headers("x", 1, &[("n", FieldValue::I32(5))]);
    world.with_headers("x", 2, &[("n", text("5"))]);
    world.with_headers("x", 3, &[("n", FieldValue::Bool(true))]);
    world.with_headers("x", 4, &[("n", FieldValue::F64(5.5))]);
    world.with_headers("x", 5, &[("n", FieldValue::Array(vec![FieldValue::I32(5)]))]);
    for (header, queues) in [
        (FieldValue::I64(5), vec![1]),
        (FieldValue::U8(5), vec![1]),
        (FieldValue::F64(5.0), vec![]),
        (FieldValue::Timestamp(5), vec![1]),
        (FieldValue::F64(5.5), vec![4]),
        (FieldValue::F32(5.5), vec![4]),
        (FieldValue::Array(vec![FieldValue::I32(5)]), vec![5]),
        (FieldValue::Array(vec![FieldValue::I64(5)]), vec![]),
        (FieldValue::Bytes(Bytes::from_static(b"5")), vec![2]),
        (FieldValue::Bool(true), vec![3]),
        (FieldValue::Bool(false), vec![]),
        (FieldValue::Void, vec![]),
    ] {
        assert_eq!(world.route_with("x", "", Some(fields(&[("n", header)]))), queues);
    }
}

#[test]
fn of_headers_with_the_same_name_the_last_counts() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Headers, None);
    world.with_headers("x", 1, &[("a", text("1"))]);
    world.with_headers("x", 2, &[("a", text("2"))]);
    assert_eq!(world.route_with("x", "", Some(fields(&[("a", text("1")), ("b", text("")), ("a", text("2"))]))), [2]);
}

#[test]
fn headers_bindings_are_unbound_by_key_and_arguments_in_any_order() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Headers, None);
    let (a, nan) = (("a", FieldValue::Void), ("n", FieldValue::F64(f64::NAN)));
    world.with_headers("x", 1, &[a.clone(), nan.clone()]);
    world.with_headers("x", 1, std::slice::from_ref(&a));
    let first = Destination::Queue(QueueId(1));
    assert!(!world.change(false, "x", first, "other", &fields(std::slice::from_ref(&a))));
    assert!(world.change(false, "x", first, "", &fields(&[nan, a.clone()])));
    assert_eq!(world.route_with("x", "", Some(fields(&[("a", text(""))]))), [1]);
    assert!(world.change(false, "x", first, "", &fields(&[a])));
    assert_eq!(world.route_with("x", "", Some(fields(&[("a", text(""))]))), []);
}

#[test]
fn headers_are_read_once_and_only_where_they_matter() {
    let mut world = World::new();
    world.exchange("f", ExchangeKind::Fanout, None);
    world.exchange("h1", ExchangeKind::Headers, None);
    world.exchange("h2", ExchangeKind::Headers, None);
    world.bind_queue("f", "", 1);
    let properties = Headers::default();
    let message = Message { properties: &properties, ..Message::with_key(b"") };
    assert!(world.send("f", &message).1.cacheable);
    assert_eq!(properties.reads.get(), 0);
    world.bind_exchange("f", "", "h1");
    world.bind_exchange("f", "", "h2");
    assert!(
        world.send("f", &message).1.cacheable,
        "headers exchanges without bindings match nothing, whatever the headers"
    );
    assert_eq!(properties.reads.get(), 0);
    world.with_headers("h1", 2, &[]);
    world.with_headers("h2", 3, &[]);
    let (queues, routed) = world.send("f", &message);
    assert_eq!((queues, routed.cacheable), (vec![1, 2, 3], false));
    assert_eq!(properties.reads.get(), 1);
}

#[test]
fn exchanges_behind_exchanges_are_followed_even_in_circles() {
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world.exchange(name, ExchangeKind::Topic, None);
    }
    world.bind_exchange("a", "#", "b");
    world.bind_exchange("b", "#", "c");
    world.bind_exchange("c", "#", "a");
    world.bind_exchange("b", "#", "b");
    for (source, queue) in [("a", 1), ("b", 2), ("c", 3), ("c", 1)] {
        world.bind_queue(source, "k", queue);
    }
    for start in ["a", "b", "c"] {
        assert_eq!(world.route(start, "k"), [1, 2, 3]);
    }
    assert!(world.change(false, "a", Destination::Exchange(&s("b")), "#", &FieldTable::default()));
    assert_eq!(world.route("a", "k"), [1]);
}

#[test]
fn the_alternate_is_asked_when_no_binding_matches() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Direct, Some("spare"));
    world.exchange("spare", ExchangeKind::Fanout, None);
    world.bind_queue("x", "k", 1);
    world.bind_queue("spare", "", 2);
    assert_eq!(world.route("x", "k"), [1]);
    assert_eq!(world.route("x", "other"), [2]);
    assert!(world.table.set_alternate(&s("/"), &s("x"), None));
    assert_eq!(world.route("x", "other"), []);
    assert!(world.table.set_alternate(&s("/"), &s("x"), Some(s("spare"))));
    assert_eq!(world.route("x", "other"), [2]);
    assert!(!world.table.set_alternate(&s("/"), &s("none"), None));
}

#[test]
fn alternates_are_followed_in_chains_and_circles_and_may_be_missing() {
    let mut world = World::new();
    world.exchange("a", ExchangeKind::Direct, Some("b"));
    world.exchange("b", ExchangeKind::Direct, Some("c"));
    world.exchange("c", ExchangeKind::Direct, Some("a"));
    world.bind_queue("c", "k", 3);
    assert_eq!(world.route("a", "k"), [3]);
    assert_eq!(world.route("a", "other"), []);
    world.exchange("lost", ExchangeKind::Direct, Some("none"));
    assert_eq!(world.route("lost", "k"), []);
    world.exchange("last", ExchangeKind::Direct, Some(""));
    assert_eq!(world.route("last", "q4"), [4], "the default exchange may be an alternate");
}

#[test]
fn a_binding_to_an_exchange_that_leads_nowhere_matches_all_the_same() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Fanout, Some("spare"));
    world.exchange("dead-end", ExchangeKind::Direct, Some("other"));
    world.exchange("spare", ExchangeKind::Fanout, None);
    world.exchange("other", ExchangeKind::Fanout, None);
    world.bind_exchange("x", "", "dead-end");
    world.bind_queue("spare", "", 1);
    world.bind_queue("other", "", 2);
    assert_eq!(world.route("x", "k"), [2], "the dead end's own alternate is asked, not that of x");
}

#[test]
fn changes_are_told_by_the_version() {
    let mut world = World::new();
    let mut last = world.table.version();
    let mut grew = |world: &World| {
        let before = std::mem::replace(&mut last, world.table.version());
        assert!(last > before);
    };
    world.exchange("x", ExchangeKind::Fanout, None);
    grew(&world);
    world.bind_queue("x", "", 1);
    grew(&world);
    world.change(false, "x", Destination::Queue(QueueId(1)), "", &FieldTable::default());
    grew(&world);
    world.table.delete_queue(&VHOST, &s("q1"), QueueId(1));
    grew(&world);
    world.table.delete_exchange(&VHOST, &s("x"));
    grew(&world);
    world.table.delete_vhost(&VHOST);
    grew(&world);
    let version = world.table.version();
    assert_eq!(world.table.exchange(b"/", b""), None);
    assert_eq!(world.table.version(), version, "looking changes nothing");
}

#[test]
fn publishers_learn_of_type_and_internal() {
    let mut world = World::new();
    world.declare("x", NewExchange { internal: true, ..plain(ExchangeKind::Topic) });
    assert!(!world.table.declare_exchange(&VHOST, &s("x"), &plain(ExchangeKind::Direct)));
    let info = world.table.exchange(b"/", b"x").unwrap();
    assert_eq!((info.kind, info.internal), (ExchangeKind::Topic, true));
    assert!(!world.table.exchange(b"/", b"").unwrap().internal);
    assert_eq!(world.table.exchange(b"/", b"y"), None);
    assert_eq!(world.table.group(QueueId(1)), Some(GroupId(7)));
    assert_eq!(world.table.queue(b"/", b"q1").unwrap().queue, QueueId(1));
}

#[test]
fn what_is_not_there_is_neither_bound_nor_declared() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Fanout, None);
    let nothing = FieldTable::default();
    assert!(!world.change(true, "y", Destination::Queue(QueueId(1)), "", &nothing));
    assert!(!world.change(true, "x", Destination::Queue(QueueId(99)), "", &nothing));
    assert!(!world.change(false, "x", Destination::Queue(QueueId(99)), "", &nothing));
    assert!(!world.table.declare_queue(&s("v"), &s("q"), QueueId(50), GroupId(1)));
    assert!(!world.table.declare_vhost(&VHOST));
    assert!(world.table.delete_vhost(&VHOST));
    assert_eq!(world.table.group(QueueId(1)), None);
}

mod choosing;
mod removing;
