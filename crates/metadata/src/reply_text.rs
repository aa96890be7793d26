//! Refusals in the words of AMQP: reply codes and RabbitMQ's texts, as one table. Clients branch on both.

use types::{FieldTable, FieldValue, ShortStr};

use crate::{InvalidArg, Refusal, Resource, Shown};

mod detail;

const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const RESOURCE_LOCKED: u16 = 405;
const PRECONDITION_FAILED: u16 = 406;
const NOT_ALLOWED: u16 = 530;

impl Refusal {
    /// The AMQP reply code.
    pub fn reply_code(&self) -> u16 {
        match self {
            Refusal::NoSuchVhost(_) => NOT_ALLOWED,
            Refusal::NoSuchUser(_) | Refusal::NotFound(_) => NOT_FOUND,
            Refusal::ReservedName(_) | Refusal::DefaultExchange | Refusal::SystemExchange(_) => ACCESS_REFUSED,
            Refusal::Locked(_) => RESOURCE_LOCKED,
            Refusal::InUse(_)
            | Refusal::NotEmpty(_)
            | Refusal::UnknownExchangeType(_)
            | Refusal::Inequivalent(_)
            | Refusal::InvalidArg { .. }
            | Refusal::InvalidArgType { .. }
            | Refusal::InvalidProperty { .. }
            | Refusal::ServerNamed(_)
            | Refusal::BindingInvalid(_)
            | Refusal::ExchangeInvalid(_)
            | Refusal::LimitReached(_)
            | Refusal::VhostProtected(_)
            | Refusal::ValidationFailed(_)
            | Refusal::NotAParameter(_)
            | Refusal::ParameterTooLong(_)
            | Refusal::Cluster(_) => PRECONDITION_FAILED,
        }
    }

    /// The text, without the name of the code that AMQP puts before it (`PRECONDITION_FAILED - `).
    pub fn reply_text(&self) -> String {
        match self {
            Refusal::NoSuchVhost(vhost) => format!("vhost {vhost} not found"),
            Refusal::NoSuchUser(user) => format!("no user '{user}'"),
            Refusal::NotFound(resource) => format!("no {}", name(resource)),
            Refusal::InUse(resource) => format!("{} in use", name(resource)),
            Refusal::NotEmpty(resource) => format!("{} not empty", name(resource)),
            Refusal::ReservedName(Resource::Exchange { name, .. }) => reserved("exchange", name),
            Refusal::ReservedName(Resource::Queue { name, .. }) => reserved("queue", name),
            Refusal::DefaultExchange => "operation not permitted on the default exchange".to_owned(),
            Refusal::SystemExchange(resource) => format!("deletion of system {} not allowed", name(resource)),
            Refusal::Locked(resource) => format!(
                "cannot obtain exclusive access to locked {}. It could be originally declared on another connection or \
                 the exclusive property value does not match that of the original declaration.",
                name(resource)
            ),
            Refusal::UnknownExchangeType(kind) => format!("unknown exchange type '{kind}'"),
            Refusal::Inequivalent(difference) => format!(
                "inequivalent arg '{}' for {}: received {} but current is {}",
                difference.arg,
                name(&difference.resource),
                shown(&difference.received),
                shown(&difference.current)
            ),
            Refusal::InvalidArg { resource, arg, reason } => {
                format!("invalid arg '{arg}' for {}: {}", name(resource), invalid(reason))
            }
            Refusal::InvalidArgType { resource, arg, type_name } => {
                format!("invalid type '{type_name}' for arg '{arg}' in {}", name(resource))
            }
            Refusal::InvalidProperty { resource, property } => {
                format!("invalid property '{property}' for {}", name(resource))
            }
            Refusal::ServerNamed(queue_type) => {
                format!("Cannot declare a server-named queue for type rabbit_{}_queue", queue_type.as_str())
            }
            Refusal::BindingInvalid(reason) => detail::binding(reason),
            Refusal::ExchangeInvalid(reason) => detail::exchange(reason),
            Refusal::LimitReached(limit) => detail::limit(limit),
            Refusal::VhostProtected(vhost) => {
                format!("Refusing to delete virtual host '{vhost}' because it is protected from deletion")
            }
            Refusal::ValidationFailed(reasons) => detail::validation(reasons),
            Refusal::NotAParameter(component) => detail::not_a_parameter(component),
            Refusal::Cluster(refusal) => refusal.to_string(),
            Refusal::ParameterTooLong(limit) => {
                detail::validation(&[format!("the value of a parameter may have at most {limit} bytes")])
            }
        }
    }
}

fn name(resource: &Resource) -> String {
    match resource {
        Resource::Exchange { vhost, name } => format!("exchange '{name}' in vhost '{vhost}'"),
        Resource::Queue { vhost, name } => format!("queue '{name}' in vhost '{vhost}'"),
    }
}

fn reserved(kind: &str, name: &ShortStr) -> String {
    format!("{kind} name '{name}' contains reserved prefix 'amq.*'")
}

fn shown(value: &Shown) -> String {
    match value {
        Shown::None => "none".to_owned(),
        Shown::Value(value) => format!("'{value}'"),
        Shown::Typed { value, type_name } => format!("the value '{value}' of type '{type_name}'"),
    }
}

/// RabbitMQ prints Erlang terms here.
fn invalid(reason: &InvalidArg) -> String {
    match reason {
        InvalidArg::NotInteger(type_name) => format!("\"expected integer, got {type_name}\""),
        InvalidArg::UnacceptableType(type_name) => format!("{{unacceptable_type,{type_name}}}"),
        InvalidArg::Negative(value) => format!("{{value_negative,{value}}}"),
        InvalidArg::Zero(value) => format!("{{value_zero,{value}}}"),
        InvalidArg::TooBig(value) => format!("{{value_too_large,{value}}}"),
        InvalidArg::MaxExceeded(value) => format!("{{max_value_exceeded,{value}}}"),
        InvalidArg::Word(word) => (*word).to_owned(),
        InvalidArg::UnsupportedQueueType(queue_type) => format!("\"unsupported queue type '{queue_type}'\""),
    }
}

/// A field's value as RabbitMQ prints it: texts as they are, all else as an Erlang term.
pub(crate) fn show(value: &FieldValue) -> String {
    match value {
        FieldValue::LongStr(bytes) | FieldValue::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        value => term(value),
    }
}

pub(crate) fn term(value: &FieldValue) -> String {
    match value {
        FieldValue::Bool(v) => v.to_string(),
        FieldValue::F32(v) => format!("{v:?}"),
        FieldValue::F64(v) => format!("{v:?}"),
        FieldValue::Decimal(scale, v) => format!("{{{scale},{v}}}"),
        FieldValue::LongStr(bytes) | FieldValue::Bytes(bytes) => format!("<<\"{}\">>", String::from_utf8_lossy(bytes)),
        FieldValue::Array(values) => {
            let items: Vec<_> = values.iter().map(|v| format!("{{{},{}}}", v.type_name(), term(v))).collect();
            format!("[{}]", items.join(","))
        }
        FieldValue::Timestamp(v) => v.to_string(),
        FieldValue::Table(table) => table_term(table),
        FieldValue::Void => "undefined".to_owned(),
        FieldValue::I8(_)
        | FieldValue::U8(_)
        | FieldValue::I16(_)
        | FieldValue::U16(_)
        | FieldValue::I32(_)
        | FieldValue::U32(_)
        | FieldValue::I64(_) => value.as_i64().map(|v| v.to_string()).unwrap_or_default(),
    }
}

fn table_term(table: &FieldTable) -> String {
    let items: Vec<_> =
        table.0.iter().map(|(name, v)| format!("{{<<\"{name}\">>,{},{}}}", v.type_name(), term(v))).collect();
    format!("[{}]", items.join(","))
}

#[cfg(test)]
mod tests;
