//! Which settings a policy may have: RabbitMQ's keys, checks and texts, and those of its plugins.
//!
//! Keys of what RabbitMQ once had (mirrored queues, lazy queues) and of what is not here (streams, federation) are accepted, so
//! that definitions can be imported, and have no effect.

use std::collections::BTreeSet;

use types::{FieldTable, FieldValue};

type Check = fn(&FieldValue) -> bool;

/// A key, which of a policy's and an operator policy's values is in force (where operator policies may have it), what its
/// values are, and what is said of others.
struct Key(&'static str, Option<Merge>, Check, &'static str);

/// Which of a policy's and an operator policy's values is in force.
#[derive(Clone, Copy, Debug)]
enum Merge {
    Least,
    Greatest,
    /// The least, but a negative one is none.
    DeliveryLimit,
    Operators,
}

const LEAST: Option<Merge> = Some(Merge::Least);
const GREATEST: Option<Merge> = Some(Merge::Greatest);
const DELIVERY_LIMIT: Option<Merge> = Some(Merge::DeliveryLimit);
const OPERATORS: Option<Merge> = Some(Merge::Operators);

const KEYS: [Key; 37] = [
    Key("alternate-exchange", None, is_text, "is not a valid alternate exchange name"),
    Key("dead-letter-exchange", None, is_text, "is not a valid dead letter exchange name"),
    Key("dead-letter-routing-key", None, is_text, "is not a valid dead letter routing key"),
    Key("dead-letter-strategy", None, is_strategy, "is not a valid dead letter strategy"),
    Key("message-ttl", LEAST, is_not_negative, "is not a valid message TTL"),
    Key("expires", LEAST, is_positive, "is not a valid queue expiry"),
    Key("max-length", LEAST, is_not_negative, "is not a valid maximum length"),
    Key("max-length-bytes", LEAST, is_not_negative, "is not a valid maximum length in bytes"),
    Key("max-in-memory-length", LEAST, is_not_negative, "is not a valid maximum memory in bytes"),
    Key("max-in-memory-bytes", LEAST, is_not_negative, "is not a valid maximum memory in bytes"),
    Key("overflow", OPERATORS, is_overflow, "is not a valid overflow value"),
    Key("delivery-limit", DELIVERY_LIMIT, is_integer, "is not a valid delivery limit"),
    Key("consumer-timeout", None, is_not_negative, "is not a valid consumer timeout"),
    Key("consumer-disconnected-timeout", None, is_not_negative, "is not a valid consumer disconnected timeout"),
    Key("delayed-retry-type", OPERATORS, is_retry_type, "is not a valid delayed retry type"),
    Key("delayed-retry-min", GREATEST, is_not_negative, "is not a valid delayed retry minimum"),
    Key("delayed-retry-max", LEAST, is_not_negative, "is not a valid delayed retry maximum"),
    Key("queue-leader-locator", None, is_locator, "is not a valid queue leader locator value"),
    Key("target-group-size", GREATEST, is_positive, "is not a valid target group size"),
    Key("initial-cluster-size", None, is_not_negative, "is not a valid cluster size"),
    Key("queue-mode", None, is_mode, "is not a valid queue-mode value"),
    Key("queue-version", GREATEST, is_version, "is not a valid queue-version value"),
    Key("queue-master-locator", None, is_text, "is not a valid queue master locator"),
    Key("max-age", None, is_text, "is not a valid max age"),
    Key("stream-max-segment-size-bytes", None, is_not_negative, "is not a valid segment size"),
    Key("stream-filter-size-bytes", None, is_not_negative, "is not a valid filter size"),
    Key("federation-upstream", None, is_text, "is not a valid federation upstream name"),
    Key("federation-upstream-set", None, is_text, "is not a valid federation upstream set name"),
    Key("federation-upstream-pattern", None, is_text, "is not a valid federation upstream pattern"),
    Key("shards-per-node", None, is_not_negative, "is not a valid number of shards per node"),
    Key("routing-key", None, is_text, "is not a valid routing key"),
    Key("ha-mode", None, is_anything, ""),
    Key("ha-params", None, is_anything, ""),
    Key("ha-sync-mode", None, is_anything, ""),
    Key("ha-sync-batch-size", None, is_anything, ""),
    Key("ha-promote-on-shutdown", None, is_anything, ""),
    Key("ha-promote-on-failure", None, is_anything, ""),
];

/// What is wrong with a definition, in RabbitMQ's words.
pub(crate) fn check(definition: &FieldTable, operator: bool) -> Result<(), String> {
    if definition.is_empty() {
        return Err("no policy provided".to_owned());
    }
    let mut seen = BTreeSet::new();
    let mut unknown = Vec::new();
    for (name, value) in &definition.0 {
        if !seen.insert(name) {
            return Err(format!("[<<\"{name}\">>] duplicate keys not allowed"));
        }
        let known = KEYS.iter().find(|key| name == key.0 && (key.1.is_some() || !operator));
        match known {
            None => unknown.push(format!("{{<<\"{name}\">>,{}}}", term(value))),
            Some(Key(_, _, is_valid, _)) if is_valid(value) => {}
            Some(Key(_, _, _, refusal)) => return Err(format!("{} {refusal}", term(value))),
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!("[{}] are not recognised policy settings", unknown.join(",")))
}

/// Which of the two values of a key is in force, when a policy and an operator policy have one.
pub(crate) fn merged<'a>(key: &str, policy: &'a FieldValue, operator: &'a FieldValue) -> &'a FieldValue {
    let merge = KEYS.iter().find(|known| known.0 == key).and_then(|known| known.1).unwrap_or(Merge::Operators);
    let (Some(a), Some(b)) = (policy.as_i64(), operator.as_i64()) else { return operator };
    let is_policys = match merge {
        Merge::Least => a <= b,
        Merge::Greatest => a >= b,
        Merge::DeliveryLimit => delivery_limit_of_two(a, b) == a,
        Merge::Operators => false,
    };
    if is_policys { policy } else { operator }
}

/// A negative limit is none, and then the other one counts.
pub(crate) fn delivery_limit_of_two(a: i64, b: i64) -> i64 {
    if a < 0 || b < 0 { a.max(b) } else { a.min(b) }
}

/// A JSON value as Erlang prints it.
fn term(value: &FieldValue) -> String {
    match value {
        FieldValue::Array(items) => format!("[{}]", items.iter().map(term).collect::<Vec<_>>().join(",")),
        FieldValue::Table(table) => {
            let fields: Vec<_> =
                table.0.iter().map(|(name, value)| format!("<<\"{name}\">> => {}", term(value))).collect();
            format!("#{{{}}}", fields.join(","))
        }
        FieldValue::Void => "null".to_owned(),
        plain => crate::reply_text::term(plain),
    }
}

fn is_anything(_: &FieldValue) -> bool {
    true
}

fn is_text(value: &FieldValue) -> bool {
    matches!(value, FieldValue::LongStr(_))
}

fn is_integer(value: &FieldValue) -> bool {
    value.as_i64().is_some()
}

fn is_not_negative(value: &FieldValue) -> bool {
    value.as_i64().is_some_and(|value| value >= 0)
}

fn is_positive(value: &FieldValue) -> bool {
    value.as_i64().is_some_and(|value| value >= 1)
}

fn is_version(value: &FieldValue) -> bool {
    matches!(value.as_i64(), Some(1 | 2))
}

fn is_one_of(value: &FieldValue, words: &[&str]) -> bool {
    value.as_str().is_some_and(|value| words.contains(&value))
}

fn is_overflow(value: &FieldValue) -> bool {
    is_one_of(value, &["drop-head", "reject-publish", "reject-publish-dlx"])
}

fn is_strategy(value: &FieldValue) -> bool {
    is_one_of(value, &["at-most-once", "at-least-once"])
}

fn is_retry_type(value: &FieldValue) -> bool {
    is_one_of(value, &["disabled", "all", "failed", "returned"])
}

fn is_locator(value: &FieldValue) -> bool {
    is_one_of(value, &["client-local", "balanced", "min-masters", "random", "least-leaders"])
}

fn is_mode(value: &FieldValue) -> bool {
    is_one_of(value, &["default", "lazy"])
}
