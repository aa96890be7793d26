//! What is equivalent to a queue or exchange that is there.

use metadata::{Command, DeclareExchange, DeclareQueue, Refusal, Resource};
use types::{FieldTable, FieldValue};

use crate::world::{VHOST, World, connection, exchange, queue, s, table, text};

fn refusal_text(world: &mut World, declare: DeclareQueue) -> String {
    let refusal = world.refused(Command::DeclareQueue(declare));
    assert_eq!(refusal.reply_code(), 406);
    refusal.reply_text()
}

fn with(arguments: FieldTable) -> DeclareQueue {
    DeclareQueue { arguments, ..queue("q") }
}

#[test]
fn properties_must_be_repeated() {
    let mut world = World::new();
    world.declare(queue("q"));
    assert_eq!(
        refusal_text(&mut world, DeclareQueue { durable: false, ..queue("q") }),
        "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'"
    );
    assert_eq!(
        refusal_text(&mut world, DeclareQueue { auto_delete: true, ..queue("q") }),
        "inequivalent arg 'auto_delete' for queue 'q' in vhost '/': received 'true' but current is 'false'"
    );
}

#[test]
fn arguments_must_be_repeated() {
    let mut world = World::new();
    world.declare(with(table(&[("x-max-length", FieldValue::I32(10))])));
    assert_eq!(
        refusal_text(&mut world, with(table(&[("x-max-length", FieldValue::I32(11))]))),
        "inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received '11' but current is '10'"
    );
    assert_eq!(
        refusal_text(&mut world, queue("q")),
        "inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received none but current is the value '10' of type \
         'signedint'"
    );
    let more = table(&[("x-max-length", FieldValue::I32(10)), ("x-message-ttl", FieldValue::I64(5))]);
    assert_eq!(
        refusal_text(&mut world, with(more)),
        "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received the value '5' of type 'long' but current is \
         none"
    );
}

#[test]
fn integers_are_compared_as_numbers() {
    let mut world = World::new();
    let id = world.declare(with(table(&[("x-max-length", FieldValue::I32(10))])));
    for same in [FieldValue::I8(10), FieldValue::U8(10), FieldValue::U16(10), FieldValue::U32(10), FieldValue::I64(10)]
    {
        assert_eq!(world.declare(with(table(&[("x-max-length", same)]))), id);
    }
    world.refused(Command::DeclareQueue(with(table(&[("x-max-length", text("10"))]))));
}

#[test]
fn no_type_is_classic_but_not_quorum() {
    let mut world = World::new();
    let plain = world.declare(queue("q"));
    assert_eq!(world.declare(with(table(&[("x-queue-type", text("classic"))]))), plain);
    assert_eq!(
        refusal_text(&mut world, with(table(&[("x-queue-type", text("quorum"))]))),
        "inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received the value 'quorum' of type 'longstr' but \
         current is none"
    );
    let quorum = DeclareQueue { name: s("r"), ..with(table(&[("x-queue-type", text("quorum"))])) };
    world.declare(quorum);
    assert_eq!(
        refusal_text(&mut world, DeclareQueue { name: s("r"), ..queue("q") }),
        "inequivalent arg 'x-queue-type' for queue 'r' in vhost '/': received none but current is the value 'quorum' of \
         type 'longstr'"
    );
}

#[test]
fn arguments_without_effect_need_not_be_repeated() {
    let mut world = World::new();
    let id = world.declare(with(table(&[("x-queue-mode", text("lazy")), ("mine", FieldValue::Void)])));
    assert_eq!(world.declare(queue("q")), id);
}

#[test]
fn an_exclusive_queue_is_locked_for_others_and_for_other_declares() {
    let mut world = World::new();
    let locked = Refusal::Locked(Resource::queue(&VHOST, &s("q")));
    let exclusive = DeclareQueue { exclusive: true, durable: false, ..queue("q") };
    world.declare(exclusive.clone());
    for declare in [
        DeclareQueue { connection: connection(2), ..exclusive.clone() },
        DeclareQueue { connection: connection(2), exclusive: false, ..exclusive.clone() },
        DeclareQueue { exclusive: false, ..exclusive },
    ] {
        assert_eq!(world.refused(Command::DeclareQueue(declare)), locked);
    }
    assert_eq!(world.machine.queue_for(&VHOST, &s("q"), connection(2)).unwrap_err(), locked);
    assert!(world.machine.queue_for(&VHOST, &s("q"), connection(1)).is_ok());
}

#[test]
fn a_shared_queue_does_not_become_exclusive() {
    let mut world = World::new();
    world.declare(queue("q"));
    let refusal = world.refused(Command::DeclareQueue(DeclareQueue { exclusive: true, ..queue("q") }));
    assert_eq!(refusal.reply_code(), 405);
}

#[test]
fn an_exchanges_type_properties_and_alternate_must_be_repeated() {
    let mut world = World::new();
    let alternate = table(&[("alternate-exchange", text("amq.fanout"))]);
    let declared = DeclareExchange { arguments: alternate, ..exchange("x", "direct") };
    world.declare_exchange(declared.clone());
    for (declare, difference) in [
        (
            DeclareExchange { kind: s("topic"), ..declared.clone() },
            "'type' for .: received 'topic' but current is 'direct'",
        ),
        (
            DeclareExchange { durable: false, ..declared.clone() },
            "'durable' for .: received 'false' but current is 'true'",
        ),
        (
            DeclareExchange { auto_delete: true, ..declared.clone() },
            "'auto_delete' for .: received 'true' but current is 'false'",
        ),
        (
            DeclareExchange { internal: true, ..declared.clone() },
            "'internal' for .: received 'true' but current is 'false'",
        ),
        (
            exchange("x", "direct"),
            "'alternate-exchange' for .: received none but current is the value 'amq.fanout' of type 'longstr'",
        ),
    ] {
        let refusal = world.refused(Command::DeclareExchange(declare));
        let expected = format!("inequivalent arg {}", difference.replace("for .", "for exchange 'x' in vhost '/'"));
        assert_eq!((refusal.reply_code(), refusal.reply_text()), (406, expected));
    }
    let mut more = declared;
    more.arguments.push(s("mine"), FieldValue::Void);
    world.declare_exchange(more);
}
