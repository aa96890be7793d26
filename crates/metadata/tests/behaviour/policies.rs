//! Policies: which apply to what, and what is wrong with others.

use metadata::{
    ApplyTo, Change, Command, DeclareExchange, DeclareQueue, DeletePolicy, Machine, PutPolicy, PutVhost, VhostDefaults,
    VhostLimit, VhostLimits,
};
use types::FieldValue;

use crate::world::{VHOST, World, done, exchange, queue, s, table, text};

fn policy(name: &'static str, pattern: &str, definition: &[(&'static str, FieldValue)]) -> PutPolicy {
    PutPolicy {
        vhost: VHOST,
        name: s(name),
        pattern: pattern.to_owned(),
        priority: 0,
        apply_to: s("all"),
        definition: table(definition),
        operator: false,
    }
}

fn ttl(name: &'static str, pattern: &str, ms: i64) -> PutPolicy {
    policy(name, pattern, &[("message-ttl", FieldValue::I64(ms))])
}

fn put(world: &mut World, c: PutPolicy) -> Change {
    done(world.apply(Command::PutPolicy(c)))
}

fn delete(world: &mut World, name: &'static str, operator: bool) -> Change {
    done(world.apply(Command::DeletePolicy(DeletePolicy { vhost: VHOST, name: s(name), operator })))
}

fn refused(c: PutPolicy) -> String {
    let refusal = World::new().refused_before(&Command::PutPolicy(c));
    assert_eq!(refusal.reply_code(), 406);
    refusal.reply_text()
}

fn ttl_of(world: &World, name: &str) -> Option<u64> {
    world.settings(name).message_ttl_ms
}

fn applied(world: &World, name: &str) -> Option<String> {
    world.settings(name).policy.map(|name| name.to_string())
}

#[test]
fn a_pattern_that_only_another_version_can_read_is_kept_and_matches_nothing() {
    let mut world = World::new();
    world.declare(queue("q"));
    assert!(world.machine.refusal_now(&Command::PutPolicy(ttl("p", "(", 1))).is_some());
    assert_eq!(put(&mut world, ttl("p", "(", 1)), Change::Created);
    assert_eq!(ttl_of(&world, "q"), None);
    let copy = Machine::from_records(world.machine.records()).unwrap();
    assert_eq!((&copy, copy.digest()), (&world.machine, world.machine.digest()));
}

#[test]
fn a_policy_applies_to_queues_that_are_there_and_to_those_that_come() {
    let mut world = World::new();
    world.declare(queue("tasks"));
    world.declare(queue("other"));
    assert_eq!(put(&mut world, ttl("p", "^tasks", 5)), Change::Created);
    assert_eq!(world.story(), ["~policy p", "~queue 1"]);
    world.declare(queue("tasks-2"));
    assert_eq!((ttl_of(&world, "tasks"), ttl_of(&world, "tasks-2"), ttl_of(&world, "other")), (Some(5), Some(5), None));
    assert_eq!(delete(&mut world, "p", false), Change::Deleted);
    assert_eq!(world.story(), ["~policy p", "~queue 1", "~queue 3"]);
    assert_eq!((ttl_of(&world, "tasks"), applied(&world, "tasks")), (None, None));
    assert_eq!(delete(&mut world, "p", false), Change::Unchanged);
}

#[test]
fn the_same_policy_again_changes_nothing_whatever_the_order_of_its_keys() {
    let mut world = World::new();
    let settings = [("message-ttl", FieldValue::I64(5)), ("max-length", FieldValue::I64(7))];
    assert_eq!(put(&mut world, policy("p", "", &settings)), Change::Created);
    let [ttl, length] = settings;
    assert_eq!(put(&mut world, policy("p", "", &[length, ttl])), Change::Unchanged);
    assert!(world.events.is_empty());
    let raised = PutPolicy { priority: 1, ..self::ttl("p", "", 5) };
    assert_eq!(put(&mut world, raised), Change::Updated);
}

#[test]
fn the_highest_priority_applies_and_the_first_name_among_equals() {
    let mut world = World::new();
    world.declare(queue("q"));
    put(&mut world, PutPolicy { priority: 1, ..ttl("b", "", 2) });
    put(&mut world, PutPolicy { priority: 1, ..ttl("a", "", 1) });
    put(&mut world, PutPolicy { priority: 9, ..ttl("z", "^other", 9) });
    assert_eq!((applied(&world, "q"), ttl_of(&world, "q")), (Some("a".to_owned()), Some(1)));
    put(&mut world, PutPolicy { priority: 2, ..ttl("c", "", 3) });
    assert_eq!((applied(&world, "q"), ttl_of(&world, "q")), (Some("c".to_owned()), Some(3)));
    put(&mut world, PutPolicy { priority: -1, ..ttl("c", "", 3) });
    assert_eq!(applied(&world, "q"), Some("a".to_owned()), "a policy that sinks gives way");
    delete(&mut world, "a", false);
    assert_eq!(applied(&world, "q"), Some("b".to_owned()));
}

#[test]
fn only_one_policy_applies_so_nothing_is_taken_from_the_others() {
    let mut world = World::new();
    world.declare(queue("q"));
    put(&mut world, ttl("low", "", 5));
    put(&mut world, PutPolicy { priority: 1, ..policy("high", "", &[("max-length", FieldValue::I64(7))]) });
    assert_eq!(ttl_of(&world, "q"), None);
}

#[test]
fn a_change_without_effect_is_not_told_to_queues() {
    let mut world = World::new();
    let shorter = table(&[("x-message-ttl", FieldValue::I32(3))]);
    world.declare(DeclareQueue { arguments: shorter, ..queue("q") });
    put(&mut world, ttl("p", "", 5));
    assert_eq!(world.story(), ["~policy p"], "the argument's ttl is shorter");
    assert_eq!((applied(&world, "q"), ttl_of(&world, "q")), (Some("p".to_owned()), Some(3)));
}

#[test]
fn policies_choose_by_kind_and_declared_type() {
    let mut world = World::new();
    world.declare(queue("classic"));
    world.declare(DeclareQueue { arguments: table(&[("x-queue-type", text("quorum"))]), ..queue("quorum") });
    for (apply_to, covered) in [
        ("", [true, true]),
        ("all", [true, true]),
        ("queues", [true, true]),
        ("classic_queues", [true, false]),
        ("quorum_queues", [false, true]),
        ("streams", [false, false]),
        ("exchanges", [false, false]),
    ] {
        put(&mut world, PutPolicy { apply_to: s(apply_to), ..ttl("p", "", 5) });
        let found = ["classic", "quorum"].map(|name| applied(&world, name).is_some());
        assert_eq!(found, covered, "{apply_to}");
    }
    let kept = world.machine.policies(b"/", false).next().unwrap();
    assert_eq!((kept.apply_to, kept.pattern.text()), (ApplyTo::Exchanges, ""));
}

#[test]
fn a_policy_gives_exchanges_an_alternate_that_arguments_override() {
    let mut world = World::new();
    world.declare_exchange(exchange("x", "direct"));
    let own = table(&[("alternate-exchange", text("own"))]);
    world.declare_exchange(DeclareExchange { arguments: own, ..exchange("xx", "direct") });
    put(&mut world, policy("p", "^x", &[("alternate-exchange", text("spare"))]));
    assert_eq!(world.story(), ["~policy p", "~exchange x spare"]);
    world.declare_exchange(exchange("x3", "direct"));
    let settings = |world: &World, name: &str| {
        world.machine.effective_exchange(world.machine.exchange(b"/", name.as_bytes()).unwrap())
    };
    for (name, alternate) in [("x", "spare"), ("xx", "own"), ("x3", "spare")] {
        let found = settings(&world, name);
        assert_eq!((found.alternate, found.policy), (Some(s(alternate)), Some(s("p"))), "{name}");
    }
    assert_eq!(settings(&world, "amq.direct").policy, None);
    delete(&mut world, "p", false);
    assert_eq!(world.story(), ["~policy p", "~exchange x", "~exchange x3"]);
}

#[test]
fn an_operator_policy_of_the_same_name_is_another_one() {
    let mut world = World::new();
    world.declare(queue("q"));
    put(&mut world, ttl("p", "", 5));
    assert_eq!(put(&mut world, PutPolicy { operator: true, ..ttl("p", "", 3) }), Change::Created);
    assert_eq!(world.story(), ["~operator policy p", "~queue 1"]);
    let settings = world.settings("q");
    assert_eq!(
        (settings.policy, settings.operator_policy, settings.message_ttl_ms),
        (Some(s("p")), Some(s("p")), Some(3))
    );
    assert_eq!(delete(&mut world, "p", false), Change::Deleted);
    assert_eq!(ttl_of(&world, "q"), Some(3));
    assert!(world.machine.policy(b"/", b"p", true).is_some() && world.machine.policy(b"/", b"p", false).is_none());
}

#[test]
fn the_definition_in_force_is_merged_from_both_policies() {
    let mut world = World::new();
    world.declare(queue("q"));
    let number = FieldValue::I64;
    let ordinary = [
        ("message-ttl", number(5)),
        ("delivery-limit", number(-1)),
        ("overflow", text("drop-head")),
        ("dead-letter-exchange", text("x")),
        ("target-group-size", number(3)),
        ("delayed-retry-max", number(9)),
    ];
    let operator = [
        ("message-ttl", number(7)),
        ("delivery-limit", number(4)),
        ("overflow", text("reject-publish")),
        ("target-group-size", number(5)),
        ("delayed-retry-max", number(8)),
        ("max-length", number(1)),
    ];
    put(&mut world, policy("p", "", &ordinary));
    put(&mut world, PutPolicy { operator: true, ..policy("o", "", &operator) });
    let applied = world.machine.applied_to_queue(world.machine.queue(b"/", b"q").unwrap()).unwrap();
    let merged = table(&[
        ("dead-letter-exchange", text("x")),
        ("delayed-retry-max", number(8)),
        ("delivery-limit", number(4)),
        ("max-length", number(1)),
        ("message-ttl", number(5)),
        ("overflow", text("reject-publish")),
        ("target-group-size", number(5)),
    ]);
    assert_eq!(applied.effective_definition(), merged);
    assert_eq!((applied.policy_name(), applied.operator_name()), (Some(&s("p")), Some(&s("o"))));
}

#[test]
fn a_queue_that_moves_to_an_heir_keeps_its_policy() {
    let mut world = World::new();
    put(&mut world, ttl("p", "", 5));
    world.declare(DeclareQueue { durable: false, ..queue("q") });
    let heir = metadata::Home { node: types::NodeId(2), boot: 1 };
    world.node_gone(10, Some(heir));
    assert_eq!(ttl_of(&world, "q"), Some(5));
}

#[test]
fn what_is_wrong_with_a_policy_is_said_in_rabbitmqs_words() {
    let validation = |reason: &str| format!("Validation failed\n\n{reason}\n");
    for (definition, reason) in [
        (vec![], "no policy provided"),
        (vec![("foo", text("bar"))], "[{<<\"foo\">>,<<\"bar\">>}] are not recognised policy settings"),
        (vec![("message-ttl", FieldValue::I64(-1))], "-1 is not a valid message TTL"),
        (vec![("message-ttl", text("5"))], "<<\"5\">> is not a valid message TTL"),
        (vec![("expires", FieldValue::I64(0))], "0 is not a valid queue expiry"),
        (vec![("max-length", FieldValue::F64(1.5))], "1.5 is not a valid maximum length"),
        (vec![("max-length-bytes", FieldValue::Bool(true))], "true is not a valid maximum length in bytes"),
        (vec![("overflow", text("drop-tail"))], "<<\"drop-tail\">> is not a valid overflow value"),
        (vec![("dead-letter-exchange", FieldValue::I64(1))], "1 is not a valid dead letter exchange name"),
        (vec![("delivery-limit", text("x"))], "<<\"x\">> is not a valid delivery limit"),
        (vec![("queue-mode", FieldValue::Array(vec![text("x")]))], "[<<\"x\">>] is not a valid queue-mode value"),
        (
            vec![("max-length", FieldValue::I64(1)), ("max-length", FieldValue::I64(1))],
            "[<<\"max-length\">>] duplicate keys not allowed",
        ),
    ] {
        assert_eq!(refused(policy("p", "", &definition)), validation(reason));
    }
    assert_eq!(
        refused(ttl("p", "(", 1)),
        validation("pattern should be regular expression but is invalid: unclosed group")
    );
    assert_eq!(
        refused(PutPolicy { apply_to: s("topics"), ..ttl("p", "(", -1) }),
        validation(
            "-1 is not a valid message TTL\napply-to 'topics' unrecognised; should be one of: 'queues', \
             'classic_queues',  'quorum_queues', 'streams', 'exchanges', or 'all'\npattern should be regular expression \
             but is invalid: unclosed group"
        ),
        "all of it at once"
    );
}

#[test]
fn operator_policies_only_limit() {
    for (key, value, allowed) in [
        ("message-ttl", FieldValue::I64(1), true),
        ("expires", FieldValue::I64(1), true),
        ("max-length", FieldValue::I64(1), true),
        ("max-length-bytes", FieldValue::I64(1), true),
        ("max-in-memory-length", FieldValue::I64(1), true),
        ("max-in-memory-bytes", FieldValue::I64(1), true),
        ("overflow", text("reject-publish"), true),
        ("delivery-limit", FieldValue::I64(-1), true),
        ("target-group-size", FieldValue::I64(3), true),
        ("queue-version", FieldValue::I64(2), true),
        ("delayed-retry-type", text("all"), true),
        ("delayed-retry-min", FieldValue::I64(1), true),
        ("delayed-retry-max", FieldValue::I64(1), true),
        ("dead-letter-exchange", text("x"), false),
        ("dead-letter-routing-key", text("x"), false),
        ("dead-letter-strategy", text("at-most-once"), false),
        ("consumer-timeout", FieldValue::I64(1), false),
        ("queue-leader-locator", text("balanced"), false),
        ("alternate-exchange", text("x"), false),
    ] {
        let c = policy("p", "", &[(key, value)]);
        assert_eq!(put(&mut World::new(), c.clone()), Change::Created, "{key}");
        let operator = PutPolicy { operator: true, ..c };
        if allowed {
            assert_eq!(put(&mut World::new(), operator), Change::Created, "{key}");
        } else {
            assert!(refused(operator).contains("are not recognised policy settings"), "{key}");
        }
    }
}

#[test]
fn settings_of_other_times_and_plugins_are_accepted_without_effect() {
    let mut world = World::new();
    world.declare(queue("q"));
    let dead = [
        ("ha-mode", text("all")),
        ("ha-params", FieldValue::I64(2)),
        ("queue-mode", text("lazy")),
        ("queue-master-locator", text("min-masters")),
        ("federation-upstream-set", text("all")),
        ("max-age", text("7D")),
    ];
    put(&mut world, policy("p", "", &dead));
    assert_eq!(world.story(), ["~policy p"]);
    assert_eq!(applied(&world, "q"), Some("p".to_owned()));
}

#[test]
fn a_policy_needs_a_vhost_and_goes_with_it() {
    let mut world = World::new();
    let nowhere = PutPolicy { vhost: s("v"), ..ttl("p", "", 1) };
    assert_eq!(world.refused(Command::PutPolicy(nowhere)).reply_text(), "vhost v not found");
    let nowhere = DeletePolicy { vhost: s("v"), name: s("p"), operator: false };
    assert_eq!(world.refused(Command::DeletePolicy(nowhere)).reply_code(), 530);
    put(&mut world, ttl("p", "", 1));
    world.apply(Command::DeleteVhost { vhost: VHOST });
    assert_eq!(world.machine.policies(b"/", false).count(), 0);
}

#[test]
fn a_vhost_starts_with_the_limits_and_operator_policies_that_it_is_given() {
    let mut world = World::new();
    let limits = VhostLimits { max_queues: Some(1), ..VhostLimits::default() };
    // Which vhost they name does not matter, and what is not right is left out.
    let operator_policies = vec![ttl("good", ".*", 5), policy("bad", "(", &[]), ttl("late", "^z", 9)];
    let put = |name, defaults| Command::PutVhost(PutVhost { vhost: s(name), defaults, ..PutVhost::default() });
    let defaults = VhostDefaults { limits, operator_policies };
    assert_eq!(done(world.apply(put("v", defaults.clone()))), Change::Created);
    let names = |world: &World, vhost: &[u8]| -> Vec<String> {
        world.machine.policies(vhost, true).map(|policy| policy.name.to_string()).collect()
    };
    assert_eq!(names(&world, b"v"), ["good", "late"]);
    assert_eq!(world.machine.vhost(b"v").unwrap().limits.get(VhostLimit::MaxQueues), Some(1));
    assert_eq!(done(world.apply(put("/", defaults))), Change::Unchanged, "one that is there stays as it is");
    assert_eq!(names(&world, b"/"), [""; 0]);
    let queue = DeclareQueue { vhost: s("v"), ..queue("q") };
    let id = world.declare(queue.clone());
    assert_eq!(world.machine.effective_queue(world.machine.queue_by_id(id).unwrap()).message_ttl_ms, Some(5));
    let refusal = world.refused(Command::DeclareQueue(DeclareQueue { name: s("r"), ..queue }));
    assert!(refusal.reply_text().contains("queue limit"), "{}", refusal.reply_text());
}
