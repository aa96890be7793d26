//! Waiting for nodes, tracing, and what there is to say without a node.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{Context, Failure, Output, Result};
use crate::{
    client::part,
    compat::{
        failure::{TEMPORARY, USAGE},
        table::{self, Key, Shape},
    },
    output,
};

/// How long to wait for nodes where nothing else is said.
const WAIT: Duration = Duration::from_secs(300);
/// How often to ask.
const ROUND: Duration = Duration::from_millis(500);

pub(crate) fn ping(context: &Context<'_>) -> Result<Output> {
    context.client.health("live")?;
    Ok(Output::Text("Ping succeeded".to_owned()))
}

pub(crate) fn forget_cluster_node(context: &Context<'_>) -> Result<Output> {
    if context.call.flag("offline") {
        return Err(Failure::new(USAGE, "a node is forgotten by those that run: leave --offline away"));
    }
    let path = format!("cluster/nodes/{}/forget", part(context.call.argument(0)));
    let document = context.client.post_for(&path, &json!({}))?;
    Ok(Output::Text(output::text(&document["answer"])))
}

pub(crate) fn await_startup(context: &Context<'_>) -> Result<Output> {
    wait_until(context, |context| Ok(context.client.health("ready").map(|()| true)?))
}

pub(crate) fn await_online_nodes(context: &Context<'_>) -> Result<Output> {
    let text = context.call.argument(0);
    let wanted: usize = text.parse().map_err(|_| Failure::new(USAGE, format!("'{text}' is not a number of nodes")))?;
    wait_until(context, |context| {
        let nodes = context.items("nodes")?;
        Ok(nodes.iter().filter(|node| node["running"] == true).count() >= wanted)
    })
}

/// Asks until it is so; what fails may still come right.
fn wait_until(context: &Context<'_>, is_so: impl Fn(&Context<'_>) -> Result<bool>) -> Result<Output> {
    let patience = if context.call.option("timeout").is_some() { context.call.timeout()? } else { WAIT };
    let start = Instant::now();
    loop {
        let last = is_so(context);
        if let Ok(true) = last {
            return Ok(Output::Nothing);
        }
        if start.elapsed() + ROUND > patience {
            let why = last.err().map(|failure| format!(": {}", failure.text)).unwrap_or_default();
            return Err(Failure::new(TEMPORARY, format!("not within {} seconds{why}", patience.as_secs())));
        }
        thread::sleep(ROUND);
    }
}

pub(crate) fn trace_on(context: &Context<'_>) -> Result<Output> {
    trace(context, true)?;
    Ok(Output::Text(format!("Trace enabled for vhost {}", context.call.vhost())))
}

pub(crate) fn trace_off(context: &Context<'_>) -> Result<Output> {
    trace(context, false)?;
    Ok(Output::Text(format!("Trace disabled for vhost {}", context.call.vhost())))
}

fn trace(context: &Context<'_>, is_on: bool) -> Result<()> {
    let path = format!("vhosts/{}", part(context.call.vhost()));
    // A vhost that is put comes into being.
    context.client.get(&path)?;
    Ok(context.client.put(&path, &json!({"tracing": is_on}))?)
}

/// There are none: what a cluster can do follows from the versions of its nodes.
pub(crate) fn list_feature_flags(_: &Context<'_>) -> Result<Output> {
    let keys = ["name", "state"].map(|name| Key { name, path: name, shape: Shape::Plain });
    Ok(Output::Rows(keys.to_vec(), Vec::new()))
}

pub(crate) fn enable_feature_flag(_: &Context<'_>) -> Result<Output> {
    Ok(Output::Text("There are no feature flags in this broker: nothing had to be enabled.".to_owned()))
}

pub(crate) fn version(_: &Context<'_>) -> Result<Output> {
    Ok(Output::Text(env!("CARGO_PKG_VERSION").to_owned()))
}

pub(crate) fn help(context: &Context<'_>) -> Result<Output> {
    let (program, name) = (context.call.program, context.call.argument(0));
    if name.is_empty() {
        return Ok(Output::Text(table::overview(program)));
    }
    match table::find(program, name) {
        Some(command) => Ok(Output::Text(format!("Usage\n\n{}", command.usage(program)))),
        None => Err(Failure::plain(USAGE, format!("\nCommand '{name}' not found.\n"))),
    }
}
