//! Limits, topic permissions, parameters and what else operators set.

use metadata::{
    Change, ClearTopicPermissions, Command, DeclareQueue, DeleteParameter, Machine, PutGlobalParameter, PutParameter,
    PutUser, PutVhost, QueueType, Refusal, SetTopicPermissions, SetUserLimit, SetVhostLimit, TopicPermissions,
    UserLimit, VhostDefaults, VhostLimit,
};
use types::FieldTable;

use crate::world::{VHOST, World, done, exchange, password, queue, s, table, text};

fn vhost_limit(limit: VhostLimit, value: Option<i64>) -> Command {
    Command::SetVhostLimit(SetVhostLimit { vhost: VHOST, limit, value })
}

fn global(name: &'static str, value: &str) -> Command {
    Command::PutGlobalParameter(PutGlobalParameter { name: s(name), value: value.to_owned() })
}

fn refusal(world: &mut World, command: Command) -> (u16, String) {
    let refusal = world.refused(command);
    (refusal.reply_code(), refusal.reply_text())
}

#[test]
fn a_vhost_that_is_full_takes_no_more_queues_but_redeclares() {
    let mut world = World::new();
    assert_eq!(done(world.apply(vhost_limit(VhostLimit::MaxQueues, Some(2)))), Change::Created);
    assert_eq!(world.story(), ["~vhost /"]);
    world.declare(queue("a"));
    let b = world.declare(queue("b"));
    let text = "cannot declare queue 'c': queue limit in vhost '/' (2) is reached".to_owned();
    assert_eq!(refusal(&mut world, Command::DeclareQueue(queue("c"))), (406, text));
    assert_eq!(world.declare(queue("b")), b);
    let invalid = DeclareQueue { arguments: table(&[("x-max-length", text_value())]), ..queue("c") };
    assert!(refusal(&mut world, Command::DeclareQueue(invalid)).1.starts_with("invalid arg"), "arguments come first");
    world.deleted(Command::DeleteQueue { queue: b });
    world.declare(queue("c"));
    assert_eq!(done(world.apply(vhost_limit(VhostLimit::MaxQueues, Some(-1)))), Change::Updated);
    world.declare(queue("d"));
    assert_eq!(done(world.apply(vhost_limit(VhostLimit::MaxQueues, None))), Change::Deleted);
    assert_eq!(done(world.apply(vhost_limit(VhostLimit::MaxQueues, None))), Change::Unchanged);
}

#[test]
fn the_nearest_limit_says_how_much_room_there_is() {
    let mut world = World::new();
    assert_eq!(world.machine.queue_room(b"/"), usize::MAX);
    world.declare(queue("a"));
    world.apply(vhost_limit(VhostLimit::MaxQueues, Some(5)));
    assert_eq!(world.machine.queue_room(b"/"), 4);
    world.apply(global("cluster_queue_limit", "3"));
    assert_eq!(world.machine.queue_room(b"/"), 2);
    world.apply(vhost_limit(VhostLimit::MaxQueues, Some(0)));
    assert_eq!(world.machine.queue_room(b"/"), 0, "it is more than full");
    assert_eq!(world.machine.exchange_room(), usize::MAX);
    world.apply(global("cluster_exchange_limit", "1000"));
    let before = world.machine.exchange_room();
    world.declare_exchange(exchange("x", "direct"));
    assert_eq!(world.machine.exchange_room(), before - 1);
}

fn text_value() -> types::FieldValue {
    text("many")
}

#[test]
fn limits_on_connections_are_kept_as_they_were_set() {
    let mut world = World::new();
    world.apply(vhost_limit(VhostLimit::MaxConnections, Some(7)));
    let set = |limit, value| Command::SetUserLimit(SetUserLimit { user: s("guest"), limit, value });
    assert_eq!(done(world.apply(set(UserLimit::MaxConnections, Some(-1)))), Change::Created);
    assert_eq!(world.story(), ["~user guest"]);
    assert_eq!(done(world.apply(set(UserLimit::MaxChannels, Some(9)))), Change::Created);
    assert_eq!(done(world.apply(set(UserLimit::MaxChannels, Some(9)))), Change::Unchanged);
    assert_eq!(world.machine.vhost(b"/").unwrap().limits.in_force(VhostLimit::MaxConnections), Some(7));
    let again = PutUser { user: s("guest"), password: Some(password()), tags: vec![] };
    world.apply(Command::PutUser(again));
    let limits = world.machine.user(b"guest").unwrap().limits;
    assert_eq!((limits.get(UserLimit::MaxConnections), limits.in_force(UserLimit::MaxConnections)), (Some(-1), None));
    assert_eq!(limits.in_force(UserLimit::MaxChannels), Some(9), "a user that changes keeps them");
    let nobody = SetUserLimit { user: s("nobody"), limit: UserLimit::MaxChannels, value: None };
    assert_eq!(world.refused(Command::SetUserLimit(nobody)), Refusal::NoSuchUser(s("nobody")));
    let nowhere = SetVhostLimit { vhost: s("v"), limit: VhostLimit::MaxQueues, value: None };
    assert_eq!(world.refused(Command::SetVhostLimit(nowhere)), Refusal::NoSuchVhost(s("v")));
    assert_eq!(VhostLimit::parse(b"max-queues"), Some(VhostLimit::MaxQueues));
    assert_eq!(UserLimit::parse(b"max-queues"), None);
}

#[test]
fn the_cluster_has_limits_of_its_own() {
    let mut world = World::new();
    world.declare(queue("a"));
    world.apply(global("cluster_queue_limit", "1"));
    let text = "cannot declare queue 'b': queue limit in cluster (1) is reached".to_owned();
    assert_eq!(refusal(&mut world, Command::DeclareQueue(queue("b"))), (406, text));
    // Seven predeclared ones and the default one.
    world.apply(global("cluster_exchange_limit", "9"));
    world.declare_exchange(exchange("x", "direct"));
    let text = "cannot declare exchange 'y' in vhost '/': exchange limit of 9 is reached".to_owned();
    assert_eq!(refusal(&mut world, Command::DeclareExchange(exchange("y", "direct"))), (406, text));
    assert_eq!(world.declare_exchange(exchange("x", "direct")), Change::Unchanged);
    world.apply(global("vhost_max", "1"));
    let vhost = |name| Command::PutVhost(PutVhost { vhost: s(name), ..PutVhost::default() });
    let text = "cannot create vhost 'v': vhost limit of 1 is reached".to_owned();
    assert_eq!(refusal(&mut world, vhost("v")), (406, text));
    assert_eq!(done(world.apply(vhost("/"))), Change::Unchanged);
    for name in ["cluster_queue_limit", "cluster_exchange_limit", "vhost_max"] {
        world.apply(global(name, "\"none\""));
    }
    world.declare(queue("b"));
    world.declare_exchange(exchange("y", "direct"));
    assert_eq!(done(world.apply(vhost("v"))), Change::Created);
}

#[test]
fn a_protected_vhost_is_not_deleted() {
    let mut world = World::new();
    let protect = |protected| Command::PutVhost(PutVhost { vhost: VHOST, protected, ..PutVhost::default() });
    assert_eq!(done(world.apply(protect(Some(true)))), Change::Updated);
    let text = "Refusing to delete virtual host '/' because it is protected from deletion".to_owned();
    assert_eq!(refusal(&mut world, Command::DeleteVhost { vhost: VHOST }), (406, text));
    assert_eq!(done(world.apply(protect(None))), Change::Unchanged);
    world.apply(protect(Some(false)));
    world.apply(Command::DeleteVhost { vhost: VHOST });
    assert!(world.machine.vhost(b"/").is_none());
}

#[test]
fn a_vhost_remembers_what_it_was_told() {
    let mut world = World::new();
    let told = PutVhost {
        vhost: s("v"),
        description: Some("mine".to_owned()),
        tags: Some(vec![s("a"), s("b")]),
        default_queue_type: Some(QueueType::Quorum),
        tracing: Some(true),
        protected: Some(true),
        defaults: VhostDefaults::default(),
    };
    assert_eq!(done(world.apply(Command::PutVhost(told.clone()))), Change::Created);
    assert_eq!(done(world.apply(Command::PutVhost(told))), Change::Unchanged);
    let untagged = PutVhost { vhost: s("v"), tags: Some(vec![]), tracing: Some(false), ..PutVhost::default() };
    assert_eq!(done(world.apply(Command::PutVhost(untagged))), Change::Updated);
    let vhost = world.machine.vhost(b"v").unwrap();
    assert_eq!(
        (vhost.tags.len(), vhost.tracing, vhost.protected, vhost.description.as_str()),
        (0, false, true, "mine")
    );
}

fn topic(exchange: &'static str, write: &str) -> Command {
    let permissions = TopicPermissions { write: write.to_owned(), read: ".*".to_owned() };
    Command::SetTopicPermissions(SetTopicPermissions {
        user: s("guest"),
        vhost: VHOST,
        exchange: s(exchange),
        permissions,
    })
}

#[test]
fn topic_permissions_are_kept_per_user_vhost_and_exchange() {
    let mut world = World::new();
    assert_eq!(world.machine.topic_permissions(b"guest", b"/", b"x"), None, "all is allowed");
    assert_eq!(done(world.apply(topic("x", "^a"))), Change::Created);
    assert_eq!(world.story(), ["~topics guest /"]);
    assert_eq!(done(world.apply(topic("x", "^a"))), Change::Unchanged);
    assert_eq!(done(world.apply(topic("x", "^b"))), Change::Updated);
    world.apply(topic("y", "^c"));
    assert_eq!(world.machine.topic_permissions(b"guest", b"/", b"x").unwrap().write, "^b");
    let listed: Vec<_> = world.machine.all_topic_permissions().map(|of| of.exchange.to_string()).collect();
    assert_eq!(listed, ["x", "y"]);
    let clear = |exchange: Option<&'static str>| {
        let exchange = exchange.map(s);
        Command::ClearTopicPermissions(ClearTopicPermissions { user: s("guest"), vhost: VHOST, exchange })
    };
    assert_eq!(done(world.apply(clear(Some("z")))), Change::Unchanged);
    assert_eq!(done(world.apply(clear(Some("x")))), Change::Deleted);
    assert_eq!(done(world.apply(clear(None))), Change::Deleted);
    assert_eq!(done(world.apply(clear(None))), Change::Unchanged);
}

#[test]
fn topic_permissions_go_with_their_user_and_their_vhost() {
    let mut world = World::new();
    world.apply(topic("x", "^a"));
    let mut other = world.clone();
    world.apply(Command::DeleteUser { user: s("guest") });
    assert_eq!(world.story(), ["~permissions guest /", "~topics guest /", "-user guest"]);
    other.apply(Command::DeleteVhost { vhost: VHOST });
    assert!(other.story().contains(&"~topics guest /".to_owned()));
    assert_eq!(other.machine.all_topic_permissions().count(), 0);
    assert_eq!(world.refused(topic("x", "^a")), Refusal::NoSuchUser(s("guest")));
}

fn parameter(component: &'static str, value: &str) -> Command {
    let (component, name) = (s(component), s("p"));
    Command::PutParameter(PutParameter { vhost: VHOST, component, name, value: value.to_owned() })
}

#[test]
fn parameters_are_kept_as_the_json_that_came() {
    let mut world = World::new();
    assert_eq!(done(world.apply(parameter("shovel", "{\"a\": 1}"))), Change::Created);
    assert_eq!(world.story(), ["~parameter shovel p"]);
    assert_eq!(done(world.apply(parameter("shovel", "{\"a\": 1}"))), Change::Unchanged);
    assert_eq!(done(world.apply(parameter("shovel", "{}"))), Change::Updated);
    assert_eq!(world.machine.parameter(b"/", b"shovel", b"p"), Some("{}"));
    assert_eq!(world.machine.parameters().count(), 1);
    let gone = DeleteParameter { vhost: VHOST, component: s("shovel"), name: s("p") };
    assert_eq!(done(world.apply(Command::DeleteParameter(gone.clone()))), Change::Deleted);
    assert_eq!(done(world.apply(Command::DeleteParameter(gone))), Change::Unchanged);
    let too_long = "x".repeat(64 * 1024 + 1);
    let reason = "Validation failed\n\nthe value of a parameter may have at most 65536 bytes\n".to_owned();
    assert_eq!(refusal(&mut world, parameter("shovel", &too_long)), (406, reason));
    assert_eq!(refusal(&mut world, parameter("policy", "{}")).1, "policies may not be set using this method");
    assert_eq!(refusal(&mut world, parameter("vhost-limits", "{}")).1, "vhost limits may not be set using this method");
}

#[test]
fn global_parameters_hold_the_clusters_name() {
    let mut world = World::new();
    assert_eq!(done(world.apply(global(Machine::CLUSTER_NAME, "\"prod\""))), Change::Created);
    assert_eq!(world.story(), ["~global parameter cluster_name"]);
    assert_eq!(done(world.apply(global(Machine::CLUSTER_NAME, "\"prod\""))), Change::Unchanged);
    assert_eq!(world.machine.global_parameter(b"cluster_name"), Some("\"prod\""));
    assert_eq!(world.machine.global_parameters().count(), 1);
    let delete = || Command::DeleteGlobalParameter { name: s(Machine::CLUSTER_NAME) };
    assert_eq!(done(world.apply(delete())), Change::Deleted);
    assert_eq!(done(world.apply(delete())), Change::Unchanged);
}

#[test]
fn a_queues_type_by_default_is_its_type_when_it_is_declared_again() {
    let mut world = World::new();
    let plain = world.declare(queue("plain"));
    let typed = DeclareQueue { arguments: table(&[("x-queue-type", text("classic"))]), ..queue("typed") };
    let typed_id = world.declare(typed);
    let by_default =
        |default_queue_type| Command::PutVhost(PutVhost { vhost: VHOST, default_queue_type, ..PutVhost::default() });
    world.apply(by_default(Some(QueueType::Quorum)));
    assert_eq!(world.declare(queue("plain")), plain, "the default changed, the queue did not");
    let differs = refusal(&mut world, Command::DeclareQueue(queue("typed"))).1;
    assert!(differs.contains("received none but current is the value 'classic' of type 'longstr'"), "{differs}");
    let quorum = world.declare(queue("quorum"));
    assert_eq!(world.machine.queue_by_id(quorum).unwrap().declared_type, QueueType::Quorum);
    let alias = DeclareQueue { arguments: table(&[("x-queue-type", text("rabbit_quorum_queue"))]), ..queue("quorum") };
    assert_eq!(world.declare(alias), quorum, "two names of one type");
    world.apply(by_default(Some(QueueType::Classic)));
    assert_eq!(world.declare(queue("typed")), typed_id);
    assert_eq!(world.declare(DeclareQueue { arguments: FieldTable::default(), ..queue("plain") }), plain);
}
