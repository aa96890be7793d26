//! The HTTP client: one request after another to one node.

use std::time::Duration;

use serde_json::Value;
use ureq::{Agent, Body, http::Response};

use crate::target::Target;

/// How long a request may take where nothing else is said; an import of definitions may need long.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(600);
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
    /// No answer within the time.
    #[error("the node at {0} did not answer in time")]
    Timeout(String),
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
    authorization: Option<String>,
    data_dir: String,
}

impl Client {
    /// `timeout` bounds each request.
    pub(crate) fn new(target: &Target, timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .timeout_connect(Some(CONNECT_TIMEOUT.min(timeout)))
            .http_status_as_error(false)
            .build();
        Client {
            agent: config.into(),
            node: target.node.trim_end_matches('/').to_owned(),
            authorization: target.authorization(),
            data_dir: target.data_dir.display().to_string(),
        }
    }

    /// The node's address, without the scheme.
    pub(crate) fn node(&self) -> &str {
        self.node.split_once("://").map_or(&*self.node, |(_, authority)| authority)
    }

    /// A document.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let request = self.agent.get(self.url(path)).header("authorization", self.authorization()?);
        self.document(request.call())
    }

    /// Whether the node is alive, or ready: what it tells everybody.
    pub(crate) fn health(&self, what: &str) -> Result<()> {
        self.document(self.agent.get(format!("{}/health/{what}", self.node)).call()).map(drop)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<()> {
        self.put_for(path, body).map(drop)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<()> {
        self.post_for(path, body).map(drop)
    }

    /// Puts, for the answer.
    pub(crate) fn put_for(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.put(self.url(path)).header("authorization", self.authorization()?);
        self.document(request.header("content-type", "application/json").send(body.to_string()))
    }

    /// Posts, for the answer.
    pub(crate) fn post_for(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.post(self.url(path)).header("authorization", self.authorization()?);
        self.document(request.header("content-type", "application/json").send(body.to_string()))
    }

    /// `reason` is told to a client whose connection it ends.
    pub(crate) fn delete(&self, path: &str, reason: Option<&str>) -> Result<()> {
        let mut request = self.agent.delete(self.url(path)).header("authorization", self.authorization()?);
        if let Some(reason) = reason {
            request = request.header("x-reason", reason);
        }
        self.document(request.call()).map(drop)
    }

    fn authorization(&self) -> Result<&str> {
        self.authorization.as_deref().ok_or_else(|| Error::NoCredentials(self.data_dir.clone()))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/{path}", self.node)
    }

    fn document(&self, answer: std::result::Result<Response<Body>, ureq::Error>) -> Result<Value> {
        let unreachable = |why: String| Error::Unreachable { node: self.node.clone(), why };
        let mut answer = answer.map_err(|error| match error {
            // Whoever does not even accept the connection is not there.
            ureq::Error::Timeout(ureq::Timeout::Connect) => unreachable(error.to_string()),
            ureq::Error::Timeout(_) => Error::Timeout(self.node.clone()),
            other => unreachable(other.to_string()),
        })?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| unreachable(error.to_string()))?;
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let reason = || match value["reasons"].as_array() {
            Some(reasons) => reasons.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
            None => value["reason"].as_str().or_else(|| value["error"].as_str()).unwrap_or(&text).to_owned(),
        };
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
