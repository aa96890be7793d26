//! `/api/cluster`: nodes and groups, and orders to them. RabbitMQ has nothing alike.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;
use serde_json::json;
use types::GroupId;

use super::{
    caller::Caller,
    outcome::{Failure, Outcome, found},
};
use crate::{ClusterOrder, OrderError, routes::App};

/// What may go with an order to a node.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    force: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Leader {
    node: String,
}

pub(crate) async fn status(State(app): State<App>, caller: Caller) -> Outcome {
    caller.monitors()?;
    found(&app.view.cluster())
}

pub(crate) async fn order(
    State(app): State<App>,
    caller: Caller,
    Path((node, order)): Path<(String, String)>,
    options: Option<Json<Options>>,
) -> Outcome {
    let force = options.is_some_and(|Json(options)| options.force);
    let order = match &*order {
        "decommission" => ClusterOrder::Decommission { node, force },
        "forget" => ClusterOrder::Forget { node },
        "drain" => ClusterOrder::Drain { node },
        "undrain" => ClusterOrder::Undrain { node },
        _ => return Err(Failure::not_found()),
    };
    give(&app, &caller, order).await
}

pub(crate) async fn rebalance(State(app): State<App>, caller: Caller) -> Outcome {
    give(&app, &caller, ClusterOrder::Rebalance).await
}

pub(crate) async fn transfer_leader(
    State(app): State<App>,
    caller: Caller,
    Path(group): Path<u32>,
    Json(Leader { node }): Json<Leader>,
) -> Outcome {
    give(&app, &caller, ClusterOrder::TransferLeader { group: GroupId(group), node }).await
}

async fn give(app: &App, caller: &Caller, order: ClusterOrder) -> Outcome {
    caller.administrates()?;
    match app.view.order(order).await {
        Ok(answer) => found(&json!({ "answer": answer })),
        Err(OrderError::NoSuchNode) => Err(Failure::not_found()),
        Err(OrderError::Refused(why)) => Err(Failure::bad_request(why)),
        Err(OrderError::Unavailable(why)) => Err(Failure::unavailable(why)),
    }
}
