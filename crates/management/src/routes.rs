//! The paths of the HTTP API and their answers. All but `/metrics` answer JSON; an error is `{"error": "..."}`.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use broker::Broker;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use serde_json::json;
use tracing::error;

use crate::{View, api, metrics};

/// Largest body of a request, other than definitions. Unit: bytes.
const REQUEST_BODY_BYTES_MAX: usize = 256 * 1024;

/// The type of Prometheus' text format.
const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) view: Arc<dyn View>,
    pub(crate) broker: Arc<Broker>,
    /// Who has it administers the node.
    pub(crate) token: Arc<str>,
    pub(crate) prometheus: PrometheusHandle,
}

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .nest("/api", api::router())
        .route("/metrics", get(scrape))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/quorate/v1/queues/{vhost}/{name}", get(queue))
        .route("/quorate/v1/cluster", get(cluster))
        .fallback(|| async { failure(StatusCode::NOT_FOUND, "no such path") })
        .method_not_allowed_fallback(|| async {
            failure(StatusCode::METHOD_NOT_ALLOWED, "this method is not supported here")
        })
        .layer(DefaultBodyLimit::max(REQUEST_BODY_BYTES_MAX))
        .layer(middleware::from_fn(around))
        .with_state(app)
}

/// Refuses requests that are too large, counts answers, and ends the connection after its one request.
async fn around(request: Request, next: Next) -> Response {
    // Paths that nobody serves share one label, so that a client cannot grow the metrics.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let mut response = if announces_large_body(&request) {
        failure(StatusCode::PAYLOAD_TOO_LARGE, "the request's body is too large")
    } else {
        next.run(request).await
    };
    metrics::count_request(route, response.status().as_u16());
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn announces_large_body(request: &Request) -> bool {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let is_definitions = request.uri().path().starts_with("/api/definitions");
    let most = if is_definitions { api::DEFINITIONS_BYTES_MAX } else { REQUEST_BODY_BYTES_MAX };
    length.is_some_and(|text| text.parse::<usize>().is_ok_and(|bytes| bytes > most))
}

/// Rendering takes milliseconds with many series, so it runs on the blocking pool.
async fn scrape(State(app): State<App>) -> Response {
    let rendered = tokio::task::spawn_blocking(move || {
        app.view.refresh_metrics();
        app.prometheus.render()
    });
    match rendered.await {
        Ok(text) => ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response(),
        Err(error) => {
            error!(%error, "metrics could not be rendered");
            failure(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be rendered")
        }
    }
}

/// That this runs at all is the answer.
async fn live() -> Response {
    answer(StatusCode::OK, &json!({ "status": "ok" }))
}

async fn ready(State(app): State<App>) -> Response {
    match app.view.readiness() {
        Ok(()) => answer(StatusCode::OK, &json!({ "status": "ok" })),
        Err(reasons) => {
            answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "unavailable", "reasons": reasons }))
        }
    }
}

async fn queue(State(app): State<App>, path: Result<Path<(String, String)>, PathRejection>) -> Response {
    let Ok(Path((vhost, name))) = path else {
        return failure(StatusCode::BAD_REQUEST, "vhost and queue name must be percent-encoded UTF-8");
    };
    match app.view.queue(&vhost, &name) {
        Some(queue) => answer(StatusCode::OK, &queue),
        None => failure(StatusCode::NOT_FOUND, &format!("no queue '{name}' in vhost '{vhost}'")),
    }
}

async fn cluster(State(app): State<App>) -> Response {
    answer(StatusCode::OK, &app.view.cluster())
}

fn failure(status: StatusCode, text: &str) -> Response {
    answer(status, &json!({ "error": text }))
}

fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("plain structs of text and numbers have a JSON form");
    (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
}
