//! `/api/connections`, `/api/channels`, `/api/consumers`

use axum::{
    extract::{Path, State},
    http::HeaderMap,
};
use serde_json::Value;

use super::{
    caller::Caller,
    outcome::{Failure, Outcome, found, no_content},
};
use crate::{ClientsOf, routes::App};

/// What a client is told whose connection an operator ends.
const DEFAULT_REASON: &str = "Closed via management plugin";

pub(crate) async fn connections(State(app): State<App>, caller: Caller) -> Outcome {
    listing(&app, &caller, ClientsOf::Connections).await
}

pub(crate) async fn channels(State(app): State<App>, caller: Caller) -> Outcome {
    listing(&app, &caller, ClientsOf::Channels).await
}

pub(crate) async fn consumers(State(app): State<App>, caller: Caller) -> Outcome {
    listing(&app, &caller, ClientsOf::Consumers).await
}

pub(crate) async fn close(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Outcome {
    let all = app.view.clients(ClientsOf::Connections).await;
    let there = all.iter().find(|one| one["name"] == *name).ok_or_else(Failure::not_found)?;
    if !is_own(&caller, there) {
        caller.administrates()?;
    }
    let reason = headers.get("X-Reason").and_then(|value| value.to_str().ok()).unwrap_or(DEFAULT_REASON);
    if app.view.close_connection(&name, reason).await { no_content() } else { Err(Failure::not_found()) }
}

async fn listing(app: &App, caller: &Caller, what: ClientsOf) -> Outcome {
    let all = app.view.clients(what).await;
    let seen: Vec<Value> = all.into_iter().filter(|one| caller.sees_all() || is_own(caller, one)).collect();
    found(&seen)
}

/// Users see what is theirs.
fn is_own(caller: &Caller, view: &Value) -> bool {
    caller.user.as_ref().is_some_and(|user| view["user"] == user.to_string())
}
