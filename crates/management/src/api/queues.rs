//! `/api/queues`

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::IntoResponse,
};
use broker::NewQueue;
use metadata::{Machine, Queue};
use serde::Deserialize;
use serde_json::{Value, json};
use types::{GroupId, QueueId};

use super::{
    caller::Caller,
    outcome::{Failure, Outcome, found, found_or_not, no_content, short},
};
use crate::{definitions, fields, routes::App};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Body {
    durable: Option<bool>,
    auto_delete: bool,
    arguments: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Unless {
    #[serde(default, rename = "if-unused")]
    if_unused: bool,
    #[serde(default, rename = "if-empty")]
    if_empty: bool,
}

type Named = Path<(String, String)>;

/// A queue's figures.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    ready: u64,
    unacked: u64,
    ready_bytes: u64,
    unacked_bytes: u64,
    consumers: u32,
}

/// A queue and its page, whose figures are not filled in yet.
struct Page {
    queue: QueueId,
    group: GroupId,
    view: Value,
}

pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Outcome {
    let pages = {
        let machine = app.broker.read_metadata();
        let seen = machine.queues().filter(|queue| caller.sees(&machine, queue.vhost.as_bytes()));
        seen.map(|queue| page(&app, &machine, queue)).collect()
    };
    found(&fill_in(&app, pages).await)
}

pub(crate) async fn of_vhost(State(app): State<App>, caller: Caller, Path(vhost): Path<String>) -> Outcome {
    caller.enters(&app, &vhost)?;
    let pages = {
        let machine = app.broker.read_metadata();
        machine.queues_in_vhost(vhost.as_bytes()).map(|queue| page(&app, &machine, queue)).collect()
    };
    found(&fill_in(&app, pages).await)
}

pub(crate) async fn one(State(app): State<App>, caller: Caller, Path((vhost, name)): Named) -> Outcome {
    caller.enters(&app, &vhost)?;
    let page = {
        let machine = app.broker.read_metadata();
        machine.queue(vhost.as_bytes(), name.as_bytes()).map(|queue| page(&app, &machine, queue))
    };
    found_or_not(fill_in(&app, page.into_iter().collect()).await.into_iter().next())
}

pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path((vhost, name)): Named,
    body: Option<Json<Body>>,
) -> Outcome {
    caller.enters(&app, &vhost)?;
    caller.administrates()?;
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let new = NewQueue {
        vhost: short("the vhost's name", &vhost)?,
        name: short("the queue's name", &name)?,
        durable: body.durable.unwrap_or(true),
        auto_delete: body.auto_delete,
        arguments: fields::from_json(&body.arguments).map_err(|why| Failure::bad_request(why.to_string()))?,
    };
    let created = app.broker.declare_queue(new).await?;
    Ok(if created { StatusCode::CREATED } else { StatusCode::NO_CONTENT }.into_response())
}

pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((vhost, name)): Named,
    Query(unless): Query<Unless>,
) -> Outcome {
    let queue = find(&app, &caller, &vhost, &name)?;
    app.broker.delete_queue(queue, unless.if_unused, unless.if_empty).await?;
    no_content()
}

pub(crate) async fn purge(State(app): State<App>, caller: Caller, Path((vhost, name)): Named) -> Outcome {
    let queue = find(&app, &caller, &vhost, &name)?;
    app.broker.purge_queue(queue).await?;
    no_content()
}

/// The queue that an administrator names.
fn find(app: &App, caller: &Caller, vhost: &str, name: &str) -> Result<QueueId, Failure> {
    caller.enters(app, vhost)?;
    caller.administrates()?;
    let machine = app.broker.read_metadata();
    machine.queue(vhost.as_bytes(), name.as_bytes()).map(|queue| queue.id).ok_or_else(Failure::not_found)
}

fn page(app: &App, machine: &Machine, queue: &Queue) -> Page {
    let mut view = definitions::queue(queue);
    if let Some(applied) = machine.applied_to_queue(queue) {
        view["policy"] = json!(applied.policy_name().map(ToString::to_string));
        view["operator_policy"] = json!(applied.operator_name().map(ToString::to_string));
        view["effective_policy_definition"] = fields::to_json(&applied.effective_definition());
    } else {
        view["policy"] = Value::Null;
        view["effective_policy_definition"] = json!({});
    }
    if let Some(place) = app.view.queue(&queue.vhost.to_string(), &queue.name.to_string()) {
        view["leader"] = json!(place.leader);
        view["node"] = json!(place.leader);
        view["members"] = json!(place.members);
        view["state"] = json!(if place.leader.is_some() { "running" } else { "down" });
    }
    Page { queue: queue.id, group: queue.group, view }
}

/// The figures: from this node's replica, or else asked of the leader, one question for each group.
async fn fill_in(app: &App, pages: Vec<Page>) -> Vec<Value> {
    let mut elsewhere: BTreeMap<GroupId, Vec<QueueId>> = BTreeMap::new();
    let mut known: BTreeMap<QueueId, Figures> = BTreeMap::new();
    for page in &pages {
        match app.view.queue_stats(page.group, page.queue) {
            Some(stats) => {
                let figures = Figures {
                    ready: stats.ready,
                    unacked: stats.unacked,
                    ready_bytes: stats.ready_bytes,
                    unacked_bytes: stats.unacked_bytes,
                    consumers: stats.consumers,
                };
                known.insert(page.queue, figures);
            }
            None => elsewhere.entry(page.group).or_default().push(page.queue),
        }
    }
    for (group, queues) in elsewhere {
        // A group that does not answer leaves its queues without figures.
        let Ok(depths) = app.broker.depths(group, &queues).await else { continue };
        for (queue, depth) in queues.into_iter().zip(depths) {
            let Some((ready, consumers)) = depth else { continue };
            known.insert(queue, Figures { ready, consumers, ..Figures::default() });
        }
    }
    let filled = pages.into_iter().map(|Page { queue, mut view, .. }| {
        if let Some(figures) = known.get(&queue) {
            view["messages_ready"] = json!(figures.ready);
            view["messages_unacknowledged"] = json!(figures.unacked);
            view["messages"] = json!(figures.ready + figures.unacked);
            view["message_bytes"] = json!(figures.ready_bytes + figures.unacked_bytes);
            view["message_bytes_ready"] = json!(figures.ready_bytes);
            view["message_bytes_unacknowledged"] = json!(figures.unacked_bytes);
            view["consumers"] = json!(figures.consumers);
        }
        view
    });
    filled.collect()
}
