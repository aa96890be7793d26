//! The words of refusals that come in several kinds.

use types::ShortStr;

use super::name;
use crate::{BindingInvalid, ExchangeInvalid, LimitReached};

pub(super) fn binding(reason: &BindingInvalid) -> String {
    match reason {
        BindingInvalid::Match(value) => {
            format!("Invalid x-match field value <<\"{value}\">>; expected all, any, all-with-x, or any-with-x")
        }
        BindingInvalid::MatchType { type_name, value } => {
            format!("Invalid x-match field type {type_name} (value {value}); expected longstr")
        }
        BindingInvalid::WeightNotInteger(key) => format!("The binding key must be an integer: <<\"{key}\">>"),
        BindingInvalid::WeightTooSmall => "The binding key must be greater than 0".to_owned(),
        BindingInvalid::WeightTooGreat(greatest) => format!("The binding key must not be greater than {greatest}"),
        BindingInvalid::KeyNotEmpty(key) => format!("Non empty binding '{key}' key not permitted"),
        BindingInvalid::NotToQueue => "Destination not found".to_owned(),
    }
}

pub(super) fn exchange(reason: &ExchangeInvalid) -> String {
    match reason {
        ExchangeInvalid::DelayedType => {
            "Invalid argument, 'x-delayed-type' must be an existing exchange type".to_owned()
        }
        ExchangeInvalid::HashProperty(property) => format!("Unsupported property: {property}"),
        ExchangeInvalid::HashBoth => "hash-header and hash-property are mutually exclusive".to_owned(),
        ExchangeInvalid::HistoryLength(value) => {
            format!("Invalid argument {value}, 'x-recent-history-length' must be a positive integer")
        }
    }
}

pub(super) fn limit(reached: &LimitReached) -> String {
    match reached {
        LimitReached::QueuesInVhost { queue, vhost, limit } => {
            format!("cannot declare queue '{queue}': queue limit in vhost '{vhost}' ({limit}) is reached")
        }
        LimitReached::QueuesInCluster { queue, limit } => {
            format!("cannot declare queue '{queue}': queue limit in cluster ({limit}) is reached")
        }
        LimitReached::Exchanges { exchange, limit } => {
            format!("cannot declare {}: exchange limit of {limit} is reached", name(exchange))
        }
        LimitReached::Vhosts { vhost, limit } => {
            format!("cannot create vhost '{vhost}': vhost limit of {limit} is reached")
        }
    }
}

/// As RabbitMQ's HTTP API and command line show it.
pub(super) fn validation(reasons: &[String]) -> String {
    let lines: String = reasons.iter().map(|reason| format!("{reason}\n")).collect();
    format!("Validation failed\n\n{lines}")
}

pub(super) fn not_a_parameter(component: &ShortStr) -> String {
    if component == "vhost-limits" {
        return "vhost limits may not be set using this method".to_owned();
    }
    "policies may not be set using this method".to_owned()
}
