//! `/api/overview`, `/api/whoami`, `/api/nodes`, `/api/cluster-name`, `/api/quorate/replicas`, `/api/health/checks`

use std::net::SocketAddr;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use metadata::{Command, Machine, PutGlobalParameter};
use serde::Deserialize;
use serde_json::{Value, json};
use types::ShortStr;

use super::{
    caller::Caller,
    outcome::{Outcome, found, no_content},
    parameters::parsed,
};
use crate::{NodeView, ProcessView, routes::App};

#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    name: String,
}

pub(crate) async fn overview(State(app): State<App>, _caller: Caller) -> Outcome {
    let product = app.view.product();
    let cluster = app.view.cluster();
    let alarms = app.view.alarms();
    let listeners = listeners(&cluster.node, &app.view.process());
    let machine = app.broker.read_metadata();
    let counts = machine.counts();
    found(&json!({
        "product_name": product.name, "product_version": product.version, "rabbitmq_version": product.version,
        "cluster_name": name_of(&machine, &product.cluster), "node": cluster.node,
        "object_totals": {
            "queues": counts.queues, "exchanges": counts.exchanges, "connections": app.broker.connection_count(),
        },
        "alarms": alarms, "listeners": listeners,
    }))
}

pub(crate) async fn whoami(caller: Caller) -> Outcome {
    let name = caller.user.as_ref().map_or_else(|| "local administrator".to_owned(), ToString::to_string);
    found(&json!({"name": name, "tags": caller.tags(), "is_internal_user": true}))
}

pub(crate) async fn nodes(State(app): State<App>, caller: Caller) -> Outcome {
    caller.monitors()?;
    let cluster = app.view.cluster();
    let process = app.view.process();
    let view = |node: &NodeView| {
        let mut view = json!({
            "name": node.name, "running": node.live, "type": "disc", "address": node.address, "id": node.id,
        });
        if node.name == cluster.node {
            view["os_pid"] = json!(process.pid.to_string());
            view["uptime"] = json!(process.uptime_ms);
            view["data_dir"] = json!(process.data_dir);
            view["mem_used"] = json!(process.memory_used);
            view["mem_limit"] = json!(process.memory_limit);
            view["disk_free"] = json!(process.disk_free);
            view["disk_free_limit"] = json!(process.disk_free_limit);
        }
        view
    };
    found(&cluster.nodes.iter().map(view).collect::<Vec<_>>())
}

/// For comparing replicas when all is quiet. It walks the whole state, so it is for administrators.
pub(crate) async fn replicas(State(app): State<App>, caller: Caller) -> Outcome {
    caller.administrates()?;
    found(&app.view.replicas().await)
}

pub(crate) async fn cluster_name(State(app): State<App>, _caller: Caller) -> Outcome {
    found(&json!({"name": name_of(&app.broker.read_metadata(), &app.view.product().cluster)}))
}

pub(crate) async fn set_cluster_name(State(app): State<App>, caller: Caller, Json(body): Json<Named>) -> Outcome {
    caller.administrates()?;
    let name = ShortStr::from_static(Machine::CLUSTER_NAME);
    let put = PutGlobalParameter { name, value: Value::String(body.name).to_string() };
    app.broker.change(Command::PutGlobalParameter(put)).await?;
    no_content()
}

/// 200 while no alarm stands, else 503 with those that do.
pub(crate) async fn alarms(State(app): State<App>, _caller: Caller) -> Response {
    let alarms = app.view.alarms();
    if alarms.is_empty() {
        return Json(json!({"status": "ok"})).into_response();
    }
    let body = json!({"status": "failed", "reason": "There are alarms in effect", "alarms": alarms});
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

fn listeners(node: &str, process: &ProcessView) -> Vec<Value> {
    let view = |(protocol, address): &(&str, SocketAddr)| json!({"node": node, "protocol": protocol, "ip_address": address.ip().to_string(), "port": address.port()});
    process.listeners.iter().map(view).collect()
}

fn name_of(machine: &Machine, configured: &str) -> Value {
    let set = machine.global_parameter(Machine::CLUSTER_NAME.as_bytes());
    set.map_or_else(|| Value::String(configured.to_owned()), parsed)
}
