//! `/api/parameters` and `/api/global-parameters`

use axum::{
    Json,
    extract::{Path, State},
};
use metadata::{Command, DeleteParameter, PutGlobalParameter, PutParameter};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    caller::Caller,
    outcome::{Outcome, found, found_or_not, gone, put as answer_put, short},
};
use crate::routes::App;

#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    value: Value,
}

/// Component, vhost and name, in the order of RabbitMQ's path.
type Named = Path<(String, String, String)>;

pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Outcome {
    caller.sets_policies()?;
    let machine = app.broker.read_metadata();
    let seen = machine.parameters().filter(|parameter| caller.sees(&machine, parameter.vhost.as_bytes()));
    let views = seen.map(|parameter| {
        json!({
            "vhost": parameter.vhost.to_string(), "component": parameter.component.to_string(),
            "name": parameter.name.to_string(), "value": parsed(parameter.value),
        })
    });
    found(&views.collect::<Vec<_>>())
}

pub(crate) async fn one(State(app): State<App>, caller: Caller, Path((component, vhost, name)): Named) -> Outcome {
    caller.sets_policies()?;
    caller.enters(&app, &vhost)?;
    let machine = app.broker.read_metadata();
    let value = machine.parameter(vhost.as_bytes(), component.as_bytes(), name.as_bytes());
    found_or_not(
        value.map(|value| json!({"vhost": vhost, "component": component, "name": name, "value": parsed(value)})),
    )
}

pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path((component, vhost, name)): Named,
    Json(body): Json<Body>,
) -> Outcome {
    caller.sets_policies()?;
    caller.enters(&app, &vhost)?;
    let put = PutParameter {
        vhost: short("the vhost's name", &vhost)?,
        component: short("the component", &component)?,
        name: short("the parameter's name", &name)?,
        value: body.value.to_string(),
    };
    answer_put(&app.broker.change(Command::PutParameter(put)).await?)
}

pub(crate) async fn delete(State(app): State<App>, caller: Caller, Path((component, vhost, name)): Named) -> Outcome {
    caller.sets_policies()?;
    caller.enters(&app, &vhost)?;
    let delete = DeleteParameter {
        vhost: short("the vhost's name", &vhost)?,
        component: short("the component", &component)?,
        name: short("the parameter's name", &name)?,
    };
    gone(&app.broker.change(Command::DeleteParameter(delete)).await?)
}

pub(crate) async fn global_list(State(app): State<App>, caller: Caller) -> Outcome {
    caller.administrates()?;
    let machine = app.broker.read_metadata();
    let all = machine.global_parameters();
    found(&all.map(|(name, value)| json!({"name": name.to_string(), "value": parsed(value)})).collect::<Vec<_>>())
}

pub(crate) async fn global_one(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Outcome {
    caller.administrates()?;
    let machine = app.broker.read_metadata();
    let value = machine.global_parameter(name.as_bytes());
    found_or_not(value.map(|value| json!({"name": name, "value": parsed(value)})))
}

pub(crate) async fn global_put(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Body>,
) -> Outcome {
    caller.administrates()?;
    let put = PutGlobalParameter { name: short("the parameter's name", &name)?, value: body.value.to_string() };
    answer_put(&app.broker.change(Command::PutGlobalParameter(put)).await?)
}

pub(crate) async fn global_delete(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Outcome {
    caller.administrates()?;
    let name = short("the parameter's name", &name)?;
    gone(&app.broker.change(Command::DeleteGlobalParameter { name }).await?)
}

/// What was checked to be JSON when it was set.
pub(super) fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned()))
}
