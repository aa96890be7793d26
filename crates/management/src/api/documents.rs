//! `/api/definitions`

use axum::{
    Json,
    extract::{ConnectInfo, Path, State},
};
use broker::{AdminError, Broker, NewQueue};
use serde_json::Value;
use types::ShortStr;

use super::{
    caller::Caller,
    outcome::{Failure, Outcome, found, no_content, short},
};
use crate::{
    definitions::{self, Planned, QueueDefinition, Step},
    listener::Peer,
    routes::App,
};

/// Most things that an error names.
const FAILURES_SHOWN_MAX: usize = 20;

pub(crate) async fn export_all(State(app): State<App>, caller: Caller) -> Outcome {
    caller.administrates()?;
    found(&export(&app, None))
}

pub(crate) async fn export_vhost(State(app): State<App>, caller: Caller, Path(vhost): Path<String>) -> Outcome {
    caller.administrates()?;
    caller.enters(&app, &vhost)?;
    found(&export(&app, Some(&vhost)))
}

fn export(app: &App, only: Option<&str>) -> Value {
    let product = app.view.product();
    let default = app.broker.config().default_queue_type;
    definitions::export(&app.broker.read_metadata(), only, (&product.name, &product.version), default)
}

pub(crate) async fn import_all(
    State(app): State<App>,
    caller: Caller,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(document): Json<Value>,
) -> Outcome {
    caller.administrates()?;
    peer.extend();
    answer(import(&app.broker, &document, None).await)
}

pub(crate) async fn import_vhost(
    State(app): State<App>,
    caller: Caller,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(vhost): Path<String>,
    Json(document): Json<Value>,
) -> Outcome {
    caller.administrates()?;
    peer.extend();
    caller.enters(&app, &vhost)?;
    let vhost = short("the vhost's name", &vhost)?;
    answer(import(&app.broker, &document, Some(&vhost)).await)
}

/// Why definitions were not imported as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The document cannot be understood (then nothing was done), or some of its items were refused (the others are done).
    #[error("{0}")]
    Refused(String),
    /// No majority answered at that item; those before it are done.
    #[error("{0}")]
    Unavailable(String),
}

/// Checks a document of a whole cluster without importing it.
///
/// # Errors
/// What cannot be understood, with the item.
pub fn check_definitions(document: &Value) -> Result<(), String> {
    definitions::plan(document, None).map(drop).map_err(|error| error.to_string())
}

/// Imports definitions, and tells how many items there were. What is there already and equal stays as it is.
///
/// # Errors
/// When not all of it could be done; the text names the items.
pub async fn import(broker: &Broker, document: &Value, vhost: Option<&ShortStr>) -> Result<usize, ImportError> {
    let steps = definitions::plan(document, vhost).map_err(|error| ImportError::Refused(error.to_string()))?;
    let count = steps.len();
    let mut failures = Vec::new();
    for Planned { what, step } in steps {
        let done = match step {
            Step::Change(command) => broker.change(*command).await.map(drop),
            Step::Queue(queue) => {
                let QueueDefinition { vhost, name, durable, auto_delete, arguments } = queue;
                broker.declare_queue(NewQueue { vhost, name, durable, auto_delete, arguments }).await.map(drop)
            }
        };
        match done {
            Ok(()) => {}
            Err(AdminError::Unavailable) => {
                return Err(ImportError::Unavailable(format!("{what}: {}", AdminError::Unavailable)));
            }
            Err(refused) => failures.push(format!("{what}: {refused}")),
        }
    }
    if failures.is_empty() {
        return Ok(count);
    }
    let more = failures.len().saturating_sub(FAILURES_SHOWN_MAX);
    failures.truncate(FAILURES_SHOWN_MAX);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(ImportError::Refused(format!("{}{rest}", failures.join("; "))))
}

fn answer(imported: Result<usize, ImportError>) -> Outcome {
    imported.map_err(|error| Failure::bad_request(error.to_string()))?;
    no_content()
}
