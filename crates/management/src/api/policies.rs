//! `/api/policies` and `/api/operator-policies`

use axum::{
    Json,
    extract::{Path, State},
};
use metadata::{Command, DeletePolicy, PutPolicy};
use serde::Deserialize;
use serde_json::Value;

use super::{
    caller::Caller,
    outcome::{Failure, Outcome, found, found_or_not, gone, put as answer_put, short},
};
use crate::{definitions, fields, routes::App};

#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    pattern: String,
    definition: Value,
    #[serde(default)]
    priority: i64,
    #[serde(default, rename = "apply-to")]
    apply_to: String,
}

type Named = Path<(String, String)>;

pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Outcome {
    all(&app, &caller, false)
}

pub(crate) async fn operator_list(State(app): State<App>, caller: Caller) -> Outcome {
    all(&app, &caller, true)
}

pub(crate) async fn of_vhost(State(app): State<App>, caller: Caller, Path(vhost): Path<String>) -> Outcome {
    in_vhost(&app, &caller, &vhost, false)
}

pub(crate) async fn operator_of_vhost(State(app): State<App>, caller: Caller, Path(vhost): Path<String>) -> Outcome {
    in_vhost(&app, &caller, &vhost, true)
}

pub(crate) async fn one(State(app): State<App>, caller: Caller, path: Named) -> Outcome {
    of_name(&app, &caller, &path, false)
}

pub(crate) async fn operator_one(State(app): State<App>, caller: Caller, path: Named) -> Outcome {
    of_name(&app, &caller, &path, true)
}

pub(crate) async fn put(State(app): State<App>, caller: Caller, path: Named, Json(body): Json<Body>) -> Outcome {
    caller.sets_policies()?;
    set(&app, &caller, path, body, false).await
}

pub(crate) async fn operator_put(
    State(app): State<App>,
    caller: Caller,
    path: Named,
    Json(body): Json<Body>,
) -> Outcome {
    caller.administrates()?;
    set(&app, &caller, path, body, true).await
}

pub(crate) async fn delete(State(app): State<App>, caller: Caller, path: Named) -> Outcome {
    caller.sets_policies()?;
    remove(&app, &caller, path, false).await
}

pub(crate) async fn operator_delete(State(app): State<App>, caller: Caller, path: Named) -> Outcome {
    caller.administrates()?;
    remove(&app, &caller, path, true).await
}

fn all(app: &App, caller: &Caller, operator: bool) -> Outcome {
    let machine = app.broker.read_metadata();
    let vhosts = machine.vhosts().filter(|vhost| caller.sees(&machine, vhost.name.as_bytes()));
    let policies = vhosts.flat_map(|vhost| machine.policies(vhost.name.as_bytes(), operator));
    found(&policies.map(definitions::policy).collect::<Vec<_>>())
}

fn in_vhost(app: &App, caller: &Caller, vhost: &str, operator: bool) -> Outcome {
    caller.enters(app, vhost)?;
    let machine = app.broker.read_metadata();
    found(&machine.policies(vhost.as_bytes(), operator).map(definitions::policy).collect::<Vec<_>>())
}

fn of_name(app: &App, caller: &Caller, Path((vhost, name)): &Named, operator: bool) -> Outcome {
    caller.enters(app, vhost)?;
    let machine = app.broker.read_metadata();
    found_or_not(machine.policy(vhost.as_bytes(), name.as_bytes(), operator).map(definitions::policy))
}

async fn set(app: &App, caller: &Caller, Path((vhost, name)): Named, body: Body, operator: bool) -> Outcome {
    caller.enters(app, &vhost)?;
    let definition = fields::from_json(&body.definition).map_err(|why| Failure::bad_request(why.to_string()))?;
    let put = PutPolicy {
        vhost: short("the vhost's name", &vhost)?,
        name: short("the policy's name", &name)?,
        pattern: body.pattern,
        priority: body.priority,
        apply_to: short("apply-to", &body.apply_to)?,
        definition,
        operator,
    };
    answer_put(&app.broker.change(Command::PutPolicy(put)).await?)
}

async fn remove(app: &App, caller: &Caller, Path((vhost, name)): Named, operator: bool) -> Outcome {
    caller.enters(app, &vhost)?;
    let (vhost, name) = (short("the vhost's name", &vhost)?, short("the policy's name", &name)?);
    gone(&app.broker.change(Command::DeletePolicy(DeletePolicy { vhost, name, operator })).await?)
}
