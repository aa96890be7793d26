//! What happens to queues in the memory of a node that is gone.

use metadata::{DeclareExchange, DeclareQueue, Home};
use types::{GroupId, NodeId, QueueId};

use crate::world::{NODE, World, bind, exchange, queue, to_queue};

const HEIR: Home = Home { node: NodeId(2), boot: 7 };

fn transient(name: &'static str, boot: u64) -> DeclareQueue {
    DeclareQueue { durable: false, home: Home { node: NODE, boot }, ..queue(name) }
}

#[test]
fn what_lived_in_its_memory_goes_and_the_rest_stays() {
    let mut world = World::new();
    let a = world.declare(transient("a", 10));
    let b = world.declare(DeclareQueue { exclusive: true, ..queue("b") });
    world.declare(queue("durable"));
    world.declare(DeclareQueue { home: HEIR, ..transient("elsewhere", 0) });
    assert!(world.machine.local_homes().eq([Home { node: NODE, boot: 10 }, HEIR]));
    assert_eq!(world.node_gone(10, None), [a, b]);
    assert!(world.machine.local_homes().eq([HEIR]));
    assert!(world.has_queue("durable") && world.has_queue("elsewhere"));
    assert_eq!(world.machine.queue_count_in_group(GroupId::local(NODE)), 0);
    assert_eq!(world.node_gone(10, None), []);
}

#[test]
fn queues_of_a_later_incarnation_stay() {
    let mut world = World::new();
    let old = world.declare(transient("old", 9));
    world.declare(transient("new", 10));
    assert_eq!(world.node_gone(9, None), [old]);
    assert!(world.has_queue("new"));
}

#[test]
fn an_heir_takes_over_shared_lasting_queues_empty_and_with_their_bindings() {
    let mut world = World::new();
    let shared = world.declare(transient("shared", 10));
    let exclusive = world.declare(DeclareQueue { exclusive: true, ..queue("exclusive") });
    let fleeting = world.declare(DeclareQueue { auto_delete: true, ..transient("fleeting", 10) });
    world.declare_exchange(DeclareExchange { auto_delete: true, ..exchange("x", "fanout") });
    world.bind(bind("x", to_queue("shared"), "k"));

    assert_eq!(world.node_gone(10, Some(HEIR)), [shared, exclusive, fleeting]);

    assert_eq!(
        world.story(),
        [
            "-binding x k",
            "-queue shared 1",
            "+queue shared 4",
            "+binding x k",
            "-queue exclusive 2",
            "-queue fleeting 3",
        ],
        "the exchange does not go: its binding is only renewed"
    );
    let successor = world.machine.queue(b"/", b"shared").unwrap();
    assert_eq!((successor.id, successor.home, successor.group), (QueueId(4), HEIR, GroupId::local(HEIR.node)));
    assert!(!world.has_queue("exclusive") && !world.has_queue("fleeting"));
    assert!(world.has_exchange("x"));
}

#[test]
fn a_node_that_comes_back_may_be_its_own_heir() {
    let mut world = World::new();
    let old = world.declare(transient("q", 10));
    let reborn = Home { node: NODE, boot: 11 };
    assert_eq!(world.node_gone(10, Some(reborn)), [old]);
    assert_eq!(world.machine.queue(b"/", b"q").unwrap().home, reborn);
    assert_eq!(world.node_gone(10, Some(reborn)), []);
}
