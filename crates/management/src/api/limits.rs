//! `/api/vhost-limits` and `/api/user-limits`

use axum::{
    Json,
    extract::{Path, State},
};
use metadata::{Command, SetUserLimit, SetVhostLimit, User, UserLimit, Vhost, VhostLimit};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    caller::Caller,
    outcome::{Failure, Outcome, found, put as answer_put, short},
};
use crate::routes::App;

#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    value: i64,
}

type Named = Path<(String, String)>;

pub(crate) async fn vhost_list(State(app): State<App>, caller: Caller) -> Outcome {
    caller.monitors()?;
    found(&app.broker.read_metadata().vhosts().filter_map(vhost_view).collect::<Vec<_>>())
}

pub(crate) async fn of_vhost(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Outcome {
    caller.enters(&app, &name)?;
    found(&app.broker.read_metadata().vhost(name.as_bytes()).and_then(vhost_view).into_iter().collect::<Vec<_>>())
}

pub(crate) async fn put_vhost(
    State(app): State<App>,
    caller: Caller,
    Path((vhost, limit)): Named,
    Json(body): Json<Body>,
) -> Outcome {
    set_vhost(&app, &caller, &vhost, &limit, Some(body.value)).await
}

pub(crate) async fn clear_vhost(State(app): State<App>, caller: Caller, Path((vhost, limit)): Named) -> Outcome {
    set_vhost(&app, &caller, &vhost, &limit, None).await
}

pub(crate) async fn user_list(State(app): State<App>, caller: Caller) -> Outcome {
    caller.monitors()?;
    found(&app.broker.read_metadata().users().filter_map(user_view).collect::<Vec<_>>())
}

pub(crate) async fn of_user(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Outcome {
    caller.monitors()?;
    found(&app.broker.read_metadata().user(name.as_bytes()).and_then(user_view).into_iter().collect::<Vec<_>>())
}

pub(crate) async fn put_user(
    State(app): State<App>,
    caller: Caller,
    Path((user, limit)): Named,
    Json(body): Json<Body>,
) -> Outcome {
    set_user(&app, &caller, &user, &limit, Some(body.value)).await
}

pub(crate) async fn clear_user(State(app): State<App>, caller: Caller, Path((user, limit)): Named) -> Outcome {
    set_user(&app, &caller, &user, &limit, None).await
}

async fn set_vhost(app: &App, caller: &Caller, vhost: &str, limit: &str, value: Option<i64>) -> Outcome {
    caller.administrates()?;
    let limit = VhostLimit::parse(limit.as_bytes()).ok_or_else(|| unknown(limit))?;
    let vhost = short("the vhost's name", vhost)?;
    answer_put(&app.broker.change(Command::SetVhostLimit(SetVhostLimit { vhost, limit, value })).await?)
}

async fn set_user(app: &App, caller: &Caller, user: &str, limit: &str, value: Option<i64>) -> Outcome {
    caller.administrates()?;
    let limit = UserLimit::parse(limit.as_bytes()).ok_or_else(|| unknown(limit))?;
    let user = short("the user's name", user)?;
    answer_put(&app.broker.change(Command::SetUserLimit(SetUserLimit { user, limit, value })).await?)
}

fn unknown(limit: &str) -> Failure {
    Failure::bad_request(format!("Unrecognised limit {limit}"))
}

fn vhost_view(vhost: &Vhost) -> Option<Value> {
    let set = VhostLimit::ALL
        .into_iter()
        .filter_map(|limit| Some((limit.as_str().to_owned(), vhost.limits.get(limit)?.into())));
    let set: Map<String, Value> = set.collect();
    (!set.is_empty()).then(|| json!({"vhost": vhost.name.to_string(), "value": set}))
}

fn user_view(user: &User) -> Option<Value> {
    let set = UserLimit::ALL
        .into_iter()
        .filter_map(|limit| Some((limit.as_str().to_owned(), user.limits.get(limit)?.into())));
    let set: Map<String, Value> = set.collect();
    (!set.is_empty()).then(|| json!({"user": user.name.to_string(), "value": set}))
}
