//! The HTTP client: one request after another to one node.

use std::time::Duration;

use serde_json::Value;
use ureq::{Agent, Body, http::Response};

use crate::target::Target;

/// How long a request may take; an import of definitions may need long.
const TIMEOUT: Duration = Duration::from_secs(600);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer. Unit: bytes.
const ANSWER_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nobody answers.
    #[error("cannot reach the node at {node}: {why}")]
    Unreachable {
        /// Its address.
        node: String,
        /// In words.
        why: String,
    },
    /// There is neither a user nor a token.
    #[error(
        "no user was given, and there is no token in {0}: give --user and --password, or --data-dir of a node on this machine"
    )]
    NoCredentials(String),
    /// 401
    #[error("access refused: {0}")]
    Refused(String),
    /// 404
    #[error("not found")]
    NotFound,
    /// Another status.
    #[error("{reason}")]
    Failed {
        /// HTTP's.
        status: u16,
        /// The node's words.
        reason: String,
    },
}

type Result<T> = std::result::Result<T, Error>;

/// A node's HTTP API.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    node: String,
    authorization: String,
}

impl Client {
    pub(crate) fn new(target: &Target) -> Result<Self> {
        let authorization =
            target.authorization().ok_or_else(|| Error::NoCredentials(target.data_dir.display().to_string()))?;
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .http_status_as_error(false)
            .build();
        Ok(Client { agent: config.into(), node: target.node.trim_end_matches('/').to_owned(), authorization })
    }

    /// A document.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let request = self.agent.get(self.url(path)).header("authorization", &self.authorization);
        self.document(request.call())
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<()> {
        let request = self.agent.put(self.url(path)).header("authorization", &self.authorization);
        self.document(request.header("content-type", "application/json").send(body.to_string())).map(drop)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<()> {
        let request = self.agent.post(self.url(path)).header("authorization", &self.authorization);
        self.document(request.header("content-type", "application/json").send(body.to_string())).map(drop)
    }

    /// `reason` is told to a client whose connection it ends.
    pub(crate) fn delete(&self, path: &str, reason: Option<&str>) -> Result<()> {
        let mut request = self.agent.delete(self.url(path)).header("authorization", &self.authorization);
        if let Some(reason) = reason {
            request = request.header("x-reason", reason);
        }
        self.document(request.call()).map(drop)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/{path}", self.node)
    }

    fn document(&self, answer: std::result::Result<Response<Body>, ureq::Error>) -> Result<Value> {
        let unreachable = |why: String| Error::Unreachable { node: self.node.clone(), why };
        let mut answer = answer.map_err(|error| unreachable(error.to_string()))?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| unreachable(error.to_string()))?;
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let reason = || value["reason"].as_str().or_else(|| value["error"].as_str()).unwrap_or(&text).to_owned();
        match status {
            200..=299 => Ok(value),
            401 => Err(Error::Refused(reason())),
            404 => Err(Error::NotFound),
            // Health checks answer with what is wrong.
            503 if value["status"] == "failed" => Ok(value),
            status => Err(Error::Failed { status, reason: reason() }),
        }
    }
}

/// A name as a part of a path.
pub(crate) fn part(name: &str) -> String {
    let mut part = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => part.push(char::from(byte)),
            _ => part.push_str(&format!("%{byte:02X}")),
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_one_part_of_a_path() {
        assert_eq!(part("/"), "%2F");
        assert_eq!(part("a b%ü"), "a%20b%25%C3%BC");
    }
}
