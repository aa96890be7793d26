//! The life of the cluster: its status, and orders to it.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::arguments::Cluster;
use crate::{
    client::{Client, part},
    output::{self, Format, columns},
};

/// Does it; returns what to print.
pub(super) fn act(client: &Client, command: &Cluster, format: Format) -> Result<String> {
    let order = |node: &str, what: &str, body: Value| {
        answer(&client.post_for(&format!("cluster/nodes/{}/{what}", part(node)), &body)?)
    };
    match command {
        Cluster::Status => status(&client.get("cluster")?, format),
        Cluster::Join { name } => joining(&client.get("cluster")?, name),
        Cluster::Decommission { name, force } => order(name, "decommission", json!({ "force": force })),
        Cluster::Forget { name } => order(name, "forget", json!({})),
        Cluster::Drain { name } => order(name, "drain", json!({})),
        Cluster::Undrain { name } => order(name, "undrain", json!({})),
        Cluster::Rebalance => answer(&client.post_for("cluster/rebalance", &json!({}))?),
        Cluster::TransferLeader { group, name } => {
            answer(&client.put_for(&format!("cluster/groups/{group}/leader"), &json!({ "node": name }))?)
        }
    }
}

fn answer(document: &Value) -> Result<String> {
    Ok(output::text(&document["answer"]) + "\n")
}

fn status(cluster: &Value, format: Format) -> Result<String> {
    if format == Format::Json {
        return Ok(serde_json::to_string_pretty(cluster)? + "\n");
    }
    let items = |key: &str| cluster[key].as_array().cloned().unwrap_or_default();
    let nodes = columns(&["id", "name", "state", "live", "replicas", "leads", "address"]);
    let groups = columns(&["id", "leader", "members", "wanted"]);
    let waiting = match &cluster["waiting"] {
        Value::Null => "nothing is under way".to_owned(),
        why => format!("under way: {}", output::text(why)),
    };
    let (nodes, groups) =
        (output::list(&items("nodes"), &nodes, format), output::list(&items("groups"), &groups, format));
    Ok(format!("{nodes}{groups}{waiting}\n"))
}

/// Nodes join by themselves; this says how far one is.
fn joining(cluster: &Value, name: &str) -> Result<String> {
    let node = cluster["nodes"].as_array().into_iter().flatten().find(|node| node["name"] == name);
    let Some(node) = node else {
        bail!(
            "no node '{name}' has asked to join: start it with an empty data directory, with this name, and with cluster.seeds"
        );
    };
    Ok(match (node["state"].as_str(), cluster["waiting"].as_str()) {
        (Some("joining"), _) => format!("node {name} is let in; waiting: it catches up with the metadata\n"),
        (_, None) => format!("node {name} is a member, with {} replicas\n", node["replicas"]),
        (_, Some(why)) => format!("node {name} is a member, with {} replicas; waiting: {why}\n", node["replicas"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(state: &str, waiting: Value) -> Value {
        json!({
            "node": "a",
            "nodes": [{"id": 4, "name": "d", "address": "h:1", "live": true, "state": state, "replicas": 3, "leads": [1, 2]}],
            "groups": [{"id": 1, "leader": "d", "members": ["a", "d"], "wanted": ["a", "d"]}],
            "waiting": waiting,
        })
    }

    #[test]
    fn the_status_shows_nodes_groups_and_what_is_under_way() {
        let shown = status(&cluster("up", json!("group 1 moves")), Format::Tabs).unwrap();
        assert!(shown.contains("4\td\tup\ttrue\t3\t") && shown.ends_with("under way: group 1 moves\n"), "{shown}");
        let json = status(&cluster("up", Value::Null), Format::Json).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), cluster("up", Value::Null));
    }

    #[test]
    fn joining_is_told_in_words() {
        let told = |state, waiting| joining(&cluster(state, waiting), "d").unwrap();
        assert!(told("joining", Value::Null).contains("catches up"));
        assert_eq!(told("up", Value::Null), "node d is a member, with 3 replicas\n");
        assert!(told("up", json!("group 1 moves")).ends_with("waiting: group 1 moves\n"));
        assert!(joining(&cluster("up", Value::Null), "e").unwrap_err().to_string().contains("cluster.seeds"));
    }
}
