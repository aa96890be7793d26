//! A node's HTTP API, as far as the runs ask it.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use ureq::Agent;

/// How long an answer may take: a node that is busy answers later than one that is well, one that is stopped never.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long a node may take to carry out an order before it tells what it waits for.
const ORDER_TIMEOUT: Duration = Duration::from_secs(20);
/// guest:guest in base64.
const AUTHORIZATION: &str = "Basic Z3Vlc3Q6Z3Vlc3Q=";

/// One node's API.
#[derive(Clone, Debug)]
pub struct Api {
    agent: Agent,
    /// For orders, which answer when they have had their effect.
    patient: Agent,
    node: String,
}

/// A replica of a group, as the node that has it sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Replica {
    /// The group.
    pub group: u32,
    /// The last log index that it has applied.
    pub applied: u64,
    /// A hash of its state.
    pub digest: String,
}

/// A queue's depth on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait.
    pub ready: u64,
    /// Messages that consumers hold.
    pub unacked: u64,
}

impl Api {
    /// The API at `host:port`.
    pub fn new(node: &str) -> Self {
        let agent = |timeout| Agent::from(Agent::config_builder().timeout_global(Some(timeout)).build());
        Api { agent: agent(TIMEOUT), patient: agent(ORDER_TIMEOUT), node: node.to_owned() }
    }

    fn get(&self, path: &str) -> Result<Value> {
        let request = self.agent.get(format!("http://{}{path}", self.node)).header("authorization", AUTHORIZATION);
        let text = request.call()?.body_mut().read_to_string()?;
        serde_json::from_str(&text).with_context(|| format!("{path} of {} is no JSON", self.node))
    }

    /// Whether the node says that clients can use it.
    pub fn is_ready(&self) -> bool {
        self.get("/health/ready").is_ok()
    }

    /// The numbers of the nodes that this one has links to, itself among them.
    ///
    /// # Errors
    /// When the node does not answer.
    pub fn linked(&self) -> Result<Vec<usize>> {
        self.nodes_that(|node| node["live"] == true)
    }

    /// The numbers of the members of the cluster, as this node knows them.
    ///
    /// # Errors
    /// When the node does not answer.
    pub fn members(&self) -> Result<Vec<usize>> {
        self.nodes_that(|_| true)
    }

    fn nodes_that(&self, are: impl Fn(&Value) -> bool) -> Result<Vec<usize>> {
        let cluster = self.get("/quorate/v1/cluster")?;
        let nodes = cluster["nodes"].as_array().context("nodes are not told")?;
        Ok(nodes.iter().filter(|node| are(node)).filter_map(|node| number_of(node["name"].as_str()?)).collect())
    }

    /// Whether the cluster has so many members, all of them are up and have replicas, and nothing is under way.
    ///
    /// # Errors
    /// When the node does not answer.
    pub fn is_settled(&self, members: usize) -> Result<bool> {
        let cluster = self.get("/quorate/v1/cluster")?;
        let nodes = cluster["nodes"].as_array().context("nodes are not told")?;
        let is_up = |node: &Value| node["state"] == "up" && node["live"] == true && node["replicas"].as_u64() > Some(0);
        Ok(nodes.len() == members && nodes.iter().all(is_up) && cluster["waiting"].is_null())
    }

    /// Orders something for a node: `decommission`, `drain`.
    ///
    /// # Errors
    /// When it is refused, or no majority answers.
    pub fn order(&self, number: usize, order: &str) -> Result<()> {
        let path = format!("http://{}/api/cluster/nodes/node{number}/{order}", self.node);
        self.patient.post(path).header("authorization", AUTHORIZATION).send_empty()?;
        Ok(())
    }

    /// The number of the node that leads a queue's group, as this node knows it.
    ///
    /// # Errors
    /// When the node does not answer or knows no such queue.
    pub fn leader(&self, queue: &str) -> Result<Option<usize>> {
        let view = self.get(&format!("/quorate/v1/queues/%2F/{queue}"))?;
        Ok(view["leader"].as_str().and_then(number_of))
    }

    /// A queue's depth as this node's replica has it.
    ///
    /// # Errors
    /// When the node does not answer.
    pub fn depth(&self, queue: &str) -> Result<Depth> {
        let view = self.get(&format!("/api/queues/%2F/{queue}"))?;
        let figure = |name: &str| view[name].as_u64().with_context(|| format!("{name} is not told"));
        Ok(Depth { ready: figure("messages_ready")?, unacked: figure("messages_unacknowledged")? })
    }

    /// A counter without labels, since the node started; zero before it first counts.
    ///
    /// # Errors
    /// When the node does not answer.
    pub fn metric(&self, name: &str) -> Result<u64> {
        let request = self.agent.get(format!("http://{}/metrics", self.node));
        let text = request.call()?.body_mut().read_to_string()?;
        Ok(figure(&text, name).unwrap_or_default())
    }

    /// All replicas that the node has.
    ///
    /// # Errors
    /// When the node does not answer.
    pub fn replicas(&self) -> Result<Vec<Replica>> {
        Ok(serde_json::from_value(self.get("/api/quorate/replicas")?)?)
    }
}

/// A metric without labels.
fn figure(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn number_of(name: &str) -> Option<usize> {
    name.strip_prefix("node")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found() {
        let text = "# TYPE quorate_a_total counter\nquorate_a_total_more 1\nquorate_a_total 7\n";
        assert_eq!([figure(text, "quorate_a_total"), figure(text, "quorate_b")], [Some(7), None]);
    }

    #[test]
    fn nodes_are_numbered_by_their_names() {
        assert_eq!([number_of("node3"), number_of("rabbit@node3")], [Some(3), None]);
    }
}
