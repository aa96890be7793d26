//! What the commands do: requests to the HTTP API.

pub(super) mod access;
pub(super) mod checks;
pub(super) mod limits;
pub(super) mod node;
pub(super) mod resources;
pub(super) mod status;
pub(super) mod things;

use serde_json::{Map, Value};

use super::{
    call::Call,
    failure::{Failure, Result},
    format::Output,
    table::{Action, Field},
};
use crate::client::{Client, Error, part};

/// A call, and the node that it goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) call: &'a Call,
    pub(crate) client: &'a Client,
}

impl Context<'_> {
    /// The items of a list.
    fn items(&self, path: &str) -> Result<Vec<Value>> {
        match self.client.get(path)? {
            Value::Array(items) => Ok(items),
            other => Err(Failure::unavailable(format!("the node answered {path} with {other}"))),
        }
    }

    fn fill(&self, template: &str) -> String {
        self.call.fill(template, self.client.node())
    }
}

/// Does it.
pub(super) fn act(call: &Call, client: &Client) -> Result<Output> {
    let context = Context { call, client };
    match request(&context) {
        Err(failure) if failure.is_missing => Err(explain(&context, failure)),
        done => done,
    }
}

fn request(context: &Context<'_>) -> Result<Output> {
    let Context { call, client } = context;
    match call.command.action {
        Action::Put(path, fields) => {
            client.put(&call.path(path), &body(call, fields)?)?;
            Ok(Output::Nothing)
        }
        Action::Delete(path) => {
            client.delete(&call.path(path), None)?;
            Ok(Output::Nothing)
        }
        Action::List(listing) => {
            let mut items = context.items(&call.path(listing.path))?;
            items.retain(|item| (listing.is_wanted)(call, item));
            let asked = call.arguments.get(call.command.arguments.len()..).unwrap_or_default();
            Ok(Output::Rows(listing.columns(asked), items))
        }
        Action::Run(run) => run(context),
        Action::Refuse(instead) => Err(Failure::unavailable(instead)),
    }
}

/// What it is that was not found: the vhost, or what the command names.
fn explain(context: &Context<'_>, failure: Failure) -> Failure {
    let Context { call, client } = context;
    let vhost = call.vhost();
    if let Err(Error::NotFound) = client.get(&format!("vhosts/{}", part(vhost))) {
        return Failure::no_vhost(vhost);
    }
    match call.command.missing {
        Some((code, text)) if text.starts_with("Virtual host") => Failure::plain(code, context.fill(text)),
        Some((code, text)) => Failure::new(code, context.fill(text)),
        None => failure,
    }
}

fn body(call: &Call, fields: &[(&str, Field)]) -> Result<Value> {
    let mut body = Map::new();
    for (name, field) in fields {
        let value = match field {
            Field::Text(template) => Value::String(call.fill(template, "")),
            Field::Json(template) => json(&call.fill(template, ""))?,
            Field::Number(template) => {
                let text = call.fill(template, "");
                let number = text.parse::<i64>();
                number.map_err(|_| Failure::unavailable(format!("{name} '{text}' is not a whole number")))?.into()
            }
            Field::Given(option) => match call.option(option) {
                Some(text) => text.into(),
                None => continue,
            },
        };
        body.insert((*name).to_owned(), value);
    }
    Ok(Value::Object(body))
}

/// A value that was given as text.
fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|why| Failure::unavailable(format!("JSON decoding error. Reason: {why}")))
}

#[cfg(test)]
mod tests;
