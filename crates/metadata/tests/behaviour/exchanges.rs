//! Declaring and deleting exchanges and vhosts.

use metadata::{
    Change, Command, DeclareExchange, DeleteExchange, ExchangeKind, PutVhost, QueueType, Refusal, Resource,
};
use types::FieldValue;

use crate::world::{VHOST, World, bind, done, exchange, queue, s, table, text, to_exchange, to_queue};

const PREDECLARED: [&str; 7] =
    ["amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.rabbitmq.event", "amq.rabbitmq.trace", "amq.topic"];

#[test]
fn every_vhost_has_the_predeclared_exchanges() {
    let mut world = World::new();
    let vhost = PutVhost { vhost: s("v"), description: Some("mine".to_owned()), ..PutVhost::default() };
    assert_eq!(done(world.apply(Command::PutVhost(vhost))), Change::Created);
    assert_eq!(world.story()[0], "+vhost v");
    for vhost in [&b"/"[..], b"v"] {
        let names: Vec<_> = world.machine.exchanges(vhost).map(|exchange| exchange.name.to_string()).collect();
        assert_eq!(names, PREDECLARED);
    }
    assert!(world.machine.exchange(b"v", b"amq.rabbitmq.trace").unwrap().internal);
    assert_eq!(world.machine.exchange(b"v", b"amq.match").unwrap().kind, ExchangeKind::Headers);
}

#[test]
fn a_vhost_that_is_there_changes_only_where_it_is_told() {
    let mut world = World::new();
    let nothing = PutVhost { vhost: VHOST, ..PutVhost::default() };
    assert_eq!(done(world.apply(Command::PutVhost(nothing.clone()))), Change::Unchanged);
    let typed = PutVhost { default_queue_type: Some(QueueType::Quorum), ..nothing };
    assert_eq!(done(world.apply(Command::PutVhost(typed))), Change::Updated);
    assert_eq!(world.story(), ["~vhost /"]);
    let vhost = world.machine.vhost(b"/").unwrap();
    assert_eq!(
        (vhost.description.as_str(), vhost.default_queue_type),
        ("Default virtual host", Some(QueueType::Quorum))
    );
}

#[test]
fn a_vhost_goes_with_everything_in_it() {
    let mut world = World::new();
    let id = world.declare(queue("q"));
    world.declare_exchange(exchange("x", "fanout"));
    world.bind(bind("x", to_queue("q"), ""));
    world.bind(bind("amq.topic", to_exchange("x"), "#"));
    assert_eq!(world.deleted(Command::DeleteVhost { vhost: VHOST }), [id]);
    assert_eq!(world.story().last().unwrap(), "-vhost /");
    assert!(world.story().contains(&"~permissions guest /".to_owned()));
    assert_eq!(world.machine.counts(), metadata::Counts { users: 1, ..metadata::Counts::default() });
    assert_eq!(world.deleted(Command::DeleteVhost { vhost: VHOST }), []);
}

#[test]
fn exchanges_are_declared_once_and_deleted_once() {
    let mut world = World::new();
    assert_eq!(world.declare_exchange(exchange("x", "topic")), Change::Created);
    assert_eq!(world.story(), ["+exchange x"]);
    assert_eq!(world.declare_exchange(exchange("x", "topic")), Change::Unchanged);
    assert_eq!(world.delete_exchange("x"), Change::Deleted);
    assert_eq!(world.story(), ["-exchange x"]);
    assert_eq!(world.delete_exchange("x"), Change::Unchanged);
}

#[test]
fn names_of_the_system_are_not_for_clients() {
    let mut world = World::new();
    let reserved = world.refused(Command::DeclareExchange(exchange("amq.mine", "direct")));
    assert_eq!(reserved, Refusal::ReservedName(Resource::exchange(&VHOST, &s("amq.mine"))));
    assert_eq!(world.declare_exchange(exchange("amq.direct", "direct")), Change::Unchanged, "it exists");
    assert_eq!(world.refused(Command::DeclareExchange(exchange("", "direct"))), Refusal::DefaultExchange);
    for name in ["amq.direct", "amq.missing"] {
        let delete = DeleteExchange { vhost: VHOST, name: s(name), if_unused: false };
        let refusal = world.refused(Command::DeleteExchange(delete));
        assert_eq!(refusal.reply_text(), format!("deletion of system exchange '{name}' in vhost '/' not allowed"));
    }
    let default = DeleteExchange { vhost: VHOST, name: s(""), if_unused: false };
    assert_eq!(world.refused(Command::DeleteExchange(default)), Refusal::DefaultExchange);
}

#[test]
fn unknown_types_and_wrong_alternates_are_refused() {
    let mut world = World::new();
    let unknown = world.refused(Command::DeclareExchange(exchange("x", "x-funny")));
    assert_eq!(unknown.reply_text(), "unknown exchange type 'x-funny'");
    let arguments = table(&[("alternate-exchange", FieldValue::Bool(true))]);
    let wrong = world.refused(Command::DeclareExchange(DeclareExchange { arguments, ..exchange("x", "direct") }));
    assert_eq!(wrong.reply_text(), "invalid type 'bool' for arg 'alternate-exchange' in exchange 'x' in vhost '/'");
}

#[test]
fn the_alternate_is_told() {
    let mut world = World::new();
    let arguments = table(&[("alternate-exchange", text("not there yet"))]);
    world.declare_exchange(DeclareExchange { arguments: arguments.clone(), internal: true, ..exchange("x", "direct") });
    let told = metadata::Event::ExchangeDeclared {
        vhost: VHOST,
        name: s("x"),
        kind: ExchangeKind::Direct,
        alternate: Some(s("not there yet")),
        internal: true,
        arguments,
        history: None,
    };
    assert_eq!(world.events, [told]);
}

#[test]
fn if_unused_asks_for_bindings_that_start_there() {
    let mut world = World::new();
    world.declare_exchange(exchange("x", "fanout"));
    world.declare(queue("q"));
    let if_unused = || Command::DeleteExchange(DeleteExchange { vhost: VHOST, name: s("x"), if_unused: true });
    world.bind(bind("x", to_queue("q"), ""));
    world.bind(bind("amq.topic", to_exchange("x"), ""));
    assert_eq!(world.refused(if_unused()).reply_text(), "exchange 'x' in vhost '/' in use");
    world.unbind(&bind("x", to_queue("q"), ""));
    assert_eq!(done(world.apply(if_unused())), Change::Deleted);
    assert_eq!(world.story(), ["-binding amq.topic ", "-exchange x"]);
}
