//! The checks of `rabbitmq-diagnostics`.

use std::{
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use serde_json::{Value, json};

use super::{Context, Failure, Output, Result};
use crate::client::Error;

/// How long a listener may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn running(context: &Context<'_>) -> Result<Output> {
    match context.client.health("ready") {
        Ok(()) => Ok(Output::Text(context.fill("Node {node} is fully booted and running"))),
        Err(Error::Failed { reason, .. }) => {
            Err(Failure::unavailable(context.fill("Node {node} is not ready: ") + &reason))
        }
        Err(other) => Err(other.into()),
    }
}

pub(crate) fn local_alarms(context: &Context<'_>) -> Result<Output> {
    let overview = context.client.get("overview")?;
    let own = format!("on node {}", overview["node"].as_str().unwrap_or_default());
    let mut alarms = standing(context)?;
    alarms.retain(|alarm| alarm.ends_with(&own));
    check(context, &alarms, "Node {node} reported no local alarms")
}

pub(crate) fn alarms(context: &Context<'_>) -> Result<Output> {
    check(context, &standing(context)?, "Node {node} reported no alarms, local or clusterwide")
}

pub(crate) fn list_alarms(context: &Context<'_>) -> Result<Output> {
    let alarms = standing(context)?;
    let text = match alarms.as_slice() {
        [] => context.fill("Node {node} reported no alarms, local or clusterwide"),
        alarms => alarms.join("\n"),
    };
    Ok(Output::Document(text, json!({"result": "ok", "node": context.client.node(), "alarms": alarms})))
}

/// Those of the whole cluster, in words.
pub(super) fn standing(context: &Context<'_>) -> Result<Vec<String>> {
    let answer = context.client.get("health/checks/alarms")?;
    let alarms = answer["alarms"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(alarms.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn check(context: &Context<'_>, alarms: &[String], none: &str) -> Result<Output> {
    if alarms.is_empty() {
        return Ok(Output::Text(context.fill(none)));
    }
    Err(Failure::unavailable(context.fill("Node {node} reported alarms:\n") + &alarms.join("\n")))
}

pub(crate) fn port_connectivity(context: &Context<'_>) -> Result<Output> {
    let overview = context.client.get("overview")?;
    let listeners = overview["listeners"].as_array().map(Vec::as_slice).unwrap_or_default();
    // A listener on all addresses is reached where the node is.
    let host = context.client.node().rsplit_once(':').map_or("localhost", |(host, _)| host);
    let mut ports = Vec::new();
    for listener in listeners {
        let port = listener["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
        let bound = listener["ip_address"].as_str().unwrap_or_default();
        let at = if matches!(bound, "" | "0.0.0.0" | "::") { host } else { bound };
        let at = context.call.option("address").unwrap_or(at);
        connect(at, port)
            .map_err(|why| Failure::unavailable(format!("Connection to port {port} at {at} failed: {why}")))?;
        ports.push(port.to_string());
    }
    Ok(Output::Text(format!("Successfully connected to ports {} on node {}.", ports.join(", "), context.client.node())))
}

fn connect(host: &str, port: u16) -> std::io::Result<()> {
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in (host.trim_matches(['[', ']']), port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(why) => last = why,
        }
    }
    Err(last)
}

/// Virtual hosts have no processes of their own here: they run where the cluster can be asked for them.
pub(crate) fn virtual_hosts(context: &Context<'_>) -> Result<Output> {
    context.items("vhosts")?;
    running(context)?;
    Ok(Output::Text(context.fill("Node {node} reported all vhosts as running")))
}

pub(crate) fn certificate_expiration(context: &Context<'_>) -> Result<Output> {
    context.client.health("live")?;
    Ok(Output::Text("The node has no TLS listener: there are no certificates that could expire.".to_owned()))
}
