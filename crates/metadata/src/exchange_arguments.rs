//! Which arguments an exchange may be declared with, and which bindings may start from it: the rules of its type.

use types::{FieldTable, FieldValue, ShortStr};

use crate::{
    BindingInvalid, ExchangeInvalid, ExchangeKind, Refusal, Resource, Target,
    exchange::{ALTERNATE, DELAYED_TYPE},
    history,
    reply_text::{show, term},
};

/// The properties of a message that a consistent hash exchange can hash.
const HASHED: [&str; 3] = ["correlation_id", "message_id", "timestamp"];
/// The greatest weight of a binding. Weights are ratios; beyond this they would only cost memory.
const WEIGHT_MAX: i64 = 65_535;

/// Checks what `alternate-exchange` is.
pub(crate) fn check_alternate(resource: &Resource, arguments: &FieldTable) -> Result<(), Refusal> {
    name_or_nothing(resource, ALTERNATE, arguments).map(drop)
}

/// Checks what the type asks of its arguments.
pub(crate) fn check(resource: &Resource, kind: ExchangeKind, arguments: &FieldTable) -> Result<(), Refusal> {
    match kind {
        ExchangeKind::DelayedMessage => {
            let inner = delayed_type(arguments)?;
            check_plain(resource, inner, arguments)
        }
        ExchangeKind::Direct
        | ExchangeKind::Fanout
        | ExchangeKind::Topic
        | ExchangeKind::Headers
        | ExchangeKind::ConsistentHash
        | ExchangeKind::Random
        | ExchangeKind::LocalRandom
        | ExchangeKind::ModulusHash
        | ExchangeKind::RecentHistory => check_plain(resource, kind, arguments),
    }
}

fn check_plain(resource: &Resource, kind: ExchangeKind, arguments: &FieldTable) -> Result<(), Refusal> {
    match kind {
        ExchangeKind::ConsistentHash => hash(resource, arguments),
        ExchangeKind::RecentHistory => history(arguments),
        ExchangeKind::Direct
        | ExchangeKind::Fanout
        | ExchangeKind::Topic
        | ExchangeKind::Headers
        | ExchangeKind::Random
        | ExchangeKind::LocalRandom
        | ExchangeKind::ModulusHash
        | ExchangeKind::DelayedMessage => Ok(()),
    }
}

fn delayed_type(arguments: &FieldTable) -> Result<ExchangeKind, Refusal> {
    let wrong = Refusal::ExchangeInvalid(ExchangeInvalid::DelayedType);
    let Some(FieldValue::LongStr(name)) = arguments.get(DELAYED_TYPE) else { return Err(wrong) };
    match ExchangeKind::parse(name) {
        Some(ExchangeKind::DelayedMessage) => Err(wrong),
        Some(kind) => Ok(kind),
        None => Err(Refusal::UnknownExchangeType(ShortStr::truncated(&String::from_utf8_lossy(name)))),
    }
}

fn hash(resource: &Resource, arguments: &FieldTable) -> Result<(), Refusal> {
    let header = name_or_nothing(resource, "hash-header", arguments)?;
    let property = name_or_nothing(resource, "hash-property", arguments)?;
    match (header, property) {
        (Some(_), Some(_)) => Err(Refusal::ExchangeInvalid(ExchangeInvalid::HashBoth)),
        (None, Some(property)) if !HASHED.iter().any(|known| known.as_bytes() == property) => {
            let property = String::from_utf8_lossy(property).into_owned();
            Err(Refusal::ExchangeInvalid(ExchangeInvalid::HashProperty(property)))
        }
        (None, Some(_)) | (Some(_), None) | (None, None) => Ok(()),
    }
}

fn history(arguments: &FieldTable) -> Result<(), Refusal> {
    match arguments.get(history::LENGTH) {
        None => Ok(()),
        Some(length) if length.as_i64().is_some_and(|length| length > 0) => Ok(()),
        Some(length) => Err(Refusal::ExchangeInvalid(ExchangeInvalid::HistoryLength(term(length)))),
    }
}

fn name_or_nothing<'a>(
    resource: &Resource,
    arg: &'static str,
    arguments: &'a FieldTable,
) -> Result<Option<&'a [u8]>, Refusal> {
    match arguments.get(arg) {
        None => Ok(None),
        Some(FieldValue::LongStr(name)) => Ok(Some(name)),
        Some(other) => Err(Refusal::InvalidArgType { resource: resource.clone(), arg, type_name: other.type_name() }),
    }
}

/// Checks a binding that starts from an exchange that routes as `kind`.
pub(crate) fn check_binding(
    kind: ExchangeKind,
    destination: &Target,
    routing_key: &ShortStr,
    arguments: &FieldTable,
) -> Result<(), Refusal> {
    let checked = match kind {
        ExchangeKind::Headers => check_match(arguments),
        ExchangeKind::ConsistentHash => check_weight(routing_key),
        ExchangeKind::LocalRandom => check_local(destination, routing_key),
        ExchangeKind::Direct
        | ExchangeKind::Fanout
        | ExchangeKind::Topic
        | ExchangeKind::Random
        | ExchangeKind::ModulusHash
        | ExchangeKind::RecentHistory
        | ExchangeKind::DelayedMessage => Ok(()),
    };
    checked.map_err(Refusal::BindingInvalid)
}

fn check_match(arguments: &FieldTable) -> Result<(), BindingInvalid> {
    match arguments.get("x-match") {
        None => Ok(()),
        Some(FieldValue::LongStr(text)) => match &text[..] {
            b"all" | b"any" | b"all-with-x" | b"any-with-x" => Ok(()),
            other => Err(BindingInvalid::Match(String::from_utf8_lossy(other).into_owned())),
        },
        Some(other) => Err(BindingInvalid::MatchType { type_name: other.type_name(), value: show(other) }),
    }
}

fn check_weight(key: &ShortStr) -> Result<(), BindingInvalid> {
    let weight = std::str::from_utf8(key.as_bytes()).ok().and_then(|text| text.parse::<i64>().ok());
    match weight {
        None => Err(BindingInvalid::WeightNotInteger(key.compact())),
        Some(..1) => Err(BindingInvalid::WeightTooSmall),
        Some(1..=WEIGHT_MAX) => Ok(()),
        Some(_) => Err(BindingInvalid::WeightTooGreat(WEIGHT_MAX)),
    }
}

fn check_local(destination: &Target, key: &ShortStr) -> Result<(), BindingInvalid> {
    if !key.is_empty() {
        return Err(BindingInvalid::KeyNotEmpty(key.compact()));
    }
    match destination {
        Target::Queue(_) => Ok(()),
        Target::Exchange(_) => Err(BindingInvalid::NotToQueue),
    }
}
