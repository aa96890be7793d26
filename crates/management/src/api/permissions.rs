//! `/api/permissions` and `/api/topic-permissions`

use axum::{
    Json,
    extract::{Path, State},
};
use metadata::{
    ClearPermissions, ClearTopicPermissions, Command, Machine, Permissions, SetPermissions, SetTopicPermissions,
    TopicPermissions, TopicPermissionsRef,
};
use serde::Deserialize;
use serde_json::{Value, json};
use types::ShortStr;

use super::{
    caller::Caller,
    outcome::{Failure, Outcome, found, found_or_not, gone, put as answer_put, short},
};
use crate::routes::App;

#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    configure: String,
    write: String,
    read: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TopicBody {
    exchange: String,
    write: String,
    read: String,
}

pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Outcome {
    caller.administrates()?;
    found(&permissions(&app.broker.read_metadata(), |_, _| true))
}

pub(crate) async fn of_vhost(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Outcome {
    caller.administrates()?;
    caller.enters(&app, &name)?;
    found(&permissions(&app.broker.read_metadata(), |_, vhost| *vhost == *name))
}

pub(crate) async fn of_user(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Outcome {
    caller.administrates()?;
    let machine = app.broker.read_metadata();
    machine.user(name.as_bytes()).ok_or_else(Failure::not_found)?;
    found(&permissions(&machine, |user, _| *user == *name))
}

pub(crate) async fn one(
    State(app): State<App>,
    caller: Caller,
    Path((vhost, user)): Path<(String, String)>,
) -> Outcome {
    caller.administrates()?;
    let machine = app.broker.read_metadata();
    found_or_not(permissions(&machine, |u, v| *u == *user && *v == *vhost).into_iter().next())
}

pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path((vhost, user)): Path<(String, String)>,
    Json(body): Json<Body>,
) -> Outcome {
    caller.administrates()?;
    for (what, text) in [("configure", &body.configure), ("write", &body.write), ("read", &body.read)] {
        auth::Pattern::new(text).map_err(|why| Failure::bad_request(format!("{what}: {why}")))?;
    }
    let permissions = Permissions { configure: body.configure, write: body.write, read: body.read };
    let (user, vhost) = (short("the user's name", &user)?, short("the vhost's name", &vhost)?);
    answer_put(&app.broker.change(Command::SetPermissions(SetPermissions { user, vhost, permissions })).await?)
}

pub(crate) async fn clear(
    State(app): State<App>,
    caller: Caller,
    Path((vhost, user)): Path<(String, String)>,
) -> Outcome {
    caller.administrates()?;
    let (user, vhost) = (short("the user's name", &user)?, short("the vhost's name", &vhost)?);
    gone(&app.broker.change(Command::ClearPermissions(ClearPermissions { user, vhost })).await?)
}

pub(crate) async fn topic_list(State(app): State<App>, caller: Caller) -> Outcome {
    caller.administrates()?;
    found(&topics(&app.broker.read_metadata(), |_| true))
}

pub(crate) async fn topic_of_vhost(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Outcome {
    caller.administrates()?;
    caller.enters(&app, &name)?;
    found(&topics(&app.broker.read_metadata(), |topic| *topic.vhost == *name))
}

pub(crate) async fn topic_of_user(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Outcome {
    caller.administrates()?;
    let machine = app.broker.read_metadata();
    machine.user(name.as_bytes()).ok_or_else(Failure::not_found)?;
    found(&topics(&machine, |topic| *topic.user == *name))
}

pub(crate) async fn topic_one(
    State(app): State<App>,
    caller: Caller,
    Path((vhost, user)): Path<(String, String)>,
) -> Outcome {
    caller.administrates()?;
    let found_here = topics(&app.broker.read_metadata(), |topic| *topic.user == *user && *topic.vhost == *vhost);
    found_or_not((!found_here.is_empty()).then_some(found_here))
}

pub(crate) async fn topic_put(
    State(app): State<App>,
    caller: Caller,
    Path((vhost, user)): Path<(String, String)>,
    Json(body): Json<TopicBody>,
) -> Outcome {
    caller.administrates()?;
    for (what, text) in [("write", &body.write), ("read", &body.read)] {
        auth::check_topic_pattern(text).map_err(|why| Failure::bad_request(format!("{what}: {why}")))?;
    }
    let set = SetTopicPermissions {
        user: short("the user's name", &user)?,
        vhost: short("the vhost's name", &vhost)?,
        exchange: short("the exchange's name", &body.exchange)?,
        permissions: TopicPermissions { write: body.write, read: body.read },
    };
    answer_put(&app.broker.change(Command::SetTopicPermissions(set)).await?)
}

pub(crate) async fn topic_clear(
    State(app): State<App>,
    caller: Caller,
    Path((vhost, user)): Path<(String, String)>,
) -> Outcome {
    caller.administrates()?;
    let clear = ClearTopicPermissions {
        user: short("the user's name", &user)?,
        vhost: short("the vhost's name", &vhost)?,
        exchange: None,
    };
    gone(&app.broker.change(Command::ClearTopicPermissions(clear)).await?)
}

fn permissions(machine: &Machine, wanted: impl Fn(&ShortStr, &ShortStr) -> bool) -> Vec<Value> {
    let all = machine.all_permissions().filter(|(user, vhost, _)| wanted(user, vhost));
    all.map(|(user, vhost, permissions)| {
        json!({
            "user": user.to_string(), "vhost": vhost.to_string(), "configure": permissions.configure,
            "write": permissions.write, "read": permissions.read,
        })
    })
    .collect()
}

fn topics(machine: &Machine, wanted: impl Fn(&TopicPermissionsRef<'_>) -> bool) -> Vec<Value> {
    let all = machine.all_topic_permissions().filter(wanted);
    all.map(|topic| {
        json!({
            "user": topic.user.to_string(), "vhost": topic.vhost.to_string(), "exchange": topic.exchange.to_string(),
            "write": topic.permissions.write, "read": topic.permissions.read,
        })
    })
    .collect()
}
