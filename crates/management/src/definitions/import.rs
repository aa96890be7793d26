//! Definitions as commands.

use auth::Algorithm;
use metadata::{
    Bind, ClusterLimit, Command, ConnectionId, DeclareExchange, HashAlgorithm, PasswordHash, Permissions,
    PutGlobalParameter, PutParameter, PutPolicy, PutUser, PutVhost, QueueType, SetPermissions, SetTopicPermissions,
    SetUserLimit, SetVhostLimit, Target, TopicPermissions, UserLimit, VhostDefaults, VhostLimit,
};
use serde_json::{Map, Value};
use types::{FieldTable, ShortStr};

use super::HASH;
use crate::fields;

/// What a document asks for cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what}: {why}")]
pub(crate) struct DefinitionsError {
    /// The item, in words.
    what: String,
    why: String,
}

/// One step of an import.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    /// What it is about, for messages: `queue 'q' in vhost '/'`.
    pub(crate) what: String,
    /// What is to be done.
    pub(crate) step: Step,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// A change of metadata as it stands here.
    Change(Box<Command>),
    /// A queue, whose place has to be chosen.
    Queue(QueueDefinition),
}

/// A queue as a document declares it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueueDefinition {
    /// Its vhost.
    pub(crate) vhost: ShortStr,
    /// Its name.
    pub(crate) name: ShortStr,
    /// Whether it outlives restarts.
    pub(crate) durable: bool,
    /// Whether it goes with its last consumer.
    pub(crate) auto_delete: bool,
    /// Its arguments.
    pub(crate) arguments: FieldTable,
}

type Result<T> = std::result::Result<T, DefinitionsError>;

/// The steps of an import, in the order in which they depend on each other. `only` is the vhost that a document of a single
/// vhost is for: its items name none, or another.
///
/// # Errors
/// For the first item that cannot be understood; then nothing was done yet.
pub(crate) fn plan(document: &Value, only: Option<&ShortStr>) -> Result<Vec<Planned>> {
    let Value::Object(document) = document else {
        return Err(DefinitionsError { what: "definitions".to_owned(), why: "they have to be an object".to_owned() });
    };
    let mut steps = Vec::new();
    let mut each = |key: &'static str, read: fn(&Item<'_>, &mut Vec<Planned>) -> Result<()>| -> Result<()> {
        let items = match document.get(key) {
            Some(Value::Array(items)) => items.as_slice(),
            Some(Value::Null) | None => &[],
            Some(_) => {
                return Err(DefinitionsError { what: key.to_owned(), why: "they have to be a list".to_owned() });
            }
        };
        for (at, value) in items.iter().enumerate() {
            let what = || format!("{key}[{at}]");
            let Value::Object(fields) = value else {
                return Err(DefinitionsError { what: what(), why: "it has to be an object".to_owned() });
            };
            read(&Item { what: what(), fields, only }, &mut steps)?;
        }
        Ok(())
    };
    if only.is_none() {
        each("vhosts", vhost)?;
        each("users", user)?;
        each("permissions", permissions)?;
        each("topic_permissions", topic_permissions)?;
        each("global_parameters", global_parameter)?;
    }
    each("parameters", parameter)?;
    each("policies", policy)?;
    each("exchanges", exchange)?;
    each("queues", queue)?;
    each("bindings", binding)?;
    Ok(steps)
}

/// One item of a list.
struct Item<'a> {
    what: String,
    fields: &'a Map<String, Value>,
    only: Option<&'a ShortStr>,
}

impl Item<'_> {
    fn error(&self, why: impl Into<String>) -> DefinitionsError {
        DefinitionsError { what: self.what.clone(), why: why.into() }
    }

    fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.fields.get(key) {
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Null) | None => Ok(None),
            Some(_) => Err(self.error(format!("'{key}' has to be text"))),
        }
    }

    fn needed(&self, key: &str) -> Result<&str> {
        self.text(key)?.ok_or_else(|| self.error(format!("'{key}' is missing")))
    }

    fn name(&self, key: &str) -> Result<ShortStr> {
        self.short(key, self.needed(key)?)
    }

    fn short(&self, key: &str, text: &str) -> Result<ShortStr> {
        ShortStr::copy_from(text).map_err(|_| self.error(format!("'{key}' is longer than 255 bytes")))
    }

    fn vhost(&self) -> Result<ShortStr> {
        match self.only {
            Some(vhost) => Ok(vhost.clone()),
            None => self.name("vhost"),
        }
    }

    fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.fields.get(key) {
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::Null) | None => Ok(None),
            Some(_) => Err(self.error(format!("'{key}' has to be true or false"))),
        }
    }

    fn table(&self, key: &str) -> Result<FieldTable> {
        fields::from_json(self.fields.get(key).unwrap_or(&Value::Null))
            .map_err(|why| self.error(format!("'{key}': {why}")))
    }

    /// Tags: a list, or in older exports one text with commas.
    fn tags(&self, fields: &Map<String, Value>) -> Result<Option<Vec<ShortStr>>> {
        let words: Vec<&str> = match fields.get("tags") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect(),
            Some(Value::Array(items)) => {
                let words = items.iter().map(|item| item.as_str().ok_or_else(|| self.error("'tags' have to be text")));
                words.collect::<Result<_>>()?
            }
            Some(_) => return Err(self.error("'tags' have to be a list")),
        };
        words.into_iter().map(|word| self.short("tags", word)).collect::<Result<_>>().map(Some)
    }

    fn integers(&self, key: &str) -> Result<Vec<(&str, i64)>> {
        let Some(Value::Object(limits)) = self.fields.get(key) else { return Ok(Vec::new()) };
        let number = |(name, value): (&'_ String, &Value)| match value.as_i64() {
            Some(value) => Ok(value),
            None => Err(self.error(format!("'{name}' has to be a number"))),
        };
        limits.iter().map(|(name, value)| Ok((name.as_str(), number((name, value))?))).collect()
    }

    fn json(&self) -> Result<String> {
        self.fields.get("value").map(Value::to_string).ok_or_else(|| self.error("'value' is missing"))
    }
}

fn change(steps: &mut Vec<Planned>, what: String, command: Command) {
    steps.push(Planned { what, step: Step::Change(Box::new(command)) });
}

fn vhost(item: &Item<'_>, steps: &mut Vec<Planned>) -> Result<()> {
    let name = item.name("name")?;
    let empty = Map::new();
    let inner = match item.fields.get("metadata") {
        Some(Value::Object(inner)) => inner,
        _ => &empty,
    };
    let either = |key: &str| item.fields.get(key).or_else(|| inner.get(key)).and_then(Value::as_str);
    let default_queue_type = match either("default_queue_type") {
        // "undefined" is what RabbitMQ writes when there is none.
        Some("undefined") | None => None,
        Some(text) => {
            Some(QueueType::parse(text.as_bytes()).ok_or_else(|| item.error(format!("no queue type '{text}'")))?)
        }
    };
    let tags = match item.tags(item.fields)? {
        Some(tags) => Some(tags),
        None => item.tags(inner)?,
    };
    let put = PutVhost {
        vhost: name.clone(),
        description: either("description").map(str::to_owned),
        tags,
        default_queue_type,
        tracing: item.flag("tracing")?,
        protected: item.flag("protected_from_deletion")?,
        defaults: VhostDefaults::default(),
    };
    change(steps, format!("vhost '{name}'"), Command::PutVhost(put));
    for limits in item.fields.get("limits").and_then(Value::as_array).into_iter().flatten() {
        // An object with name and value, or in older exports a pair.
        let limit = limits.get("name").or_else(|| limits.get(0)).and_then(Value::as_str);
        let value = limits.get("value").or_else(|| limits.get(1)).and_then(Value::as_i64);
        if let (Some(limit), Some(value)) = (limit, value) {
            set_vhost_limit(item, &name, limit, Some(value), steps)?;
        }
    }
    Ok(())
}

fn set_vhost_limit(
    item: &Item<'_>,
    vhost: &ShortStr,
    limit: &str,
    value: Option<i64>,
    steps: &mut Vec<Planned>,
) -> Result<()> {
    let limit = VhostLimit::parse(limit.as_bytes()).ok_or_else(|| item.error(format!("no limit '{limit}'")))?;
    let set = SetVhostLimit { vhost: vhost.clone(), limit, value };
    change(steps, format!("limit '{}' of vhost '{vhost}'", limit.as_str()), Command::SetVhostLimit(set));
    Ok(())
}

fn user(item: &Item<'_>, steps: &mut Vec<Planned>) -> Result<()> {
    let name = item.name("name")?;
    let put =
        PutUser { user: name.clone(), password: password(item)?, tags: item.tags(item.fields)?.unwrap_or_default() };
    change(steps, format!("user '{name}'"), Command::PutUser(put));
    for (limit, value) in item.integers("limits")? {
        let limit = UserLimit::parse(limit.as_bytes()).ok_or_else(|| item.error(format!("no limit '{limit}'")))?;
        let set = SetUserLimit { user: name.clone(), limit, value: Some(value) };
        change(steps, format!("limit '{}' of user '{name}'", limit.as_str()), Command::SetUserLimit(set));
    }
    Ok(())
}

fn password(item: &Item<'_>) -> Result<Option<PasswordHash>> {
    if let Some(password) = item.text("password")? {
        let salted = auth::hash_password(Algorithm::Sha256, password.as_bytes());
        return Ok(Some(PasswordHash { algorithm: HashAlgorithm::Sha256, salted }));
    }
    let text = match item.text("password_hash")? {
        Some("") | None => return Ok(None),
        Some(text) => text,
    };
    // Exports of before 3.6 name no algorithm.
    let name = item.text("hashing_algorithm")?.unwrap_or(Algorithm::Md5.as_str());
    let algorithm = Algorithm::parse(name).ok_or_else(|| item.error(format!("no hashing algorithm '{name}'")))?;
    let salted = auth::decode_hash(algorithm, text).map_err(|why| item.error(why.to_string()))?;
    let algorithm = match algorithm {
        Algorithm::Sha256 => HashAlgorithm::Sha256,
        Algorithm::Sha512 => HashAlgorithm::Sha512,
        Algorithm::Md5 => HashAlgorithm::Md5,
    };
    Ok(Some(PasswordHash { algorithm, salted }))
}

fn permissions(item: &Item<'_>, steps: &mut Vec<Planned>) -> Result<()> {
    let (user, vhost) = (item.name("user")?, item.vhost()?);
    let pattern = |key| checked_pattern(item, key);
    let permissions =
        Permissions { configure: pattern("configure")?, write: pattern("write")?, read: pattern("read")? };
    let what = format!("permissions of user '{user}' in vhost '{vhost}'");
    change(steps, what, Command::SetPermissions(SetPermissions { user, vhost, permissions }));
    Ok(())
}

fn topic_permissions(item: &Item<'_>, steps: &mut Vec<Planned>) -> Result<()> {
    let (user, vhost, exchange) = (item.name("user")?, item.vhost()?, item.name("exchange")?);
    let permissions = TopicPermissions { write: topic_pattern(item, "write")?, read: topic_pattern(item, "read")? };
    let what = format!("topic permissions of user '{user}' in vhost '{vhost}'");
    let set = SetTopicPermissions { user, vhost, exchange, permissions };
    change(steps, what, Command::SetTopicPermissions(set));
    Ok(())
}

/// A pattern, checked: the machine takes patterns at their word.
fn checked_pattern(item: &Item<'_>, key: &str) -> Result<String> {
    let text = item.needed(key)?;
    auth::Pattern::new(text).map_err(|why| item.error(format!("'{key}': {why}")))?;
    Ok(text.to_owned())
}

/// As [`checked_pattern`], with variables such as `{username}`.
fn topic_pattern(item: &Item<'_>, key: &str) -> Result<String> {
    let text = item.needed(key)?;
    auth::check_topic_pattern(text).map_err(|why| item.error(format!("'{key}': {why}")))?;
    Ok(text.to_owned())
}

fn global_parameter(item: &Item<'_>, steps: &mut Vec<Planned>) -> Result<()> {
    let name = item.name("name")?;
    // What describes the cluster that the document comes from is not carried over.
    if name == "internal_cluster_id" || name == HASH || name == "cluster_tags" && item.fields.get("value").is_none() {
        return Ok(());
    }
    let is_limit =
        [ClusterLimit::Queues, ClusterLimit::Exchanges, ClusterLimit::Vhosts].iter().any(|l| name == l.as_str());
    if is_limit && item.fields.get("value").is_some_and(|value| value.as_i64().is_none()) {
        return Err(item.error("a limit has to be a number"));
    }
    let put = PutGlobalParameter { name: name.clone(), value: item.json()? };
    change(steps, format!("global parameter '{name}'"), Command::PutGlobalParameter(put));
    Ok(())
}

fn parameter(item: &Item<'_>, steps: &mut Vec<Planned>) -> Result<()> {
    let (vhost, component, name) = (item.vhost()?, item.name("component")?, item.name("name")?);
    let value = item.fields.get("value").ok_or_else(|| item.error("'value' is missing"))?;
    match component.as_bytes() {
        b"vhost-limits" => {
            for (limit, value) in item.integers("value")? {
                set_vhost_limit(item, &vhost, limit, Some(value), steps)?;
            }
        }
        b"operator_policy" => {
            let Value::Object(fields) = value else { return Err(item.error("'value' has to be an object")) };
            let inner = Item { what: item.what.clone(), fields, only: item.only };
            put_policy(&inner, vhost, name, true, steps)?;
        }
        _ => {
            let what = format!("parameter '{name}' of component '{component}' in vhost '{vhost}'");
            let put = PutParameter { vhost, component, name, value: item.json()? };
            change(steps, what, Command::PutParameter(put));
        }
    }
    Ok(())
}

fn policy(item: &Item<'_>, steps: &mut Vec<Planned>) -> Result<()> {
    put_policy(item, item.vhost()?, item.name("name")?, false, steps)
}

fn put_policy(
    item: &Item<'_>,
    vhost: ShortStr,
    name: ShortStr,
    operator: bool,
    steps: &mut Vec<Planned>,
) -> Result<()> {
    let priority = match item.fields.get("priority") {
        None | Some(Value::Null) => 0,
        Some(value) => value.as_i64().ok_or_else(|| item.error("'priority' has to be a number"))?,
    };
    let apply_to = item.short("apply-to", item.text("apply-to")?.unwrap_or("all"))?;
    let what = format!("{} '{name}' in vhost '{vhost}'", if operator { "operator policy" } else { "policy" });
    let put = PutPolicy {
        vhost,
        name,
        pattern: item.needed("pattern")?.to_owned(),
        priority,
        apply_to,
        definition: item.table("definition")?,
        operator,
    };
    change(steps, what, Command::PutPolicy(put));
    Ok(())
}

fn exchange(item: &Item<'_>, steps: &mut Vec<Planned>) -> Result<()> {
    let (vhost, name) = (item.vhost()?, item.name("name")?);
    // Predeclared ones are there; the default exchange cannot be declared.
    if name.is_empty() || name.as_bytes().starts_with(b"amq.") {
        return Ok(());
    }
    let what = format!("exchange '{name}' in vhost '{vhost}'");
    let declare = DeclareExchange {
        vhost,
        name,
        kind: item.name("type")?,
        durable: item.flag("durable")?.unwrap_or(true),
        auto_delete: item.flag("auto_delete")?.unwrap_or(false),
        internal: item.flag("internal")?.unwrap_or(false),
        arguments: item.table("arguments")?,
        history: None,
    };
    change(steps, what, Command::DeclareExchange(declare));
    Ok(())
}

fn queue(item: &Item<'_>, steps: &mut Vec<Planned>) -> Result<()> {
    let definition = QueueDefinition {
        vhost: item.vhost()?,
        name: item.name("name")?,
        durable: item.flag("durable")?.unwrap_or(true),
        auto_delete: item.flag("auto_delete")?.unwrap_or(false),
        arguments: item.table("arguments")?,
    };
    let what = format!("queue '{}' in vhost '{}'", definition.name, definition.vhost);
    steps.push(Planned { what, step: Step::Queue(definition) });
    Ok(())
}

fn binding(item: &Item<'_>, steps: &mut Vec<Planned>) -> Result<()> {
    let (vhost, source, destination) = (item.vhost()?, item.name("source")?, item.name("destination")?);
    let kind = item.needed("destination_type")?;
    let what = format!("binding from '{source}' to {kind} '{destination}' in vhost '{vhost}'");
    // Bindings of the default exchange are implicit.
    if source.is_empty() {
        return Ok(());
    }
    let destination = match kind {
        "queue" => Target::Queue(destination),
        "exchange" => Target::Exchange(destination),
        other => return Err(item.error(format!("no destination type '{other}'"))),
    };
    let routing_key = item.short("routing_key", item.text("routing_key")?.unwrap_or_default())?;
    let arguments = item.table("arguments")?;
    let bind = Bind { vhost, source, destination, routing_key, arguments, connection: ConnectionId::default() };
    change(steps, what, Command::Bind(bind));
    Ok(())
}
