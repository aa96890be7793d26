//! Declaring and deleting queues.

use metadata::{Command, DeclareQueue, PutVhost, QueueType, Refusal, Reply, Resource};
use types::{FieldValue, GroupId, QueueId};

use crate::world::{NODE, VHOST, World, bind, connection, queue, s, table, text, to_queue};

#[test]
fn queue_ids_are_counted_and_never_given_twice() {
    let mut world = World::new();
    assert_eq!(world.machine.next_queue_id(), QueueId(1));
    assert_eq!(world.declare(queue("a")), QueueId(1));
    assert_eq!(world.declare(queue("b")), QueueId(2));
    assert_eq!(world.declare(queue("a")), QueueId(1), "it is there already");
    world.deleted(Command::DeleteQueue { queue: QueueId(1) });
    assert_eq!(world.declare(queue("a")), QueueId(3));
    assert_eq!(world.machine.next_queue_id(), QueueId(4));
}

#[test]
fn a_durable_queue_lives_in_the_group_that_was_chosen() {
    let mut world = World::new();
    let reply = world.apply(Command::DeclareQueue(queue("q")));
    assert_eq!(reply, Reply::Queue { queue: QueueId(1), group: GroupId(3), created: true });
    assert_eq!(world.story(), ["+queue q 1"]);
    let ids: Vec<_> = world.machine.queues_in_group(GroupId(3)).map(|queue| queue.id).collect();
    assert_eq!(ids, [QueueId(1)]);
    assert_eq!(world.machine.queue_count_in_group(GroupId(4)), 0);
}

#[test]
fn transient_and_exclusive_queues_live_with_their_declarer() {
    let mut world = World::new();
    world.declare(DeclareQueue { durable: false, ..queue("transient") });
    world.declare(DeclareQueue { exclusive: true, ..queue("exclusive") });
    world.declare(DeclareQueue { auto_delete: true, ..queue("auto-delete") });
    let group = |name: &str| world.machine.queue(b"/", name.as_bytes()).unwrap().group;
    assert_eq!(group("transient"), GroupId::local(NODE));
    assert_eq!(group("exclusive"), GroupId::local(NODE));
    assert_eq!(group("auto-delete"), GroupId(3), "durable is durable");
}

#[test]
fn an_exclusive_queue_is_never_durable() {
    let mut world = World::new();
    let exclusive = DeclareQueue { exclusive: true, durable: true, ..queue("q") };
    let id = world.declare(exclusive.clone());
    let stored = world.machine.queue_by_id(id).unwrap();
    assert_eq!((stored.durable, stored.owner), (false, Some(connection(1))));
    assert_eq!(world.declare(exclusive), id, "the same declare again is equivalent");
}

#[test]
fn the_reserved_prefix_is_refused_at_creation_only() {
    let mut world = World::new();
    let refusal = world.refused(Command::DeclareQueue(queue("amq.q")));
    assert_eq!(refusal, Refusal::ReservedName(Resource::queue(&VHOST, &s("amq.q"))));
    let generated = DeclareQueue { server_named: true, ..queue("amq.gen-1") };
    let id = world.declare(generated);
    assert_eq!(world.declare(queue("amq.gen-1")), id, "it exists, so its name is no matter");
    assert_eq!(world.declare(queue("amq")), QueueId(2));
}

#[test]
fn a_queue_needs_a_vhost_and_a_name() {
    let mut world = World::new();
    let refusal = world.refused(Command::DeclareQueue(DeclareQueue { vhost: s("none"), ..queue("q") }));
    assert_eq!(refusal, Refusal::NoSuchVhost(s("none")));
    world.refused(Command::DeclareQueue(queue("")));
}

#[test]
fn a_quorum_queue_is_durable_shared_and_lasting() {
    let mut world = World::new();
    let quorum = DeclareQueue { arguments: table(&[("x-queue-type", text("quorum"))]), ..queue("q") };
    for (declare, property) in [
        (DeclareQueue { auto_delete: true, ..quorum.clone() }, "auto-delete"),
        (DeclareQueue { exclusive: true, ..quorum.clone() }, "exclusive-owner"),
        (DeclareQueue { durable: false, ..quorum.clone() }, "non-durable"),
    ] {
        let refusal = world.refused(Command::DeclareQueue(declare));
        assert_eq!(refusal.reply_text(), format!("invalid property '{property}' for queue 'q' in vhost '/'"));
    }
    let named = DeclareQueue { server_named: true, ..quorum.clone() };
    assert_eq!(world.refused(Command::DeclareQueue(named)), Refusal::ServerNamed(QueueType::Quorum));
    let id = world.declare(quorum);
    assert_eq!(world.machine.queue_by_id(id).unwrap().declared_type, QueueType::Quorum);
}

#[test]
fn arguments_are_checked_before_a_queue_is_made() {
    let mut world = World::new();
    for (name, value, reply_text) in [
        (
            "x-max-length",
            FieldValue::I32(-5),
            "invalid arg 'x-max-length' for queue 'q' in vhost '/': {value_negative,-5}",
        ),
        (
            "x-queue-type",
            text("fake-queue-type"),
            "invalid arg 'x-queue-type' for queue 'q' in vhost '/': \"unsupported queue type 'fake-queue-type'\"",
        ),
        (
            "x-dead-letter-exchange",
            FieldValue::I32(1),
            "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'",
        ),
    ] {
        let declare = DeclareQueue { arguments: table(&[(name, value)]), ..queue("q") };
        let refusal = world.refused(Command::DeclareQueue(declare));
        assert_eq!((refusal.reply_code(), refusal.reply_text().as_str()), (406, reply_text));
    }
}

#[test]
fn the_vhosts_default_type_fills_in_where_it_can_apply() {
    let mut world = World::new();
    let vhost = PutVhost { vhost: VHOST, default_queue_type: Some(QueueType::Quorum), ..PutVhost::default() };
    world.apply(Command::PutVhost(vhost));
    let plain = world.declare(queue("plain"));
    assert_eq!(world.machine.queue_by_id(plain).unwrap().declared_type, QueueType::Quorum);
    assert_eq!(world.machine.queue_by_id(plain).unwrap().arguments, table(&[("x-queue-type", text("quorum"))]));
    assert_eq!(world.declare(queue("plain")), plain, "the same declare again is equivalent");
    for (name, declare) in [
        ("transient", DeclareQueue { durable: false, ..queue("transient") }),
        ("exclusive", DeclareQueue { exclusive: true, ..queue("exclusive") }),
        ("auto-delete", DeclareQueue { auto_delete: true, ..queue("auto-delete") }),
        ("typed", DeclareQueue { arguments: table(&[("x-queue-type", text("classic"))]), ..queue("typed") }),
    ] {
        let id = world.declare(declare);
        assert_eq!(world.machine.queue_by_id(id).unwrap().declared_type, QueueType::Classic, "{name}");
    }
}

#[test]
fn the_proposers_default_type_counts_where_the_vhost_has_none() {
    let mut world = World::new();
    let by_default = |name, default_type| DeclareQueue { default_type, ..queue(name) };
    let plain = world.declare(by_default("plain", Some(QueueType::Quorum)));
    assert_eq!(world.machine.queue_by_id(plain).unwrap().declared_type, QueueType::Quorum);
    assert_eq!(world.machine.queue_by_id(plain).unwrap().arguments, table(&[("x-queue-type", text("quorum"))]));
    assert_eq!(world.declare(by_default("plain", Some(QueueType::Quorum))), plain, "absent is the default");
    let refusal = world.refused(Command::DeclareQueue(by_default("plain", Some(QueueType::Classic))));
    assert_eq!(
        refusal.reply_text(),
        "inequivalent arg 'x-queue-type' for queue 'plain' in vhost '/': received none but current is the value 'quorum' \
         of type 'longstr'"
    );
    let vhost = PutVhost { vhost: VHOST, default_queue_type: Some(QueueType::Classic), ..PutVhost::default() };
    world.apply(Command::PutVhost(vhost));
    let other = world.declare(by_default("other", Some(QueueType::Quorum)));
    assert_eq!(world.machine.queue_by_id(other).unwrap().declared_type, QueueType::Classic);
    let transient = DeclareQueue { durable: false, ..by_default("transient", Some(QueueType::Quorum)) };
    let transient = world.declare(transient);
    assert_eq!(world.machine.queue_by_id(transient).unwrap().declared_type, QueueType::Classic);
}

#[test]
fn deleting_a_queue_takes_its_bindings_along() {
    let mut world = World::new();
    let id = world.declare(queue("q"));
    world.bind(bind("amq.direct", to_queue("q"), "a"));
    world.bind(bind("amq.topic", to_queue("q"), "b"));
    assert_eq!(world.deleted(Command::DeleteQueue { queue: id }), [id]);
    assert_eq!(world.story(), ["-binding amq.direct a", "-binding amq.topic b", "-queue q 1"]);
    assert!(!world.has_queue("q"));
    assert_eq!(world.machine.counts().bindings, 0);
}

#[test]
fn deleting_a_life_that_is_over_changes_nothing() {
    let mut world = World::new();
    let id = world.declare(queue("q"));
    world.deleted(Command::DeleteQueue { queue: id });
    world.declare(queue("q"));
    assert_eq!(world.deleted(Command::DeleteQueue { queue: id }), []);
    assert!(world.has_queue("q"));
}

#[test]
fn a_connections_exclusive_queues_go_with_it_and_no_others() {
    let mut world = World::new();
    let exclusive = |name, serial| DeclareQueue { exclusive: true, connection: connection(serial), ..queue(name) };
    let (a, b) = (world.declare(exclusive("a", 1)), world.declare(exclusive("b", 1)));
    world.declare(exclusive("other", 2));
    world.declare(queue("shared"));
    assert_eq!(world.deleted(Command::DeleteExclusive { connection: connection(1) }), [a, b]);
    assert!(!world.has_queue("a") && !world.has_queue("b"));
    assert!(world.has_queue("other") && world.has_queue("shared"));
    assert_eq!(world.deleted(Command::DeleteExclusive { connection: connection(1) }), []);
}
