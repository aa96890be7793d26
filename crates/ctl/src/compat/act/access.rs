//! Users and their passwords.

use std::io;

use auth::Algorithm;
use serde_json::{Value, json};

use super::{Context, Failure, Output, Result};
use crate::{
    client::{Client, Error, TIMEOUT, part},
    compat::failure::{DATA, SOFTWARE},
    target::Target,
};

/// What the API tells a user who is known but may not administer.
const NO_MANAGER: &str = "Not management user";

pub(crate) fn add_user(context: &Context<'_>) -> Result<Output> {
    let name = context.call.argument(0);
    let password = password(context, 1)?;
    match context.client.get(&user(name)) {
        Ok(_) => return Err(Failure::new(SOFTWARE, format!("User \"{name}\" already exists"))),
        Err(Error::NotFound) => {}
        Err(other) => return Err(other.into()),
    }
    let field = if context.call.flag("pre-hashed-password") { "password_hash" } else { "password" };
    context.client.put(&user(name), &json!({field: password, "tags": []}))?;
    let text = "Done. Don't forget to grant the user permissions to some virtual hosts! See 'rabbitmqctl help set_permissions' to learn more.";
    Ok(Output::Text(text.to_owned()).unless_quiet(context))
}

pub(crate) fn change_password(context: &Context<'_>) -> Result<Output> {
    let password = password(context, 1)?;
    let there = context.client.get(&user(context.call.argument(0)))?;
    put(context, &json!({"password": password, "tags": there["tags"]}))
}

pub(crate) fn clear_password(context: &Context<'_>) -> Result<Output> {
    let there = context.client.get(&user(context.call.argument(0)))?;
    put(context, &json!({"password_hash": "", "tags": there["tags"]}))
}

pub(crate) fn set_user_tags(context: &Context<'_>) -> Result<Output> {
    let mut there = context.client.get(&user(context.call.argument(0)))?;
    there["tags"] = json!(context.call.arguments.get(1..).unwrap_or_default());
    put(context, &there)
}

/// Asks as that user.
pub(crate) fn authenticate_user(context: &Context<'_>) -> Result<Output> {
    let name = context.call.argument(0);
    let mut target = Target::from_env(context.call.url());
    target.user = Some(name.to_owned());
    target.password = password(context, 1)?;
    match Client::new(&target, TIMEOUT).get("whoami") {
        Ok(_) => Ok(Output::Text("Success".to_owned())),
        Err(Error::Refused(reason)) if reason == NO_MANAGER => Ok(Output::Text("Success".to_owned())),
        Err(Error::Refused(_)) => {
            let text = format!("Error: failed to authenticate user \"{name}\"\nuser '{name}' - invalid credentials");
            Err(Failure::new(DATA, text))
        }
        Err(other) => Err(other.into()),
    }
}

pub(crate) fn hash_password(context: &Context<'_>) -> Result<Output> {
    let password = password(context, 0)?;
    Ok(Output::Text(auth::encode_hash(&auth::hash_password(Algorithm::Sha256, password.as_bytes()))))
}

pub(crate) fn update_vhost(context: &Context<'_>) -> Result<Output> {
    let path = format!("vhosts/{}", part(context.call.argument(0)));
    context.client.get(&path)?;
    let mut body = json!({});
    for (option, key) in
        [("description", "description"), ("tags", "tags"), ("default-queue-type", "default_queue_type")]
    {
        if let Some(text) = context.call.option(option) {
            body[key] = text.into();
        }
    }
    context.client.put(&path, &body)?;
    Ok(Output::Nothing)
}

fn user(name: &str) -> String {
    format!("users/{}", part(name))
}

fn put(context: &Context<'_>, body: &Value) -> Result<Output> {
    context.client.put(&user(context.call.argument(0)), body)?;
    Ok(Output::Nothing)
}

/// The argument, or else a line of standard input, where other processes do not see it.
fn password(context: &Context<'_>, at: usize) -> Result<String> {
    if let Some(password) = context.call.arguments.get(at) {
        return Ok(password.clone());
    }
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|why| Failure::new(DATA, format!("cannot read the password: {why}")))?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::new(DATA, "password cannot be blank: give it as an argument or on standard input"));
    }
    Ok(password.to_owned())
}

impl Output {
    /// Advice, which quiet calls are spared.
    fn unless_quiet(self, context: &Context<'_>) -> Self {
        if context.call.is_quiet() { Output::Nothing } else { self }
    }
}
