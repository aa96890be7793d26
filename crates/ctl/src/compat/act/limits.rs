//! Limits of vhosts and users, which RabbitMQ's tools take as one JSON object.

use serde_json::{Value, json};

use super::{Context, Failure, Output, Result, json as parsed};
use crate::{
    client::part,
    compat::table::{Key, Shape},
};

pub(crate) fn set_vhost(context: &Context<'_>) -> Result<Output> {
    set(context, "vhost-limits", context.call.vhost(), context.call.argument(0))
}

pub(crate) fn set_user(context: &Context<'_>) -> Result<Output> {
    set(context, "user-limits", context.call.argument(0), context.call.argument(1))
}

pub(crate) fn clear_vhost(context: &Context<'_>) -> Result<Output> {
    clear(context, "vhost-limits", context.call.vhost(), "all")
}

pub(crate) fn clear_user(context: &Context<'_>) -> Result<Output> {
    let user = context.call.argument(0);
    context.client.get(&format!("users/{}", part(user)))?;
    clear(context, "user-limits", user, context.call.argument(1))
}

pub(crate) fn list_vhost(context: &Context<'_>) -> Result<Output> {
    let vhost = (!context.call.flag("global")).then(|| context.call.vhost());
    list(context, "vhost-limits", "vhost", vhost)
}

pub(crate) fn list_user(context: &Context<'_>) -> Result<Output> {
    list(context, "user-limits", "user", context.call.option("user"))
}

fn set(context: &Context<'_>, kind: &str, name: &str, definition: &str) -> Result<Output> {
    let limits = parsed(definition)?;
    let limits = limits.as_object().ok_or_else(|| Failure::unavailable("limits have to be a JSON object"))?;
    for (limit, value) in limits {
        context.client.put(&format!("{kind}/{}/{}", part(name), part(limit)), &json!({"value": value}))?;
    }
    Ok(Output::Nothing)
}

fn clear(context: &Context<'_>, kind: &str, name: &str, limit: &str) -> Result<Output> {
    let limits: Vec<String> = if limit == "all" {
        let there = context.items(&format!("{kind}/{}", part(name)))?;
        there.iter().filter_map(|one| one["value"].as_object()).flat_map(|set| set.keys().cloned()).collect()
    } else {
        vec![limit.to_owned()]
    };
    for limit in limits {
        context.client.delete(&format!("{kind}/{}/{}", part(name), part(&limit)), None)?;
    }
    Ok(Output::Nothing)
}

/// Of all, as a list; of one, as its bare JSON object.
fn list(context: &Context<'_>, kind: &str, what: &'static str, one: Option<&str>) -> Result<Output> {
    let Some(name) = one else {
        let keys = vec![
            Key { name: what, path: what, shape: Shape::Plain },
            Key { name: "limits", path: "value", shape: Shape::Encoded },
        ];
        return Ok(Output::Rows(keys, context.items(kind)?));
    };
    let there = context.items(&format!("{kind}/{}", part(name)))?;
    let limits = there.first().map_or_else(|| json!({}), |one| one["value"].clone());
    Ok(match &limits {
        Value::Object(set) if set.is_empty() => Output::Nothing,
        limits => Output::Document(limits.to_string(), limits.clone()),
    })
}
