//! Exchanges that choose one of their destinations, messages with several keys, and what may be remembered of a route.

use std::collections::BTreeSet;

use super::*;
use crate::QueueRef;

/// An exchange with one binding to each of the queues.
fn world(kind: ExchangeKind, queues: &[u64]) -> World {
    let mut world = World::new();
    world.exchange("x", kind, None);
    queues.iter().for_each(|queue| world.bind_queue("x", "1", *queue));
    world
}

fn hashing(argument: &'static str, value: &'static str) -> World {
    let mut world = World::new();
    let arguments = fields(&[(argument, text(value))]);
    world.declare("x", NewExchange { arguments: &arguments, ..plain(ExchangeKind::ConsistentHash) });
    (1..=9).for_each(|queue| world.bind_queue("x", "1", queue));
    world
}

#[test]
fn a_random_exchange_takes_each_binding_as_often_as_the_others() {
    let mut world = world(ExchangeKind::Random, &[1, 2, 3, 3]);
    let mut counts = [0_u32; 4];
    for random in 0..8_000 {
        let (queues, routed) = world.send("x", &Message { random, ..Message::with_key(b"k") });
        assert!(!routed.cacheable);
        let [queue] = queues[..] else { panic!("{queues:?}") };
        counts[usize::try_from(queue).unwrap()] += 1;
    }
    for (count, expected) in counts.into_iter().zip([0, 2_000_u32, 2_000, 4_000]) {
        assert!(count.abs_diff(expected) < 270, "{counts:?}");
    }
}

#[test]
fn random_exchanges_on_one_way_choose_independently() {
    let mut world = world(ExchangeKind::Fanout, &[]);
    for (name, first) in [("a", 1), ("b", 3)] {
        world.exchange(name, ExchangeKind::Random, None);
        world.bind_exchange("x", "", name);
        world.bind_queue(name, "", first);
        world.bind_queue(name, "", first + 1);
    }
    let ways: BTreeSet<_> =
        (0..200).map(|random| world.send("x", &Message { random, ..Message::with_key(b"") }).0).collect();
    assert_eq!(ways, BTreeSet::from([vec![1, 3], vec![1, 4], vec![2, 3], vec![2, 4]]));
}

#[test]
fn a_local_random_exchange_takes_queues_of_this_node_or_none() {
    let mut world = world(ExchangeKind::LocalRandom, &[1, 2, 3, 4]);
    let is_even = |queue: QueueRef| queue.queue.0.is_multiple_of(2);
    let ways: BTreeSet<_> = (0..200)
        .map(|random| world.send("x", &Message { random, is_local: &is_even, ..Message::with_key(b"") }).0)
        .collect();
    assert_eq!(ways, BTreeSet::from([vec![2], vec![4]]));
    let (queues, routed) = world.send("x", &Message { is_local: &|_| false, ..Message::with_key(b"") });
    assert_eq!((queues, routed.cacheable), (vec![], false));
}

#[test]
fn a_local_random_exchange_without_local_queues_asks_its_alternate() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::LocalRandom, Some("spare"));
    world.exchange("spare", ExchangeKind::Fanout, None);
    world.bind_queue("x", "", 1);
    world.bind_queue("spare", "", 2);
    assert_eq!(world.route("x", ""), [2]);
}

#[test]
fn a_modulus_exchange_gives_a_key_one_queue_and_counts_bindings() {
    let mut world = world(ExchangeKind::ModulusHash, &[1, 2, 3]);
    world.bind_queue("x", "again", 3);
    let mut counts = [0_u32; 4];
    for number in 0..4_000 {
        let key = format!("key {number}");
        let (queues, routed) = world.send("x", &Message { random: number, ..Message::with_key(key.as_bytes()) });
        assert!(routed.cacheable);
        let [queue] = queues[..] else { panic!("{queues:?}") };
        assert_eq!(world.route("x", &key), [queue]);
        counts[usize::try_from(queue).unwrap()] += 1;
    }
    for (count, expected) in counts.into_iter().zip([0, 1_000_u32, 1_000, 2_000]) {
        assert!(count.abs_diff(expected) < 190, "{counts:?}");
    }
}

#[test]
fn a_recent_history_exchange_routes_to_all() {
    assert_eq!(world(ExchangeKind::RecentHistory, &[1, 2, 3]).route("x", "k"), [1, 2, 3]);
}

#[test]
fn a_consistent_hash_exchange_hashes_the_routing_key_and_is_remembered() {
    let mut world = world(ExchangeKind::ConsistentHash, &[1, 2, 3, 4]);
    let properties = Headers::default();
    let mut owners = BTreeSet::new();
    for number in 0..100 {
        let key = format!("key {number}");
        let message = Message { properties: &properties, random: number, ..Message::with_key(key.as_bytes()) };
        let (queues, routed) = world.send("x", &message);
        assert!(routed.cacheable && queues.len() == 1);
        owners.extend(queues);
    }
    assert_eq!(owners, BTreeSet::from([1, 2, 3, 4]));
    assert_eq!(properties.reads.get(), 0);
}

#[test]
fn a_consistent_hash_exchange_hashes_a_header() {
    let mut world = hashing("hash-header", "user");
    let mut owner = |key: &str, user: Option<FieldValue>| {
        let headers = user.map(|user| fields(&[("other", text(key.to_owned().leak())), ("user", user)]));
        let properties = Headers { headers, ..Headers::default() };
        let (queues, routed) =
            world.send("x", &Message { properties: &properties, ..Message::with_key(key.as_bytes()) });
        assert!(!routed.cacheable && queues.len() == 1);
        queues[0]
    };
    let owners: BTreeSet<_> = (0..100).map(|user| owner("k", Some(FieldValue::I64(user)))).collect();
    assert_eq!(owners.len(), 9);
    for key in ["a", "b", "c"] {
        assert_eq!(owner(key, Some(FieldValue::I8(5))), owner("k", Some(FieldValue::I64(5))));
        assert_eq!(owner(key, None), owner("k", None), "without the header all go to the same queue");
    }
}

#[test]
fn a_consistent_hash_exchange_hashes_a_property() {
    let mut world = hashing("hash-property", "message_id");
    let mut owner = |key: &'static str, message_id, timestamp| {
        let properties = Headers { message_id, timestamp, ..Headers::default() };
        world.send("x", &Message { properties: &properties, ..Message::with_key(key.as_bytes()) }).0
    };
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let owners: BTreeSet<_> = ids.into_iter().map(|id| owner("k", Some(id), None)).collect();
    assert!(owners.len() > 1);
    assert_eq!(owner("k", Some("a"), Some(1)), owner("other", Some("a"), Some(2)));

    let mut world = hashing("hash-property", "timestamp");
    let owners: BTreeSet<_> = (0..100)
        .map(|at| {
            let properties = Headers { timestamp: Some(at), ..Headers::default() };
            world.send("x", &Message { properties: &properties, ..Message::with_key(b"k") }).0
        })
        .collect();
    assert_eq!(owners.len(), 9);
}

#[test]
fn a_message_with_several_keys_goes_where_any_of_them_leads_once() {
    let mut world = world(ExchangeKind::Direct, &[]);
    world.exchange("t", ExchangeKind::Topic, None);
    for (key, queue) in [("a", 1), ("b", 2), ("b", 1), ("c", 3)] {
        world.bind_queue("x", key, queue);
        world.bind_queue("t", key, queue);
    }
    let more_keys = ["b", "q9", "b", "none"].map(|key| Bytes::from_static(key.as_bytes()));
    let message = Message { more_keys: &more_keys, ..Message::with_key(b"a") };
    for exchange in ["x", "t"] {
        let (queues, routed) = world.send(exchange, &message);
        assert_eq!((queues, routed.cacheable), (vec![1, 2], false));
    }
    assert_eq!(world.send("", &message).0, [9]);
}

#[test]
fn a_message_with_several_keys_asks_the_alternate_only_when_none_of_them_matches() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Direct, Some("spare"));
    world.exchange("spare", ExchangeKind::Fanout, None);
    world.bind_queue("x", "a", 1);
    world.bind_queue("spare", "", 2);
    let more_keys = [Bytes::from_static(b"a")];
    assert_eq!(world.send("x", &Message { more_keys: &more_keys, ..Message::with_key(b"none") }).0, [1]);
    assert_eq!(world.route("x", "none"), [2]);
}

#[test]
fn a_message_with_several_keys_goes_to_one_queue_where_one_is_chosen() {
    let more_keys: Vec<_> = (0..50_u8).map(|byte| Bytes::from(vec![byte])).collect();
    for kind in [ExchangeKind::ConsistentHash, ExchangeKind::ModulusHash, ExchangeKind::Random] {
        let mut world = world(kind, &[1, 2, 3, 4]);
        let (queues, _) = world.send("x", &Message { more_keys: &more_keys, ..Message::with_key(b"k") });
        assert_eq!(queues.len(), 1, "{kind:?}");
        if kind == ExchangeKind::ConsistentHash {
            assert_eq!(queues, world.route("x", "k"), "the first key counts");
        }
    }
}

#[test]
fn many_keys_that_lead_to_the_same_queues_cost_memory_for_these_queues_only() {
    let mut world = world(ExchangeKind::Topic, &[]);
    let queues: Vec<u64> = (100..3_100).collect();
    for id in &queues {
        let name = ShortStr::copy_from(&format!("n{id}")).unwrap();
        assert!(world.table.declare_queue(&VHOST, &name, QueueId(*id), GroupId(1)));
        world.bind_queue("x", "#", *id);
    }
    let more_keys: Vec<_> = (0..500_u32).map(|key| Bytes::from(key.to_string())).collect();
    assert_eq!(world.send("x", &Message { more_keys: &more_keys, ..Message::with_key(b"k") }).0, queues);
    assert!(world.routes.capacity() < 40_000, "{}", world.routes.capacity());
}

/// Ids of queues that get the message later.
fn later(world: &World) -> Vec<u64> {
    world.routes.delayed().iter().map(|queue| queue.queue.0).collect()
}

#[test]
fn what_is_behind_an_exchange_that_delays_gets_the_message_later_when_it_asks_for_that() {
    let mut world = World::new();
    world.declare("late", NewExchange { delayed: true, ..plain(ExchangeKind::Topic) });
    world.exchange("x", ExchangeKind::Fanout, None);
    world.exchange("behind", ExchangeKind::Fanout, None);
    world.bind_queue("late", "a.*", 1);
    world.bind_queue("x", "", 2);
    world.bind_exchange("x", "", "late");
    world.bind_exchange("late", "a.*", "behind");
    world.bind_exchange("behind", "", "x");
    world.bind_queue("behind", "", 3);
    let (queues, routed) = world.send("late", &Message::with_key(b"a.b"));
    assert_eq!((queues, later(&world)), (vec![1, 2, 3], vec![]));
    assert!(routed.exchange.delayed && !routed.cacheable);
    let headers = Headers { headers: Some(fields(&[("x-delay", FieldValue::I32(5))])), ..Headers::default() };
    let asking = Message { properties: &headers, ..Message::with_key(b"a.b") };
    let (queues, _) = world.send("late", &asking);
    assert_eq!((queues, later(&world)), (vec![], vec![1, 2, 3]));
    let (queues, routed) = world.send("x", &asking);
    assert_eq!((queues, later(&world)), (vec![2], vec![1, 2, 3]), "one queue can be reached in both ways");
    assert!(!routed.cacheable && !routed.exchange.delayed);
}

#[test]
fn an_alternate_delays_too() {
    let mut world = World::new();
    world.declare("late", NewExchange { delayed: true, ..plain(ExchangeKind::Fanout) });
    world.exchange("x", ExchangeKind::Direct, Some("late"));
    world.bind_queue("late", "", 1);
    let headers = Headers { headers: Some(fields(&[("x-delay", FieldValue::I32(5))])), ..Headers::default() };
    let (queues, _) = world.send("x", &Message { properties: &headers, ..Message::with_key(b"k") });
    assert_eq!((queues, later(&world)), (vec![], vec![1]));
    assert!(!world.routes.is_empty());
}

#[test]
fn a_history_gets_what_may_be_kept_and_is_no_destination() {
    let mut world = World::new();
    let history = QueueRef { queue: QueueId(77), group: GroupId(1) };
    let keeping = NewExchange { history: Some(history), ..plain(ExchangeKind::RecentHistory) };
    world.declare("x", NewExchange { alternate: Some(s("spare")), ..keeping });
    world.exchange("spare", ExchangeKind::Fanout, None);
    let (queues, routed) = world.send("x", &Message::with_key(b"k"));
    assert!(queues.is_empty() && world.routes.is_empty() && !routed.cacheable);
    assert_eq!(world.routes.histories(), [(history, false)]);
    world.bind_queue("spare", "", 1);
    assert_eq!(world.send("x", &Message::with_key(b"k")).0, [1], "what is only kept goes to the alternate");
    let headers = Headers { headers: Some(fields(&[("no-store", FieldValue::Bool(true))])), ..Headers::default() };
    world.send("x", &Message { properties: &headers, ..Message::with_key(b"k") });
    assert_eq!(world.routes.histories(), []);
}

#[test]
fn what_happens_at_an_alternate_or_behind_an_exchange_is_not_remembered_either() {
    let mut world = World::new();
    world.exchange("x", ExchangeKind::Direct, Some("spare"));
    world.exchange("spare", ExchangeKind::Random, None);
    world.bind_queue("spare", "", 1);
    world.bind_queue("spare", "", 2);
    world.bind_queue("x", "k", 3);
    assert!(world.send("x", &Message::with_key(b"k")).1.cacheable);
    assert!(!world.send("x", &Message::with_key(b"other")).1.cacheable);
    world.bind_exchange("x", "k", "spare");
    assert!(!world.send("x", &Message::with_key(b"k")).1.cacheable);
}
