//! The rules of each type of exchange.

use metadata::{Bind, Change, Command, DeclareExchange, ExchangeKind, Refusal};
use types::{FieldValue, GroupId};

use crate::world::{VHOST, World, bind, exchange, queue, s, table, text, to_exchange, to_queue};

fn with(kind: &'static str, fields: &[(&'static str, FieldValue)]) -> DeclareExchange {
    DeclareExchange { arguments: table(fields), ..exchange("x", kind) }
}

fn refused(c: DeclareExchange) -> String {
    let refusal = World::new().refused(Command::DeclareExchange(c));
    assert_eq!(refusal.reply_code(), 406);
    refusal.reply_text()
}

fn bind_refused(world: &mut World, c: Bind) -> String {
    let refusal = world.refused(Command::Bind(c));
    assert_eq!(refusal.reply_code(), 406);
    refusal.reply_text()
}

#[test]
fn every_type_has_a_name_and_can_be_declared() {
    for kind in ExchangeKind::ALL {
        assert_eq!(ExchangeKind::parse(kind.as_str().as_bytes()), Some(kind));
        let c = with(kind.as_str(), &[("x-delayed-type", text("direct"))]);
        let mut world = World::new();
        assert_eq!(world.declare_exchange(c), Change::Created);
        assert_eq!(world.machine.exchange(b"/", b"x").unwrap().kind, kind);
    }
}

#[test]
fn a_delaying_exchange_names_the_type_that_it_routes_as() {
    let wrong = "Invalid argument, 'x-delayed-type' must be an existing exchange type";
    assert_eq!(refused(with("x-delayed-message", &[])), wrong);
    assert_eq!(refused(with("x-delayed-message", &[("x-delayed-type", FieldValue::I32(1))])), wrong);
    assert_eq!(refused(with("x-delayed-message", &[("x-delayed-type", text("x-delayed-message"))])), wrong);
    let unknown = with("x-delayed-message", &[("x-delayed-type", text("odd"))]);
    assert_eq!(refused(unknown), "unknown exchange type 'odd'");
    let arguments = table(&[("x-delayed-type", text("topic"))]);
    assert_eq!(ExchangeKind::DelayedMessage.routes_as(&arguments), ExchangeKind::Topic);
    assert_eq!(ExchangeKind::Fanout.routes_as(&arguments), ExchangeKind::Fanout);
}

#[test]
fn a_delaying_exchange_has_the_rules_of_the_type_that_it_routes_as() {
    let inner = ("x-delayed-type", text("x-consistent-hash"));
    let both = [inner.clone(), ("hash-header", text("h")), ("hash-property", text("message_id"))];
    assert_eq!(refused(with("x-delayed-message", &both)), "hash-header and hash-property are mutually exclusive");
    let mut world = World::new();
    world.declare(queue("q"));
    world.declare_exchange(with("x-delayed-message", &[inner]));
    let text = bind_refused(&mut world, bind("x", to_queue("q"), "key"));
    assert_eq!(text, "The binding key must be an integer: <<\"key\">>");
}

#[test]
fn a_consistent_hash_is_of_the_routing_key_a_header_or_a_property() {
    for fields in [vec![], vec![("hash-header", text("h"))], vec![("hash-property", text("timestamp"))]] {
        assert_eq!(World::new().declare_exchange(with("x-consistent-hash", &fields)), Change::Created);
    }
    let odd = with("x-consistent-hash", &[("hash-property", text("priority"))]);
    assert_eq!(refused(odd), "Unsupported property: priority");
    let odd = with("x-consistent-hash", &[("hash-header", FieldValue::Bool(true))]);
    assert_eq!(refused(odd), "invalid type 'bool' for arg 'hash-header' in exchange 'x' in vhost '/'");
}

#[test]
fn a_binding_to_a_consistent_hash_exchange_has_a_weight_for_a_key() {
    let mut world = World::new();
    world.declare(queue("q"));
    world.declare_exchange(exchange("x", "x-consistent-hash"));
    for key in ["1", "10", "65535"] {
        assert_eq!(world.bind(bind("x", to_queue("q"), key)), Change::Created);
    }
    for (key, text) in [
        ("", "The binding key must be an integer: <<\"\">>"),
        ("a", "The binding key must be an integer: <<\"a\">>"),
        ("1.5", "The binding key must be an integer: <<\"1.5\">>"),
        ("0", "The binding key must be greater than 0"),
        ("-3", "The binding key must be greater than 0"),
        ("65536", "The binding key must not be greater than 65535"),
    ] {
        assert_eq!(bind_refused(&mut world, bind("x", to_queue("q"), key)), text);
    }
}

#[test]
fn a_local_random_exchange_leads_to_queues_without_keys() {
    let mut world = World::new();
    world.declare(queue("q"));
    world.declare_exchange(exchange("x", "x-local-random"));
    assert_eq!(world.bind(bind("x", to_queue("q"), "")), Change::Created);
    assert_eq!(bind_refused(&mut world, bind("x", to_queue("q"), "k")), "Non empty binding 'k' key not permitted");
    assert_eq!(bind_refused(&mut world, bind("x", to_exchange("amq.topic"), "")), "Destination not found");
}

#[test]
fn a_history_has_a_positive_length() {
    let of = |value| with("x-recent-history", &[("x-recent-history-length", value)]);
    assert_eq!(World::new().declare_exchange(of(FieldValue::I64(3))), Change::Created);
    for (value, shown) in [(FieldValue::I32(0), "0"), (FieldValue::I32(-1), "-1"), (text("3"), "<<\"3\">>")] {
        let text = format!("Invalid argument {shown}, 'x-recent-history-length' must be a positive integer");
        assert_eq!(refused(of(value)), text);
    }
}

#[test]
fn a_history_is_kept_in_a_queue_that_nobody_can_name_and_goes_with_its_exchange() {
    let mut world = World::new();
    let auto_delete = DeclareExchange { auto_delete: true, ..with("x-recent-history", &[]) };
    world.declare_exchange(auto_delete);
    let history = world.machine.history(b"/", b"x").expect("it has one");
    let (id, group) = (history.id, history.group);
    assert_eq!(group, GroupId(3));
    assert_eq!(world.machine.effective_queue(history).max_length, Some(20));
    assert!(!world.has_queue("x") && world.machine.queues().next().is_none());
    assert!(world.machine.queues_in_group(group).any(|queue| queue.id == id), "its group keeps it");
    assert_eq!(world.deleted(Command::DeleteQueue { queue: id }), []);

    world.declare(queue("q"));
    world.bind(bind("x", to_queue("q"), ""));
    world.unbind(&bind("x", to_queue("q"), ""));
    assert!(!world.has_exchange("x") && world.machine.queue_by_id(id).is_none());
    assert!(world.machine.queues_in_group(group).all(|queue| queue.id != id));

    world.declare_exchange(with("x-recent-history", &[("x-recent-history-length", FieldValue::I64(3))]));
    let history = world.machine.history(b"/", b"x").expect("it has one");
    assert_eq!(world.machine.effective_queue(history).max_length, Some(3));
    assert_ne!(history.id, id);
    world.apply(Command::DeleteVhost { vhost: VHOST });
    assert!(world.machine.queues_in_group(group).next().is_none());
}

#[test]
fn a_binding_of_headers_matches_in_one_of_four_ways() {
    let mut world = World::new();
    world.declare(queue("q"));
    let of = |value| Bind { arguments: table(&[("x-match", value)]), ..bind("amq.headers", to_queue("q"), "") };
    for known in ["all", "any", "all-with-x", "any-with-x"] {
        assert_eq!(world.bind(of(text(known))), Change::Created);
    }
    let text = bind_refused(&mut world, of(text("some")));
    assert_eq!(text, "Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x");
    let text = bind_refused(&mut world, of(FieldValue::I32(7)));
    assert_eq!(text, "Invalid x-match field type signedint (value 7); expected longstr");
}

#[test]
fn a_topic_binding_may_hold_any_number_of_hashes() {
    let mut world = World::new();
    world.declare(queue("q"));
    assert_eq!(world.bind(bind("amq.topic", to_queue("q"), "#.a.#.b.#.c.#.d.#")), Change::Created);
}

#[test]
fn what_the_system_declares_internally_is_not_for_clients() {
    let world = World::new();
    for name in [&b"amq.rabbitmq.trace"[..], b"amq.rabbitmq.event"] {
        let exchange = world.machine.exchange(b"/", name).unwrap();
        assert!(exchange.internal && exchange.durable && exchange.kind == ExchangeKind::Topic);
    }
    let mut world = world;
    let other = DeclareExchange { name: s("amq.rabbitmq.event"), ..exchange("x", "direct") };
    assert!(matches!(world.refused(Command::DeclareExchange(other)), Refusal::Inequivalent(_)));
}
