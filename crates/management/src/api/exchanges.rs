//! `/api/exchanges` and `/api/bindings`

use axum::{
    Json,
    extract::{Path, Query, State},
};
use metadata::{Command, DeclareExchange, DeleteExchange, Exchange, Machine};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    caller::Caller,
    outcome::{Failure, Outcome, found, found_or_not, gone, put as answer_put, short},
};
use crate::{definitions, fields, routes::App};

#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default = "yes")]
    durable: bool,
    #[serde(default)]
    auto_delete: bool,
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    arguments: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Unless {
    #[serde(default, rename = "if-unused")]
    if_unused: bool,
}

type Named = Path<(String, String)>;

pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Outcome {
    let machine = app.broker.read_metadata();
    let vhosts = machine.vhosts().filter(|vhost| caller.sees(&machine, vhost.name.as_bytes()));
    let views = vhosts.flat_map(|vhost| in_order(&machine, &vhost.name.to_string()));
    found(&views.collect::<Vec<_>>())
}

pub(crate) async fn of_vhost(State(app): State<App>, caller: Caller, Path(vhost): Path<String>) -> Outcome {
    caller.enters(&app, &vhost)?;
    found(&in_order(&app.broker.read_metadata(), &vhost))
}

pub(crate) async fn one(State(app): State<App>, caller: Caller, Path((vhost, name)): Named) -> Outcome {
    caller.enters(&app, &vhost)?;
    let machine = app.broker.read_metadata();
    found_or_not(machine.exchange(vhost.as_bytes(), name.as_bytes()).map(|exchange| view(&machine, exchange)))
}

pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path((vhost, name)): Named,
    Json(body): Json<Body>,
) -> Outcome {
    caller.enters(&app, &vhost)?;
    caller.administrates()?;
    let declare = DeclareExchange {
        vhost: short("the vhost's name", &vhost)?,
        name: short("the exchange's name", &name)?,
        kind: short("the type", &body.kind)?,
        durable: body.durable,
        auto_delete: body.auto_delete,
        internal: body.internal,
        arguments: fields::from_json(&body.arguments).map_err(|why| Failure::bad_request(why.to_string()))?,
        history: None,
    };
    answer_put(&app.broker.change(Command::DeclareExchange(declare)).await?)
}

pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((vhost, name)): Named,
    Query(unless): Query<Unless>,
) -> Outcome {
    caller.enters(&app, &vhost)?;
    caller.administrates()?;
    let delete = DeleteExchange {
        vhost: short("the vhost's name", &vhost)?,
        name: short("the exchange's name", &name)?,
        if_unused: unless.if_unused,
    };
    gone(&app.broker.change(Command::DeleteExchange(delete)).await?)
}

pub(crate) async fn bindings(State(app): State<App>, caller: Caller) -> Outcome {
    let machine = app.broker.read_metadata();
    let vhosts = machine.vhosts().filter(|vhost| caller.sees(&machine, vhost.name.as_bytes()));
    found(&vhosts.flat_map(|vhost| all_bindings(&machine, &vhost.name.to_string())).collect::<Vec<_>>())
}

pub(crate) async fn bindings_of_vhost(State(app): State<App>, caller: Caller, Path(vhost): Path<String>) -> Outcome {
    caller.enters(&app, &vhost)?;
    found(&all_bindings(&app.broker.read_metadata(), &vhost))
}

/// All exchanges of a vhost, the default one first.
fn in_order(machine: &Machine, vhost: &str) -> Vec<Value> {
    let default = json!({
        "name": "", "vhost": vhost, "type": "direct", "durable": true, "auto_delete": false, "internal": false,
        "arguments": {},
    });
    std::iter::once(default)
        .chain(machine.exchanges(vhost.as_bytes()).map(|exchange| view(machine, exchange)))
        .collect()
}

fn view(machine: &Machine, exchange: &Exchange) -> Value {
    let mut view = definitions::exchange(exchange);
    if let Some(policy) = machine.applied_to_exchange(exchange).and_then(|applied| applied.policy_name()) {
        view["policy"] = json!(policy.to_string());
    }
    view
}

/// All bindings of a vhost, with those of the default exchange, which are nowhere kept.
fn all_bindings(machine: &Machine, vhost: &str) -> Vec<Value> {
    let default = machine.queues_in_vhost(vhost.as_bytes()).map(|queue| {
        let name = queue.name.to_string();
        json!({
            "source": "", "vhost": vhost, "destination": name, "destination_type": "queue", "routing_key": name,
            "arguments": {}, "properties_key": name,
        })
    });
    let Some(place) = machine.vhost(vhost.as_bytes()) else { return Vec::new() };
    let kept = machine.bindings(vhost.as_bytes()).filter_map(|one| {
        let mut view = definitions::binding(machine, &place.name, one)?;
        view["properties_key"] = view["routing_key"].clone();
        Some(view)
    });
    default.chain(kept).collect()
}

fn yes() -> bool {
    true
}
