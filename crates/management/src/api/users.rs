//! `/api/users`

use auth::Algorithm;
use axum::{
    Json,
    extract::{Path, State},
};
use metadata::{Command, HashAlgorithm, PasswordHash, PutUser};
use serde::Deserialize;
use serde_json::Value;

use super::{
    caller::Caller,
    outcome::{Failure, Outcome, found, found_or_not, gone, put as answer_put, short},
    vhosts::tags,
};
use crate::{definitions, routes::App};

/// A user, as it is put.
#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    password: Option<String>,
    password_hash: Option<String>,
    hashing_algorithm: Option<String>,
    tags: Option<Value>,
}

pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Outcome {
    caller.administrates()?;
    found(&app.broker.read_metadata().users().map(definitions::user).collect::<Vec<_>>())
}

pub(crate) async fn one(State(app): State<App>, caller: Caller, Path(user): Path<String>) -> Outcome {
    caller.administrates()?;
    found_or_not(app.broker.read_metadata().user(user.as_bytes()).map(definitions::user))
}

pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path(user): Path<String>,
    Json(body): Json<Body>,
) -> Outcome {
    caller.administrates()?;
    let user = short("the user's name", &user)?;
    let tags = match &body.tags {
        Some(value) => tags(value)?,
        None => return Err(Failure::bad_request("tags is missing")),
    };
    let password = password(&body)?;
    answer_put(&app.broker.change(Command::PutUser(PutUser { user, password, tags })).await?)
}

pub(crate) async fn delete(State(app): State<App>, caller: Caller, Path(user): Path<String>) -> Outcome {
    caller.administrates()?;
    let user = short("the user's name", &user)?;
    gone(&app.broker.change(Command::DeleteUser { user }).await?)
}

fn password(body: &Body) -> Result<Option<PasswordHash>, Failure> {
    if let Some(password) = &body.password {
        let salted = auth::hash_password(Algorithm::Sha256, password.as_bytes());
        return Ok(Some(PasswordHash { algorithm: HashAlgorithm::Sha256, salted }));
    }
    let Some(text) = body.password_hash.as_ref().filter(|text| !text.is_empty()) else { return Ok(None) };
    let name = body.hashing_algorithm.as_deref().unwrap_or(Algorithm::Sha256.as_str());
    let algorithm =
        Algorithm::parse(name).ok_or_else(|| Failure::bad_request(format!("no hashing algorithm '{name}'")))?;
    let salted = auth::decode_hash(algorithm, text).map_err(|why| Failure::bad_request(why.to_string()))?;
    let algorithm = match algorithm {
        Algorithm::Sha256 => HashAlgorithm::Sha256,
        Algorithm::Sha512 => HashAlgorithm::Sha512,
        Algorithm::Md5 => HashAlgorithm::Md5,
    };
    Ok(Some(PasswordHash { algorithm, salted }))
}
