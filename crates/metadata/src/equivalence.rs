//! Whether a declare is equivalent to what is there (AMQP 0-9-1 `queue.declare`, `exchange.declare`), as RabbitMQ judges it.

use types::{FieldTable, FieldValue};

use crate::{
    Exchange, ExchangeKind, Queue, QueueType, Refusal, Resource, Shown,
    command::{DeclareExchange, DeclareQueue},
    exchange::ALTERNATE,
    refusal::Inequivalence,
    reply_text::show,
};

const QUEUE_TYPE: &str = "x-queue-type";

/// The queue arguments that a redeclare must repeat, besides the type. Those without effect here (`x-queue-mode`, ...) need not be.
const QUEUE_ARGUMENTS: [&str; 20] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-single-active-consumer",
    "x-delivery-limit",
    "x-quorum-initial-group-size",
    "x-quorum-target-group-size",
    "x-queue-leader-locator",
    "x-consumer-timeout",
    "x-consumer-disconnected-timeout",
    "x-delayed-retry-type",
    "x-delayed-retry-min",
    "x-delayed-retry-max",
    "x-initial-cluster-size",
];

/// Checks a redeclare of a queue. `durable` is the declare's as it would be stored, `default` the type that it gets when it
/// names none.
pub(crate) fn queue(current: &Queue, declare: &DeclareQueue, durable: bool, default: QueueType) -> Result<(), Refusal> {
    let resource = || Resource::queue(&current.vhost, &current.name);
    let owner = declare.exclusive.then_some(declare.connection);
    if current.owner != owner {
        return Err(Refusal::Locked(resource()));
    }
    property(resource, "durable", durable, current.durable)?;
    property(resource, "auto_delete", declare.auto_delete, current.auto_delete)?;
    for name in QUEUE_ARGUMENTS {
        argument(resource, name, &declare.arguments, &current.arguments)?;
    }
    if is_of_type(current, &declare.arguments, default) {
        return Ok(());
    }
    argument(resource, QUEUE_TYPE, &declare.arguments, &current.arguments)
}

/// No type means the default one, both then and now: a vhost whose default changes has not changed its queues.
fn is_of_type(current: &Queue, arguments: &FieldTable, default: QueueType) -> bool {
    let named = |value: &FieldValue| match value {
        FieldValue::LongStr(name) => QueueType::parse(name),
        _ => None,
    };
    match (arguments.get(QUEUE_TYPE), current.arguments.get(QUEUE_TYPE)) {
        (None, None) => true,
        (None, Some(_)) => current.declared_type == default,
        (Some(received), _) => named(received) == Some(current.declared_type),
    }
}

/// Checks a redeclare of an exchange.
pub(crate) fn exchange(current: &Exchange, declare: &DeclareExchange, kind: ExchangeKind) -> Result<(), Refusal> {
    let resource = || Resource::exchange(&current.vhost, &current.name);
    if kind != current.kind {
        return differs(resource(), "type", value(kind.as_str()), value(current.kind.as_str()));
    }
    property(resource, "durable", declare.durable, current.durable)?;
    property(resource, "auto_delete", declare.auto_delete, current.auto_delete)?;
    property(resource, "internal", declare.internal, current.internal)?;
    argument(resource, ALTERNATE, &declare.arguments, &current.arguments)
}

fn property(resource: impl Fn() -> Resource, name: &'static str, received: bool, current: bool) -> Result<(), Refusal> {
    if received == current {
        return Ok(());
    }
    differs(resource(), name, value(received), value(current))
}

fn argument(
    resource: impl Fn() -> Resource,
    name: &'static str,
    received: &FieldTable,
    current: &FieldTable,
) -> Result<(), Refusal> {
    match (received.get(name), current.get(name)) {
        (None, None) => Ok(()),
        (Some(received), Some(current)) if equivalent(received, current) => Ok(()),
        (Some(received), Some(current)) => differs(resource(), name, value(show(received)), value(show(current))),
        (received, current) => differs(resource(), name, Shown::typed(received), Shown::typed(current)),
    }
}

fn differs(resource: Resource, arg: &'static str, received: Shown, current: Shown) -> Result<(), Refusal> {
    Err(Refusal::Inequivalent(Box::new(Inequivalence { resource, arg, received, current })))
}

fn value(value: impl ToString) -> Shown {
    Shown::Value(value.to_string())
}

/// Integers are compared as numbers, whichever of AMQP's types they came as; so are floats.
fn equivalent(a: &FieldValue, b: &FieldValue) -> bool {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return a == b;
    }
    match (float(a), float(b)) {
        (Some(a), Some(b)) => a.to_bits() == b.to_bits() || a == b,
        _ => a == b,
    }
}

fn float(value: &FieldValue) -> Option<f64> {
    match value {
        FieldValue::F32(v) => Some(f64::from(*v)),
        FieldValue::F64(v) => Some(*v),
        _ => None,
    }
}
