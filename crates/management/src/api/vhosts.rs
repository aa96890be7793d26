//! `/api/vhosts`

use axum::{
    Json,
    extract::{Path, State},
};
use broker::AdminError;
use metadata::{Command, Machine, PutVhost, QueueType, Vhost, VhostDefaults};
use serde::Deserialize;
use serde_json::{Value, json};
use types::ShortStr;

use super::{
    caller::Caller,
    outcome::{Failure, Outcome, found, found_or_not, gone, put as answer_put, short},
};
use crate::{definitions, routes::App};

/// AMQP's reply code.
const PRECONDITION_FAILED: u16 = 406;

/// What may be said of a vhost.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Body {
    description: Option<String>,
    tags: Option<Value>,
    default_queue_type: Option<String>,
    tracing: Option<bool>,
    protected_from_deletion: Option<bool>,
}

pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Outcome {
    let machine = app.broker.read_metadata();
    let vhosts = machine.vhosts().filter(|vhost| caller.sees(&machine, vhost.name.as_bytes()));
    found(&vhosts.map(|vhost| view(&app, &machine, vhost)).collect::<Vec<_>>())
}

pub(crate) async fn one(State(app): State<App>, caller: Caller, Path(vhost): Path<String>) -> Outcome {
    caller.enters(&app, &vhost)?;
    let machine = app.broker.read_metadata();
    found_or_not(machine.vhost(vhost.as_bytes()).map(|vhost| view(&app, &machine, vhost)))
}

pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path(vhost): Path<String>,
    body: Option<Json<Body>>,
) -> Outcome {
    caller.administrates()?;
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let kind = |text: &String| {
        QueueType::parse(text.as_bytes()).ok_or_else(|| Failure::bad_request(format!("no queue type '{text}'")))
    };
    let default_queue_type =
        body.default_queue_type.as_ref().filter(|text| *text != "undefined").map(kind).transpose()?;
    let put = PutVhost {
        vhost: short("the vhost's name", &vhost)?,
        description: body.description,
        tags: body.tags.as_ref().map(tags).transpose()?,
        default_queue_type,
        tracing: body.tracing,
        protected: body.protected_from_deletion,
        defaults: VhostDefaults::default(),
    };
    answer_put(&app.broker.change(Command::PutVhost(put)).await?)
}

pub(crate) async fn delete(State(app): State<App>, caller: Caller, Path(vhost): Path<String>) -> Outcome {
    caller.administrates()?;
    let vhost = short("the vhost's name", &vhost)?;
    let deleted = app.broker.change(Command::DeleteVhost { vhost }).await;
    // Nothing is wrong with the request; the vhost is protected.
    gone(&deleted.map_err(|error| match error {
        AdminError::Refused { code, text } if code == PRECONDITION_FAILED => Failure::precondition_failed(text),
        error => error.into(),
    })?)
}

/// Tags: a list, or one text with commas.
pub(crate) fn tags(value: &Value) -> Result<Vec<ShortStr>, Failure> {
    match value {
        Value::String(text) => {
            text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(|tag| short("a tag", tag)).collect()
        }
        Value::Array(items) => {
            let texts =
                items.iter().map(|item| item.as_str().ok_or_else(|| Failure::bad_request("tags have to be text")));
            texts.map(|text| short("a tag", text?)).collect()
        }
        _ => Err(Failure::bad_request("tags have to be a list")),
    }
}

fn view(app: &App, machine: &Machine, vhost: &Vhost) -> Value {
    let mut view = definitions::vhost(vhost, app.broker.config().default_queue_type);
    view["queues"] = json!(machine.queue_count(vhost.name.as_bytes()));
    view["cluster_state"] = json!({});
    view
}
