//! What a node and its cluster say of themselves.

use serde_json::{Value, json};

use super::{Context, Failure, Output, Result, checks::standing};
use crate::{
    compat::{failure::USAGE, format::cell},
    output::text,
};

pub(crate) fn server_version(context: &Context<'_>) -> Result<Output> {
    let overview = context.client.get("overview")?;
    Ok(Output::Text(text(&overview["product_version"])))
}

pub(crate) fn status(context: &Context<'_>) -> Result<Output> {
    let overview = context.client.get("overview")?;
    let node = own(context, &overview)?;
    let vhosts = context.items("vhosts")?.len();
    let totals = json!({
        "connection_count": overview["object_totals"]["connections"], "queue_count": overview["object_totals"]["queues"],
        "virtual_host_count": vhosts,
    });
    let mut lines = vec!["Runtime".to_owned(), String::new()];
    let mut line = |title: &str, value: &Value| lines.push(format!("{title}: {}", cell(value)));
    line("OS PID", &node["os_pid"]);
    line("Product", &overview["product_name"]);
    line("RabbitMQ version", &overview["rabbitmq_version"]);
    line("Node name", &overview["node"]);
    line("Uptime (seconds)", &seconds(&node["uptime"]));
    lines.extend(["", "Data directory", ""].map(str::to_owned));
    lines.push(format!("Node data directory: {}", cell(&node["data_dir"])));
    section(&mut lines, "Alarms", standing(context)?);
    section(
        &mut lines,
        "Memory",
        vec![
            format!("Total memory used: {}", gigabytes(&node["mem_used"])),
            format!("Memory high watermark setting: {}", gigabytes(&node["mem_limit"])),
        ],
    );
    section(
        &mut lines,
        "Free Disk Space",
        vec![
            format!("Low free disk space watermark: {}", gigabytes(&node["disk_free_limit"])),
            format!("Free disk space: {}", gigabytes(&node["disk_free"])),
        ],
    );
    section(
        &mut lines,
        "Totals",
        vec![
            format!("Connection count: {}", cell(&totals["connection_count"])),
            format!("Queue count: {}", cell(&totals["queue_count"])),
            format!("Virtual host count: {vhosts}"),
        ],
    );
    section(&mut lines, "Listeners", listener_lines(&overview));
    let document = json!({
        "pid": text(&node["os_pid"]).parse::<u64>().ok(), "os": std::env::consts::OS, "rabbitmq_version": overview["rabbitmq_version"],
        "product_name": overview["product_name"], "product_version": overview["product_version"],
        "uptime": seconds(&node["uptime"]), "data_directory": node["data_dir"], "alarms": overview["alarms"],
        "memory": {"total": {"rss": node["mem_used"]}, "strategy": "rss"},
        "vm_memory_high_watermark_limit": node["mem_limit"], "disk_free": node["disk_free"],
        "disk_free_limit": node["disk_free_limit"], "totals": totals, "listeners": listeners_of(&overview),
        "is_under_maintenance": false, "active_plugins": [],
    });
    Ok(Output::Document(lines.join("\n"), document))
}

pub(crate) fn cluster_status(context: &Context<'_>) -> Result<Output> {
    let overview = context.client.get("overview")?;
    let nodes = context.items("nodes")?;
    let names = |only_running: bool| -> Vec<String> {
        let wanted = nodes.iter().filter(|node| !only_running || node["running"] == true);
        wanted.map(|node| text(&node["name"])).collect()
    };
    let version = text(&overview["product_version"]);
    let product = text(&overview["product_name"]);
    let mut lines = vec!["Basics".to_owned(), String::new()];
    lines.push(format!("Cluster name: {}", text(&overview["cluster_name"])));
    section(&mut lines, "Disk Nodes", names(false));
    section(&mut lines, "Running Nodes", names(true));
    section(&mut lines, "Versions", vec![format!("{}: {product} {version}", text(&overview["node"]))]);
    section(&mut lines, "Alarms", standing(context)?);
    section(&mut lines, "Network Partitions", Vec::new());
    section(&mut lines, "Listeners", listener_lines(&overview));
    let document = json!({
        "cluster_name": overview["cluster_name"], "disk_nodes": names(false), "ram_nodes": [], "running_nodes": names(true),
        "alarms": overview["alarms"], "partitions": {}, "feature_flags": [],
        "versions": {text(&overview["node"]): {"rabbitmq_name": product, "rabbitmq_version": version}},
        "listeners": {text(&overview["node"]): listeners_of(&overview)},
    });
    Ok(Output::Document(lines.join("\n"), document))
}

pub(crate) fn listeners(context: &Context<'_>) -> Result<Output> {
    let overview = context.client.get("overview")?;
    let document = json!({"result": "ok", "node": overview["node"], "listeners": listeners_of(&overview)});
    Ok(Output::Document(listener_lines(&overview).join("\n"), document))
}

/// The process' memory as a whole: there are no parts that the node tells apart.
pub(crate) fn memory_breakdown(context: &Context<'_>) -> Result<Output> {
    let overview = context.client.get("overview")?;
    let used = own(context, &overview)?["mem_used"].clone();
    let shown = match context.call.option("unit").unwrap_or("gb").to_ascii_lowercase().as_str() {
        "gb" => gigabytes(&used),
        "mb" => format!("{} mb", used.as_u64().unwrap_or(0) / 1_000_000),
        "kb" => format!("{} kb", used.as_u64().unwrap_or(0) / 1_000),
        "bytes" => format!("{} bytes", cell(&used)),
        other => return Err(Failure::new(USAGE, format!("unit '{other}' is none of bytes, kb, mb, gb"))),
    };
    Ok(Output::Document(format!("rss: {shown} (100.0%)"), json!({"rss": {"bytes": used, "percentage": 100.0}})))
}

/// What the node tells of its settings.
pub(crate) fn environment(context: &Context<'_>) -> Result<Output> {
    let overview = context.client.get("overview")?;
    let node = own(context, &overview)?;
    let document = json!({"node": node, "listeners": overview["listeners"], "cluster_name": overview["cluster_name"]});
    let shown = serde_json::to_string_pretty(&document).map_err(|why| Failure::unavailable(why.to_string()))?;
    Ok(Output::Document(shown, document))
}

/// Status, cluster, and how much there is of everything.
pub(crate) fn report(context: &Context<'_>) -> Result<Output> {
    let (mut paragraphs, mut document) = (Vec::new(), json!({}));
    for (title, key, part) in [("Status", "status", status(context)?), ("Cluster", "cluster", cluster_status(context)?)]
    {
        if let Output::Document(shown, value) = part {
            paragraphs.push(format!("{title} of node {}\n\n{shown}", context.client.node()));
            document[key] = value;
        }
    }
    let mut counts = Vec::new();
    for kind in
        ["users", "vhosts", "queues", "exchanges", "bindings", "policies", "connections", "channels", "consumers"]
    {
        let count = context.items(kind)?.len();
        counts.push(format!("{kind}: {count}"));
        document["counts"][kind] = count.into();
    }
    paragraphs.push(format!("Counts\n\n{}", counts.join("\n")));
    Ok(Output::Document(paragraphs.join("\n\n"), document))
}

/// What the node that answers tells of itself.
fn own(context: &Context<'_>, overview: &Value) -> Result<Value> {
    let nodes = context.items("nodes")?;
    Ok(nodes.into_iter().find(|node| node["name"] == overview["node"]).unwrap_or_default())
}

fn section(lines: &mut Vec<String>, title: &str, mut content: Vec<String>) {
    if content.is_empty() {
        content.push("(none)".to_owned());
    }
    lines.extend([String::new(), title.to_owned(), String::new()]);
    lines.append(&mut content);
}

fn listeners_of(overview: &Value) -> Vec<Value> {
    let listeners = overview["listeners"].as_array().map(Vec::as_slice).unwrap_or_default();
    let view = |one: &Value| {
        let protocol = one["protocol"].as_str().unwrap_or_default();
        let purpose = match protocol {
            "amqp" => "AMQP 0-9-1",
            "http" => "HTTP API",
            "clustering" => "inter-node communication",
            other => other,
        };
        json!({"node": one["node"], "interface": one["ip_address"], "port": one["port"], "protocol": protocol, "purpose": purpose})
    };
    listeners.iter().map(view).collect()
}

fn listener_lines(overview: &Value) -> Vec<String> {
    let line = |one: &Value| {
        let part = |key: &str| text(&one[key]);
        format!(
            "Interface: {}, port: {}, protocol: {}, purpose: {}",
            part("interface"),
            part("port"),
            part("protocol"),
            part("purpose")
        )
    };
    listeners_of(overview).iter().map(line).collect()
}

fn seconds(milliseconds: &Value) -> Value {
    milliseconds.as_u64().map_or(Value::Null, |value| (value / 1000).into())
}

/// With four digits, as RabbitMQ's tools write sizes.
fn gigabytes(bytes: &Value) -> String {
    let Some(bytes) = bytes.as_u64() else { return "unknown".to_owned() };
    let parts = bytes / 100_000;
    format!("{}.{:04} gb", parts / 10_000, parts % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_gigabytes() {
        assert_eq!(gigabytes(&json!(123_185_920)), "0.1231 gb");
        assert_eq!(gigabytes(&json!(10_110_600_806_u64)), "10.1106 gb");
        assert_eq!(gigabytes(&Value::Null), "unknown");
    }
}
