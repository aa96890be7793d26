//! Queues, connections, definitions.

use std::{
    fs,
    io::{self, Read},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::{Context, Failure, Output, Result};
use crate::{
    client::{Error, part},
    compat::failure::{DATA, USAGE},
};

/// How a file of standard input and output is named.
const STANDARD: &str = "-";

pub(crate) fn delete_queue(context: &Context<'_>) -> Result<Output> {
    let call = context.call;
    let path = queue(context);
    let there = context.client.get(&path)?;
    let query = format!("?if-unused={}&if-empty={}", call.flag("if-unused"), call.flag("if-empty"));
    context.client.delete(&(path + &query), None).map_err(|error| match error {
        Error::Failed { status: 400, reason } if reason.contains("not empty") => {
            Failure::new(USAGE, "Queue is not empty")
        }
        Error::Failed { status: 400, reason } if reason.contains("in use") => Failure::new(USAGE, "Queue is in use"),
        other => other.into(),
    })?;
    let messages = there["messages"].as_u64().unwrap_or(0);
    Ok(Output::Text(format!("Queue was successfully deleted with {messages} messages")))
}

pub(crate) fn purge_queue(context: &Context<'_>) -> Result<Output> {
    context.client.delete(&(queue(context) + "/contents"), None)?;
    Ok(Output::Nothing)
}

fn queue(context: &Context<'_>) -> String {
    context.call.path("queues/{vhost}/{0}")
}

pub(crate) fn close_connection(context: &Context<'_>) -> Result<Output> {
    context.client.delete(&context.call.path("connections/{0}"), Some(context.call.argument(1)))?;
    Ok(Output::Nothing)
}

pub(crate) fn close_all_connections(context: &Context<'_>) -> Result<Output> {
    let call = context.call;
    let is_wanted = |one: &Value| call.flag("global") || one["vhost"] == call.vhost();
    close(context, is_wanted, call.argument(0))
}

pub(crate) fn close_user_connections(context: &Context<'_>) -> Result<Output> {
    let user = context.call.argument(0);
    close(context, |one| one["user"] == user, context.call.argument(1))
}

fn close(context: &Context<'_>, is_wanted: impl Fn(&Value) -> bool, reason: &str) -> Result<Output> {
    let number = |name: &str| {
        let text = context.call.option(name);
        let number = text.map(|text| {
            text.parse::<u64>().map_err(|_| Failure::new(DATA, format!("{name} '{text}' is not a number")))
        });
        number.transpose()
    };
    // As in RabbitMQ: no limit is 0, and the delay is in milliseconds.
    let most = number("limit")?
        .filter(|limit| *limit > 0)
        .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let delay = Duration::from_millis(number("per-connection-delay")?.unwrap_or(0));
    let all = context.items("connections")?;
    let names = all.iter().filter(|one| is_wanted(one)).filter_map(|one| one["name"].as_str()).take(most);
    let mut closed = 0_usize;
    for name in names {
        match context.client.delete(&format!("connections/{}", part(name)), Some(reason)) {
            Ok(()) => closed += 1,
            // It went by itself.
            Err(Error::NotFound) => {}
            Err(other) => return Err(other.into()),
        }
        thread::sleep(delay);
    }
    Ok(Output::Text(format!("Closed {closed} connections")))
}

pub(crate) fn export(context: &Context<'_>) -> Result<Output> {
    check_format(context)?;
    let document = context.client.get("definitions")?;
    let text = serde_json::to_string(&document).map_err(|why| Failure::unavailable(why.to_string()))?;
    match context.call.argument(0) {
        "" | STANDARD => Ok(Output::Document(text, document)),
        file => {
            fs::write(file, text).map_err(|why| Failure::new(DATA, format!("cannot write {file}: {why}")))?;
            Ok(Output::Nothing)
        }
    }
}

pub(crate) fn import(context: &Context<'_>) -> Result<Output> {
    check_format(context)?;
    let file = context.call.argument(0);
    let text = match file {
        "" | STANDARD => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map(|_| text)
        }
        file => fs::read_to_string(file),
    };
    let text = text.map_err(|why| match why.kind() {
        io::ErrorKind::NotFound => Failure::new(DATA, format!("Bad argument: File {file} does not exist")),
        _ => Failure::new(DATA, format!("cannot read {file}: {why}")),
    })?;
    let document =
        serde_json::from_str(&text).map_err(|why| Failure::new(DATA, format!("JSON decoding error. Reason: {why}")))?;
    context.client.post("definitions", &document)?;
    Ok(Output::Text("Successfully imported the definitions.".to_owned()))
}

fn check_format(context: &Context<'_>) -> Result<()> {
    match context.call.option("format") {
        None | Some("json" | "JSON") => Ok(()),
        Some(other) => Err(Failure::new(USAGE, format!("definitions are JSON here, not {other}"))),
    }
}
