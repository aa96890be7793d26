//! What is deleted takes the bindings that are left along.

use super::*;

const KINDS: [(&str, ExchangeKind); 6] = [
    ("d", ExchangeKind::Direct),
    ("f", ExchangeKind::Fanout),
    ("t", ExchangeKind::Topic),
    ("h", ExchangeKind::Headers),
    ("c", ExchangeKind::ConsistentHash),
    ("m", ExchangeKind::ModulusHash),
];

fn world() -> World {
    let mut world = World::new();
    for (name, kind) in KINDS {
        world.exchange(name, kind, None);
        world.bind_queue(name, "1", 1);
    }
    world.bind_queue("t", "#.1", 1);
    world.bind_queue("t", "*.1.#", 2);
    world
}

#[test]
fn a_deleted_queue_is_found_by_nobody() {
    let mut world = world();
    assert!(world.table.delete_queue(&VHOST, &s("q1"), QueueId(1)));
    for (name, _) in KINDS {
        assert_eq!(world.route(name, "1"), [], "{name}");
    }
    assert_eq!(world.route("t", "1.1"), [2]);
}

#[test]
fn a_new_exchange_of_the_name_of_a_deleted_one_is_bound_to_nothing() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Fanout, None);
    for (name, kind) in KINDS {
        world.exchange(name, kind, None);
        world.bind_exchange(name, "1", "x");
        world.bind_exchange("x", "1", name);
    }
    world.bind_exchange("x", "1", "x");
    world.bind_queue("x", "1", 1);
    assert!(world.table.delete_exchange(&VHOST, &s("x")));
    assert!(!world.table.delete_exchange(&VHOST, &s("x")));
    world.exchange("x", ExchangeKind::Fanout, None);
    world.bind_queue("x", "", 2);
    for (name, _) in KINDS {
        assert_eq!(world.route(name, "1"), [], "{name}");
    }
    assert_eq!(world.route("x", "1"), [2]);
    assert!(world.table.delete_queue(&VHOST, &s("q1"), QueueId(1)));
}

#[test]
fn nothing_is_bound_to_an_exchange_that_is_not_there() {
    let mut world = world();
    assert!(!world.change(true, "f", Destination::Exchange(&s("none")), "", &FieldTable::default()));
    assert_eq!(world.route("f", "1"), [1]);
}
