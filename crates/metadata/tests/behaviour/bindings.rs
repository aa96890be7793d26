//! Binding, unbinding, and the exchanges that go with their last binding.

use metadata::{Bind, Change, Command, DeclareExchange, DeclareQueue, Destination, Refusal, Resource};
use types::FieldValue;

use crate::world::{VHOST, World, bind, connection, exchange, queue, s, table, text, to_exchange, to_queue, unbind_of};

fn with_queue() -> World {
    let mut world = World::new();
    world.declare(queue("q"));
    world
}

#[test]
fn the_same_binding_twice_is_one() {
    let mut world = with_queue();
    let binding = bind("amq.direct", to_queue("q"), "k");
    assert_eq!(world.bind(binding.clone()), Change::Created);
    assert_eq!(world.story(), ["+binding amq.direct k"]);
    assert_eq!(world.bind(binding.clone()), Change::Unchanged);
    assert_eq!(world.unbind(&binding), Change::Deleted);
    assert_eq!(world.unbind(&binding), Change::Unchanged);
}

#[test]
fn key_and_arguments_tell_bindings_apart_but_not_the_order_of_arguments() {
    let mut world = with_queue();
    let with = |fields: &[(&'static str, FieldValue)]| Bind {
        arguments: table(fields),
        ..bind("amq.headers", to_queue("q"), "k")
    };
    let (a, b) = (("a", FieldValue::I32(1)), ("b", text("2")));
    assert_eq!(world.bind(with(&[a.clone(), b.clone()])), Change::Created);
    assert_eq!(world.bind(with(&[b.clone(), a.clone()])), Change::Unchanged);
    assert_eq!(world.bind(with(std::slice::from_ref(&a))), Change::Created);
    assert_eq!(
        world.bind(with(&[("a", FieldValue::I64(1)), b.clone()])),
        Change::Created,
        "another type is another value"
    );
    assert_eq!(world.bind(bind("amq.headers", to_queue("q"), "other")), Change::Created);
    assert_eq!(world.machine.counts().bindings, 4);
    assert_eq!(world.unbind(&with(&[b, a])), Change::Deleted);
}

#[test]
fn bindings_are_found_by_source_and_by_destination() {
    let mut world = with_queue();
    world.declare_exchange(exchange("x", "fanout"));
    world.bind(bind("amq.direct", to_queue("q"), "1"));
    world.bind(bind("amq.topic", to_queue("q"), "2"));
    world.bind(bind("amq.topic", to_exchange("x"), "3"));
    let keys = |bindings: Vec<metadata::BindingRef<'_>>| -> Vec<String> {
        bindings.iter().map(|binding| binding.routing_key.to_string()).collect()
    };
    let id = world.machine.queue(b"/", b"q").unwrap().id;
    assert_eq!(keys(world.machine.bindings_from(b"/", &s("amq.topic")).collect()), ["2", "3"]);
    assert_eq!(keys(world.machine.bindings_to(b"/", &Destination::Queue(id)).collect()), ["1", "2"]);
    assert_eq!(keys(world.machine.bindings_to(b"/", &Destination::Exchange(s("x"))).collect()), ["3"]);
    assert_eq!(keys(world.machine.bindings(b"/").collect()), ["1", "2", "3"]);
}

#[test]
fn what_is_missing_cannot_be_bound_but_can_be_unbound() {
    let mut world = with_queue();
    let no_exchange = Refusal::NotFound(Resource::exchange(&VHOST, &s("none")));
    let no_queue = Refusal::NotFound(Resource::queue(&VHOST, &s("none")));
    for (binding, refusal) in [
        (bind("none", to_queue("q"), ""), &no_exchange),
        (bind("none", to_queue("none"), ""), &no_exchange),
        (bind("amq.direct", to_queue("none"), ""), &no_queue),
        (bind("amq.direct", to_exchange("none"), ""), &no_exchange),
    ] {
        assert_eq!(world.refused(Command::Bind(binding.clone())), *refusal);
        assert_eq!(world.unbind(&binding), Change::Unchanged);
    }
}

#[test]
fn the_default_exchange_is_neither_bound_nor_unbound() {
    let mut world = with_queue();
    for binding in [bind("", to_queue("q"), "q"), bind("amq.direct", to_exchange(""), "q")] {
        assert_eq!(world.refused(Command::Bind(binding.clone())), Refusal::DefaultExchange);
        assert_eq!(world.refused(Command::Unbind(unbind_of(&binding))), Refusal::DefaultExchange);
    }
}

#[test]
fn an_exclusive_queue_is_bound_by_its_owner_alone() {
    let mut world = World::new();
    world.declare(DeclareQueue { exclusive: true, ..queue("q") });
    let mine = bind("amq.direct", to_queue("q"), "k");
    let theirs = Bind { connection: connection(2), ..mine.clone() };
    assert_eq!(world.refused(Command::Bind(theirs.clone())).reply_code(), 405);
    assert_eq!(world.bind(mine), Change::Created);
    assert_eq!(world.refused(Command::Unbind(unbind_of(&theirs))).reply_code(), 405);
}

#[test]
fn headers_bindings_must_say_how_to_match_in_known_words() {
    let mut world = with_queue();
    let with = |value| Bind { arguments: table(&[("x-match", value)]), ..bind("amq.headers", to_queue("q"), "") };
    for word in ["all", "any", "all-with-x", "any-with-x"] {
        assert_eq!(world.bind(with(text(word))), Change::Created);
    }
    assert_eq!(
        world.refused(Command::Bind(with(text("some")))).reply_text(),
        "Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x"
    );
    assert_eq!(
        world.refused(Command::Bind(with(FieldValue::I32(1)))).reply_text(),
        "Invalid x-match field type signedint (value 1); expected longstr"
    );
    let elsewhere = Bind { source: s("amq.direct"), ..with(text("some")) };
    assert_eq!(world.bind(elsewhere), Change::Created, "other exchanges do not look at it");
}

fn auto_delete(name: &'static str) -> DeclareExchange {
    DeclareExchange { auto_delete: true, ..exchange(name, "fanout") }
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding() {
    let mut world = with_queue();
    world.declare_exchange(auto_delete("x"));
    world.bind(bind("x", to_queue("q"), "1"));
    world.bind(bind("x", to_queue("q"), "2"));
    world.unbind(&bind("x", to_queue("q"), "1"));
    assert!(world.has_exchange("x"));
    world.unbind(&bind("x", to_queue("q"), "2"));
    assert_eq!(world.story(), ["-binding x 2", "-exchange x"]);
}

#[test]
fn an_auto_delete_exchange_that_never_had_a_binding_stays() {
    let mut world = with_queue();
    world.declare_exchange(auto_delete("x"));
    world.bind(bind("amq.topic", to_exchange("x"), ""));
    world.unbind(&bind("amq.topic", to_exchange("x"), ""));
    assert!(world.has_exchange("x"), "a binding that leads to it does not count");
}

#[test]
fn a_chain_of_auto_delete_exchanges_falls_like_dominoes() {
    let mut world = with_queue();
    for name in ["a", "b", "c"] {
        world.declare_exchange(auto_delete(name));
    }
    world.bind(bind("a", to_exchange("b"), ""));
    world.bind(bind("b", to_exchange("c"), ""));
    world.bind(bind("c", to_queue("q"), ""));
    let id = world.machine.queue(b"/", b"q").unwrap().id;
    world.deleted(Command::DeleteQueue { queue: id });
    assert_eq!(
        world.story(),
        ["-binding c ", "-binding b ", "-exchange c", "-binding a ", "-exchange b", "-exchange a", "-queue q 1",]
    );
}

#[test]
fn a_cycle_of_auto_delete_exchanges_goes_at_once() {
    let mut world = World::new();
    world.declare_exchange(auto_delete("a"));
    world.declare_exchange(auto_delete("b"));
    world.bind(bind("a", to_exchange("b"), ""));
    world.bind(bind("b", to_exchange("a"), ""));
    world.bind(bind("a", to_exchange("a"), ""));
    world.delete_exchange("a");
    assert!(!world.has_exchange("a") && !world.has_exchange("b"));
    assert_eq!(world.machine.counts().bindings, 0);
}

#[test]
fn deleting_an_exchange_takes_both_kinds_of_its_bindings_along() {
    let mut world = with_queue();
    world.declare_exchange(exchange("x", "fanout"));
    world.bind(bind("x", to_queue("q"), "out"));
    world.bind(bind("amq.topic", to_exchange("x"), "in"));
    world.delete_exchange("x");
    assert_eq!(world.story(), ["-binding x out", "-binding amq.topic in", "-exchange x"]);
}
