//! What a request comes to: a document, a bare status, or an error in the words of RabbitMQ's API.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use broker::AdminError;
use metadata::{Change, Reply};
use serde::Serialize;
use serde_json::json;
use types::ShortStr;

/// What a handler returns.
pub(crate) type Outcome = Result<Response, Failure>;

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    error: &'static str,
    reason: String,
}

impl Failure {
    pub(crate) fn bad_request(reason: impl Into<String>) -> Self {
        Failure { status: StatusCode::BAD_REQUEST, error: "bad_request", reason: reason.into() }
    }

    /// What it asks for cannot be as things stand.
    pub(crate) fn precondition_failed(reason: impl Into<String>) -> Self {
        Failure { status: StatusCode::PRECONDITION_FAILED, error: "precondition_failed", reason: reason.into() }
    }

    pub(crate) fn not_found() -> Self {
        Failure { status: StatusCode::NOT_FOUND, error: "Object Not Found", reason: "Not Found".to_owned() }
    }

    pub(crate) fn not_authorized(reason: impl Into<String>) -> Self {
        Failure { status: StatusCode::UNAUTHORIZED, error: "not_authorized", reason: reason.into() }
    }

    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Failure { status: StatusCode::SERVICE_UNAVAILABLE, error: "service_unavailable", reason: reason.into() }
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Refused { code: 404, .. } => Failure::not_found(),
            AdminError::Refused { text, .. } => Failure::bad_request(text),
            AdminError::Unavailable => Failure::unavailable(error.to_string()),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = document(self.status, &json!({ "error": self.error, "reason": self.reason }));
        if self.status == StatusCode::UNAUTHORIZED {
            let realm = HeaderValue::from_static("Basic realm=\"Quorate\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
        }
        response
    }
}

/// 200 with a document.
pub(crate) fn found(body: &impl Serialize) -> Outcome {
    Ok(document(StatusCode::OK, body))
}

/// 200 with a document, or 404.
pub(crate) fn found_or_not(body: Option<impl Serialize>) -> Outcome {
    body.map(|body| document(StatusCode::OK, &body)).ok_or_else(Failure::not_found)
}

/// 201 for what came into being, else 204.
pub(crate) fn put(reply: &Reply) -> Outcome {
    let created = matches!(reply, Reply::Done(Change::Created) | Reply::Queue { created: true, .. });
    Ok(if created { StatusCode::CREATED } else { StatusCode::NO_CONTENT }.into_response())
}

/// 204 for what is gone, 404 for what was not there.
pub(crate) fn gone(reply: &Reply) -> Outcome {
    match reply {
        Reply::Done(Change::Unchanged) | Reply::Deleted { existed: false, .. } => Err(Failure::not_found()),
        Reply::Done(_) | Reply::Deleted { .. } | Reply::Queue { .. } | Reply::Admitted { .. } | Reply::Refused(_) => {
            no_content()
        }
    }
}

/// 204
pub(crate) fn no_content() -> Outcome {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A name from a path or a body.
pub(crate) fn short(what: &str, text: &str) -> Result<ShortStr, Failure> {
    ShortStr::copy_from(text).map_err(|_| Failure::bad_request(format!("{what} is longer than 255 bytes")))
}

fn document(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => {
            (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
