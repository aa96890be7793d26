//! What each command does: requests, and the text that follows from the answers.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::{
    Topic,
    arguments::{
        Bindings, Channels, Connections, Consumers, Definitions, Exchanges, Limits, Parameters, Permissions, Policies,
        Queues, TopicPermissions, Users, Vhosts,
    },
    cluster,
};
use crate::{
    client::{Client, part},
    output::{self, Format, columns},
};

/// Does it; returns what to print.
pub(super) fn act(client: &Client, topic: &Topic, format: Format) -> Result<String> {
    let show = |path: &str, paths: &[&str]| shown(client, path, paths, format);
    match topic {
        Topic::Status => Ok(format!("{}\n", serde_json::to_string_pretty(&client.get("overview")?)?)),
        Topic::Nodes => show("nodes", &["name", "id", "running", "address"]),
        Topic::Cluster(command) => cluster::act(client, command, format),
        Topic::Alarms => alarms(client),
        Topic::Vhosts(command) => vhosts(client, command, format),
        Topic::Users(command) => users(client, command, format),
        Topic::Permissions(command) => permissions(client, command, format),
        Topic::TopicPermissions(command) => topic_permissions(client, command, format),
        Topic::Policies(command) => policies(client, command, format),
        Topic::Limits(command) => limits(client, command, format),
        Topic::Parameters(command) => parameters(client, command, format),
        Topic::Queues(command) => queues(client, command, format),
        Topic::Exchanges(command) => exchanges(client, command, format),
        Topic::Bindings(Bindings::List { vhost }) => show(
            &within("bindings", vhost.as_deref()),
            &["vhost", "source", "destination_type", "destination", "routing_key", "arguments"],
        ),
        Topic::Connections(command) => connections(client, command, format),
        Topic::Channels(Channels::List) => show(
            "channels",
            &[
                "name",
                "user",
                "vhost",
                "prefetch_count",
                "messages_unacknowledged",
                "messages_unconfirmed",
                "consumer_count",
            ],
        ),
        Topic::Consumers(Consumers::List) => show(
            "consumers",
            &[
                "queue.vhost",
                "queue.name",
                "consumer_tag",
                "ack_required",
                "prefetch_count",
                "priority",
                "active",
                "channel_details.name",
            ],
        ),
        Topic::Definitions(command) => definitions(client, command),
    }
}

fn shown(client: &Client, path: &str, paths: &[&str], format: Format) -> Result<String> {
    let answer = client.get(path)?;
    let items = answer.as_array().cloned().unwrap_or_default();
    Ok(output::list(&items, &columns(paths), format))
}

fn within(kind: &str, vhost: Option<&str>) -> String {
    vhost.map_or_else(|| kind.to_owned(), |vhost| format!("{kind}/{}", part(vhost)))
}

fn done() -> Result<String> {
    Ok(String::new())
}

fn parsed(what: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("{what} is not JSON"))
}

fn alarms(client: &Client) -> Result<String> {
    let answer = client.get("health/checks/alarms")?;
    let alarms = answer["alarms"].as_array().cloned().unwrap_or_default();
    if alarms.is_empty() {
        return Ok("no alarms\n".to_owned());
    }
    Ok(alarms.iter().map(|alarm| output::text(alarm) + "\n").collect())
}

fn vhosts(client: &Client, command: &Vhosts, format: Format) -> Result<String> {
    match command {
        Vhosts::List => {
            shown(client, "vhosts", &["name", "description", "tags", "default_queue_type", "tracing", "queues"], format)
        }
        Vhosts::Add { name, description, tags, default_queue_type, tracing, protected } => {
            let body = json!({
                "description": description, "tags": tags, "default_queue_type": default_queue_type, "tracing": tracing,
                "protected_from_deletion": protected,
            });
            client.put(&format!("vhosts/{}", part(name)), &body)?;
            done()
        }
        Vhosts::Delete { name } => {
            client.delete(&format!("vhosts/{}", part(name)), None)?;
            done()
        }
    }
}

fn users(client: &Client, command: &Users, format: Format) -> Result<String> {
    let path = |name: &str| format!("users/{}", part(name));
    match command {
        Users::List => return shown(client, "users", &["name", "tags", "limits"], format),
        Users::Add { name, password, tags } => client.put(&path(name), &json!({"password": password, "tags": tags}))?,
        Users::Password { name, password } => {
            let there = client.get(&path(name))?;
            client.put(&path(name), &json!({"password": password, "tags": there["tags"]}))?;
        }
        Users::Tags { name, tags } => {
            let mut there = client.get(&path(name))?;
            there["tags"] = json!(tags);
            client.put(&path(name), &there)?;
        }
        Users::Delete { name } => client.delete(&path(name), None)?,
    }
    done()
}

fn permissions(client: &Client, command: &Permissions, format: Format) -> Result<String> {
    match command {
        Permissions::List => {
            return shown(client, "permissions", &["vhost", "user", "configure", "write", "read"], format);
        }
        Permissions::Set { user, configure, write, read, vhost } => {
            let body = json!({"configure": configure, "write": write, "read": read});
            client.put(&format!("permissions/{}/{}", part(vhost), part(user)), &body)?;
        }
        Permissions::Clear { user, vhost } => {
            client.delete(&format!("permissions/{}/{}", part(vhost), part(user)), None)?;
        }
    }
    done()
}

fn topic_permissions(client: &Client, command: &TopicPermissions, format: Format) -> Result<String> {
    match command {
        TopicPermissions::List => {
            return shown(client, "topic-permissions", &["vhost", "user", "exchange", "write", "read"], format);
        }
        TopicPermissions::Set { user, exchange, write, read, vhost } => {
            let body = json!({"exchange": exchange, "write": write, "read": read});
            client.put(&format!("topic-permissions/{}/{}", part(vhost), part(user)), &body)?;
        }
        TopicPermissions::Clear { user, vhost } => {
            client.delete(&format!("topic-permissions/{}/{}", part(vhost), part(user)), None)?;
        }
    }
    done()
}

fn policies(client: &Client, command: &Policies, format: Format) -> Result<String> {
    let kind = |operator: bool| if operator { "operator-policies" } else { "policies" };
    match command {
        Policies::List { operator } => {
            let paths = ["vhost", "name", "pattern", "apply-to", "priority", "definition"];
            return shown(client, kind(*operator), &paths, format);
        }
        Policies::Set { name, pattern, definition, priority, apply_to, operator, vhost } => {
            let definition = parsed("the definition", definition)?;
            let body =
                json!({"pattern": pattern, "definition": definition, "priority": priority, "apply-to": apply_to});
            client.put(&format!("{}/{}/{}", kind(*operator), part(vhost), part(name)), &body)?;
        }
        Policies::Clear { name, operator, vhost } => {
            client.delete(&format!("{}/{}/{}", kind(*operator), part(vhost), part(name)), None)?;
        }
    }
    done()
}

fn limits(client: &Client, command: &Limits, format: Format) -> Result<String> {
    match command {
        Limits::List => {
            let vhosts = client.get("vhost-limits")?;
            let users = client.get("user-limits")?;
            let both = [vhosts, users].into_iter().flat_map(|list| list.as_array().cloned().unwrap_or_default());
            return Ok(output::list(&both.collect::<Vec<_>>(), &columns(&["vhost", "user", "value"]), format));
        }
        Limits::SetVhost { vhost, limit, value } => {
            client.put(&format!("vhost-limits/{}/{}", part(vhost), part(limit)), &json!({"value": value}))?;
        }
        Limits::ClearVhost { vhost, limit } => {
            client.delete(&format!("vhost-limits/{}/{}", part(vhost), part(limit)), None)?;
        }
        Limits::SetUser { user, limit, value } => {
            client.put(&format!("user-limits/{}/{}", part(user), part(limit)), &json!({"value": value}))?;
        }
        Limits::ClearUser { user, limit } => {
            client.delete(&format!("user-limits/{}/{}", part(user), part(limit)), None)?;
        }
        Limits::SetNode { memory_high_watermark, memory, disk_free } => {
            let mut body = Map::new();
            let mut put = |key: &str, value: Option<Value>| drop(value.map(|value| body.insert(key.to_owned(), value)));
            put("memory_high_watermark", memory_high_watermark.map(Value::from));
            put("memory_high_watermark_bytes", memory.map(Value::from));
            put("disk_free_limit_bytes", disk_free.map(Value::from));
            client.put("resource-limits", &Value::Object(body))?;
        }
    }
    done()
}

fn parameters(client: &Client, command: &Parameters, format: Format) -> Result<String> {
    let path = |component: &str, vhost: &str, name: &str| {
        format!("parameters/{}/{}/{}", part(component), part(vhost), part(name))
    };
    match command {
        Parameters::List => return shown(client, "parameters", &["vhost", "component", "name", "value"], format),
        Parameters::ListGlobal => return shown(client, "global-parameters", &["name", "value"], format),
        Parameters::Set { component, name, value, vhost } => {
            let body = json!({"value": parsed("the value", value)?});
            client.put(&path(component, vhost, name), &body)?;
        }
        Parameters::Clear { component, name, vhost } => client.delete(&path(component, vhost, name), None)?,
        Parameters::SetGlobal { name, value } => {
            let body = json!({"value": parsed("the value", value)?});
            client.put(&format!("global-parameters/{}", part(name)), &body)?;
        }
        Parameters::ClearGlobal { name } => client.delete(&format!("global-parameters/{}", part(name)), None)?,
    }
    done()
}

fn queues(client: &Client, command: &Queues, format: Format) -> Result<String> {
    let path = |vhost: &str, name: &str| format!("queues/{}/{}", part(vhost), part(name));
    match command {
        Queues::List { vhost } => {
            let paths = [
                "vhost",
                "name",
                "type",
                "durable",
                "messages_ready",
                "messages_unacknowledged",
                "consumers",
                "policy",
                "leader",
                "members",
            ];
            return shown(client, &within("queues", vhost.as_deref()), &paths, format);
        }
        Queues::Declare { name, arguments, transient, auto_delete, vhost } => {
            let arguments = parsed("arguments", arguments)?;
            let body = json!({"durable": !transient, "auto_delete": auto_delete, "arguments": arguments});
            client.put(&path(vhost, name), &body)?;
        }
        Queues::Purge { name, vhost } => client.delete(&format!("{}/contents", path(vhost, name)), None)?,
        Queues::Delete { name, if_unused, if_empty, vhost } => {
            let query = format!("?if-unused={if_unused}&if-empty={if_empty}");
            client.delete(&(path(vhost, name) + &query), None)?;
        }
    }
    done()
}

fn exchanges(client: &Client, command: &Exchanges, format: Format) -> Result<String> {
    let path = |vhost: &str, name: &str| format!("exchanges/{}/{}", part(vhost), part(name));
    match command {
        Exchanges::List { vhost } => {
            let paths = ["vhost", "name", "type", "durable", "auto_delete", "internal", "policy", "arguments"];
            return shown(client, &within("exchanges", vhost.as_deref()), &paths, format);
        }
        Exchanges::Declare { name, kind, arguments, auto_delete, internal, vhost } => {
            let arguments = parsed("arguments", arguments)?;
            let body = json!({"type": kind, "auto_delete": auto_delete, "internal": internal, "arguments": arguments});
            client.put(&path(vhost, name), &body)?;
        }
        Exchanges::Delete { name, if_unused, vhost } => {
            client.delete(&format!("{}?if-unused={if_unused}", path(vhost, name)), None)?;
        }
    }
    done()
}

fn connections(client: &Client, command: &Connections, format: Format) -> Result<String> {
    match command {
        Connections::List => {
            let paths = [
                "name",
                "node",
                "user",
                "vhost",
                "state",
                "channels",
                "protocol",
                "user_provided_name",
                "recv_oct",
                "send_oct",
            ];
            shown(client, "connections", &paths, format)
        }
        Connections::Close { name, reason } => {
            client.delete(&format!("connections/{}", part(name)), Some(reason))?;
            done()
        }
    }
}

fn definitions(client: &Client, command: &Definitions) -> Result<String> {
    match command {
        Definitions::Export { file, vhost } => {
            let text = serde_json::to_string_pretty(&client.get(&within("definitions", vhost.as_deref()))?)? + "\n";
            match file.as_deref() {
                None => Ok(text),
                Some(file) if file == Path::new("-") => Ok(text),
                Some(file) => {
                    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
                    done()
                }
            }
        }
        Definitions::Import { file, vhost } => {
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            client.post(&within("definitions", vhost.as_deref()), &parsed("the file", &text)?)?;
            done()
        }
    }
}
