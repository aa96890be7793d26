//! What is in force for a queue: arguments, policy and operator policy, merged key by key.

use metadata::{
    Command, DeadLetterStrategy, DeclareQueue, DelayedRetry, DelayedRetryKind, LeaderLocator, Overflow, PutPolicy,
    QueueSettings,
};
use types::FieldValue;

use crate::world::{VHOST, World, queue, s, table, text};

type Fields = Vec<(&'static str, FieldValue)>;

fn number(value: i64) -> FieldValue {
    FieldValue::I64(value)
}

/// Three times nothing, to be filled in.
#[derive(Clone, Default)]
struct Given {
    arguments: Fields,
    policy: Fields,
    operator: Fields,
}

impl Given {
    fn settings(self) -> QueueSettings {
        let mut world = World::new();
        let arguments = table(&self.arguments);
        world.declare(DeclareQueue { arguments, auto_delete: false, ..queue("q") });
        for (definition, operator) in [(self.policy, false), (self.operator, true)] {
            if definition.is_empty() {
                continue;
            }
            world.apply(Command::PutPolicy(PutPolicy {
                vhost: VHOST,
                name: s("p"),
                pattern: "^q$".to_owned(),
                priority: 0,
                apply_to: s("queues"),
                definition: table(&definition),
                operator,
            }));
            assert!(world.machine.policy(b"/", b"p", operator).is_some(), "it is valid");
        }
        world.settings("q")
    }

    fn quorum(mut self) -> QueueSettings {
        self.arguments.push(("x-queue-type", text("quorum")));
        self.settings()
    }
}

fn arguments(fields: &[(&'static str, FieldValue)]) -> Given {
    Given { arguments: fields.to_vec(), ..Given::default() }
}

fn policy(fields: &[(&'static str, FieldValue)]) -> Given {
    Given { policy: fields.to_vec(), ..Given::default() }
}

/// One setting, from three sources.
fn three(names: (&'static str, &'static str), values: [Option<i64>; 3]) -> QueueSettings {
    let of = |name, value: Option<i64>| value.map(|value| (name, number(value))).into_iter().collect();
    let [argument, policy, operator] = values;
    Given { arguments: of(names.0, argument), policy: of(names.1, policy), operator: of(names.1, operator) }.settings()
}

#[test]
fn a_plain_queue_has_no_limits_but_a_quorum_queues_delivery_limit() {
    let plain = Given::default().settings();
    let expected = QueueSettings {
        message_ttl_ms: None,
        expires_ms: None,
        max_length: None,
        max_length_bytes: None,
        overflow: Overflow::DropHead,
        dead_letter_exchange: None,
        dead_letter_routing_key: None,
        dead_letter_strategy: DeadLetterStrategy::AtMostOnce,
        max_priority: None,
        single_active_consumer: false,
        delivery_limit: None,
        delayed_retry: None,
        consumer_timeout_ms: None,
        consumer_disconnected_timeout_ms: None,
        auto_delete: false,
        leader_locator: LeaderLocator::ClientLocal,
        target_group_size: None,
        policy: None,
        operator_policy: None,
    };
    assert_eq!(plain, expected);
    assert_eq!(Given::default().quorum(), QueueSettings { delivery_limit: Some(20), ..expected });
}

#[test]
fn of_numeric_limits_the_smallest_is_in_force() {
    let ttl: fn(&QueueSettings) -> Option<u64> = |settings| settings.message_ttl_ms;
    for (names, read) in [
        (("x-message-ttl", "message-ttl"), ttl),
        (("x-expires", "expires"), |settings| settings.expires_ms),
        (("x-max-length", "max-length"), |settings| settings.max_length),
        (("x-max-length-bytes", "max-length-bytes"), |settings| settings.max_length_bytes),
    ] {
        for (values, expected) in [
            ([Some(3), None, None], 3),
            ([None, Some(3), None], 3),
            ([None, None, Some(3)], 3),
            ([Some(5), Some(3), None], 3),
            ([Some(3), Some(5), None], 3),
            ([None, Some(3), Some(5)], 3),
            ([None, Some(5), Some(3)], 3),
            ([Some(5), Some(4), Some(3)], 3),
            ([Some(3), Some(4), Some(5)], 3),
        ] {
            assert_eq!(read(&three(names, values)), Some(expected), "{names:?} {values:?}");
        }
    }
}

#[test]
fn a_negative_delivery_limit_is_none_and_the_other_one_counts() {
    let limit = |values| three(("x-delivery-limit", "delivery-limit"), values).delivery_limit;
    assert_eq!(limit([Some(5), Some(3), None]), Some(3));
    assert_eq!(limit([Some(-1), Some(3), None]), Some(3));
    assert_eq!(limit([Some(3), Some(-1), None]), Some(3));
    assert_eq!(limit([None, Some(-1), Some(3)]), Some(3));
    assert_eq!(limit([Some(-1), None, None]), None);
    assert_eq!(limit([Some(0), None, None]), Some(0));
    assert_eq!(arguments(&[("x-delivery-limit", number(-1))]).quorum().delivery_limit, None, "off");
    assert_eq!(arguments(&[("x-delivery-limit", number(50))]).quorum().delivery_limit, Some(50), "no minimum with 20");
    assert_eq!(arguments(&[("x-delivery-limit", number(i64::MAX))]).settings().delivery_limit, Some(u32::MAX));
}

#[test]
fn an_argument_names_the_overflow_of_a_classic_queue_and_a_policy_that_of_a_quorum_queue() {
    let both =
        Given { policy: vec![("overflow", text("drop-head"))], ..arguments(&[("x-overflow", text("reject-publish"))]) };
    assert_eq!(both.clone().settings().overflow, Overflow::RejectPublish);
    assert_eq!(both.clone().quorum().overflow, Overflow::DropHead);
    let operator = Given { operator: vec![("overflow", text("reject-publish-dlx"))], ..both };
    assert_eq!(operator.quorum().overflow, Overflow::RejectPublishDlx, "the operator's wins over the policy's");
}

#[test]
fn dead_letters_go_where_the_argument_says_or_else_the_policy() {
    let by_policy = policy(&[("dead-letter-exchange", text("p")), ("dead-letter-routing-key", text("pk"))]);
    let settings = by_policy.clone().settings();
    assert_eq!((settings.dead_letter_exchange, settings.dead_letter_routing_key), (Some(s("p")), Some(s("pk"))));
    let both = Given { arguments: vec![("x-dead-letter-exchange", text(""))], ..by_policy };
    let settings = both.settings();
    assert_eq!((settings.dead_letter_exchange, settings.dead_letter_routing_key), (Some(s("")), Some(s("pk"))));
    let key_alone = policy(&[("dead-letter-routing-key", text("pk"))]).settings();
    assert_eq!(key_alone.dead_letter_routing_key, None, "without an exchange it means nothing");
}

#[test]
fn at_least_once_needs_an_exchange_and_a_queue_that_can_say_no() {
    let strategy = ("x-dead-letter-strategy", text("at-least-once"));
    let (exchange, reject) = (("x-dead-letter-exchange", text("x")), ("x-overflow", text("reject-publish")));
    let of = |fields: &[_]| arguments(fields).settings().dead_letter_strategy;
    assert_eq!(of(&[strategy.clone(), exchange.clone(), reject.clone()]), DeadLetterStrategy::AtLeastOnce);
    assert_eq!(of(&[strategy.clone(), exchange.clone()]), DeadLetterStrategy::AtMostOnce);
    assert_eq!(of(&[strategy, reject.clone()]), DeadLetterStrategy::AtMostOnce);
    assert_eq!(of(&[exchange, reject]), DeadLetterStrategy::AtMostOnce);
}

#[test]
fn delayed_retry_takes_the_greater_minimum_and_the_lesser_maximum() {
    let given = Given {
        arguments: vec![
            ("x-delayed-retry-type", text("failed")),
            ("x-delayed-retry-min", number(10)),
            ("x-delayed-retry-max", number(500)),
        ],
        policy: vec![("delayed-retry-min", number(20)), ("delayed-retry-max", number(300))],
        operator: vec![("delayed-retry-min", number(15)), ("delayed-retry-max", number(400))],
    };
    let retry = DelayedRetry { kind: DelayedRetryKind::Failed, min_ms: 20, max_ms: Some(300) };
    assert_eq!(given.settings().delayed_retry, Some(retry));
    let of = |fields: &[_]| policy(fields).settings().delayed_retry;
    assert_eq!(of(&[("delayed-retry-type", text("all"))]), None, "there is nothing to wait");
    assert_eq!(of(&[("delayed-retry-type", text("disabled")), ("delayed-retry-min", number(5))]), None);
    let all = of(&[("delayed-retry-type", text("all")), ("delayed-retry-min", number(5))]).unwrap();
    assert_eq!(all, DelayedRetry { kind: DelayedRetryKind::All, min_ms: 5, max_ms: None });
    let returned = of(&[("delayed-retry-type", text("returned")), ("delayed-retry-min", number(5))]).unwrap();
    assert_eq!(returned.kind, DelayedRetryKind::Returned);
}

#[test]
fn the_consumer_timeout_is_off_until_an_argument_or_a_policy_turns_it_on() {
    let timeout = |values| three(("x-consumer-timeout", "consumer-timeout"), values).consumer_timeout_ms;
    assert_eq!(timeout([None, None, None]), None);
    assert_eq!(timeout([None, Some(5), None]), Some(5));
    assert_eq!(timeout([Some(7), Some(5), None]), Some(7), "the argument wins");
    assert_eq!(timeout([Some(0), Some(5), None]), None, "zero turns it off");
    let fields = [("x-consumer-disconnected-timeout", number(9))];
    assert_eq!(arguments(&fields).settings().consumer_disconnected_timeout_ms, Some(9));
}

#[test]
fn priorities_and_a_single_active_consumer_are_for_arguments_of_every_type_of_queue() {
    let fields = [("x-max-priority", FieldValue::U8(10)), ("x-single-active-consumer", FieldValue::Bool(true))];
    for settings in [arguments(&fields).settings(), arguments(&fields).quorum()] {
        assert_eq!((settings.max_priority, settings.single_active_consumer), (Some(10), true));
    }
}

#[test]
fn leaders_and_replicas_are_placed_as_policies_say() {
    let fields = [("x-queue-leader-locator", text("client-local")), ("x-quorum-target-group-size", number(3))];
    let own = arguments(&fields).settings();
    assert_eq!((own.leader_locator, own.target_group_size), (LeaderLocator::ClientLocal, Some(3)));
    let by_policy = [("queue-leader-locator", text("balanced")), ("target-group-size", number(5))];
    let both = Given { policy: by_policy.to_vec(), ..arguments(&fields) }.settings();
    assert_eq!((both.leader_locator, both.target_group_size), (LeaderLocator::Balanced, Some(5)));
    let old = arguments(&[("x-queue-leader-locator", text("least-leaders"))]).settings();
    assert_eq!(old.leader_locator, LeaderLocator::Balanced);
}

#[test]
fn times_that_no_timer_can_hold_are_as_long_as_one_can() {
    let ten_years = 315_360_000_000;
    let settings = policy(&[("message-ttl", number(i64::MAX)), ("expires", number(i64::MAX))]).settings();
    assert_eq!((settings.message_ttl_ms, settings.expires_ms), (Some(ten_years), Some(ten_years)));
}

#[test]
fn dead_arguments_have_no_effect_whatever_the_type() {
    let dead = [
        ("x-queue-mode", text("lazy")),
        ("x-queue-version", number(1)),
        ("x-max-in-memory-length", number(5)),
        ("x-queue-master-locator", text("min-masters")),
        ("x-ha-policy", text("all")),
    ];
    assert_eq!(arguments(&dead).settings(), Given::default().settings());
    assert_eq!(arguments(&dead).quorum(), Given::default().quorum());
}
