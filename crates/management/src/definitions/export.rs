//! Metadata as definitions.

use auth::Algorithm;
use metadata::{
    BindingRef, Destination, Exchange, HashAlgorithm, Machine, PasswordHash, Policy, Queue, QueueType, User, UserLimit,
    Vhost, VhostLimit,
};
use serde_json::{Map, Value, json};
use types::ShortStr;

use super::HASH;
use crate::fields;

/// All definitions, or those of one vhost. `default` is the type of queues in vhosts without a default of their own.
pub(crate) fn export(
    machine: &Machine,
    only: Option<&str>,
    product: (&str, &str),
    default: Option<QueueType>,
) -> Value {
    let vhosts: Vec<&Vhost> = machine.vhosts().filter(|vhost| only.is_none_or(|name| vhost.name == name)).collect();
    let mut document = Map::new();
    let mut put = |key: &str, value: Value| drop(document.insert(key.to_owned(), value));
    put("product_name", json!(product.0));
    put("product_version", json!(product.1));
    if only.is_none() {
        put("rabbitmq_definition_format", json!("cluster"));
        put("users", machine.users().map(user).collect());
        put("vhosts", vhosts.iter().map(|one| vhost(one, default)).collect());
        put(
            "permissions",
            machine
                .all_permissions()
                .map(|(user, vhost, permissions)| {
                    json!({
                        "user": user.to_string(), "vhost": vhost.to_string(), "configure": permissions.configure,
                        "write": permissions.write, "read": permissions.read,
                    })
                })
                .collect(),
        );
        put("topic_permissions", machine.all_topic_permissions().map(|topic| json!({
            "user": topic.user.to_string(), "vhost": topic.vhost.to_string(), "exchange": topic.exchange.to_string(),
            "write": topic.permissions.write, "read": topic.permissions.read,
        })).collect());
        let global = machine.global_parameters().filter(|(name, _)| **name != HASH);
        put(
            "global_parameters",
            global.map(|(name, value)| json!({"name": name.to_string(), "value": parsed(value)})).collect(),
        );
    } else {
        put("rabbitmq_definition_format", json!("single_virtual_host"));
    }
    put("parameters", parameters(machine, &vhosts));
    put("policies", per_vhost(&vhosts, |vhost| machine.policies(vhost.name.as_bytes(), false).map(policy).collect()));
    put(
        "queues",
        per_vhost(&vhosts, |vhost| {
            let queues = machine.queues_in_vhost(vhost.name.as_bytes());
            queues.filter(|queue| queue.owner.is_none()).map(queue_definition).collect()
        }),
    );
    put(
        "exchanges",
        per_vhost(&vhosts, |vhost| {
            let exchanges = machine.exchanges(vhost.name.as_bytes());
            exchanges
                .filter(|exchange| !exchange.name.as_bytes().starts_with(b"amq."))
                .map(exchange_definition)
                .collect()
        }),
    );
    put(
        "bindings",
        per_vhost(&vhosts, |vhost| {
            let bindings = machine.bindings(vhost.name.as_bytes());
            bindings.filter_map(|one| binding_definition(machine, &vhost.name, one)).collect()
        }),
    );
    Value::Object(document)
}

/// A user, with the hash of its password.
pub(crate) fn user(user: &User) -> Value {
    let mut limits = Map::new();
    for limit in UserLimit::ALL {
        if let Some(value) = user.limits.get(limit) {
            limits.insert(limit.as_str().to_owned(), value.into());
        }
    }
    let (hash, algorithm) = hash(user.password.as_ref());
    let tags: Vec<String> = user.tags.iter().map(ShortStr::to_string).collect();
    json!({"name": user.name.to_string(), "password_hash": hash, "hashing_algorithm": algorithm, "tags": tags, "limits": limits})
}

fn hash(password: Option<&PasswordHash>) -> (String, &'static str) {
    let algorithm = match password.map(|hash| hash.algorithm) {
        Some(HashAlgorithm::Sha256) | None => Algorithm::Sha256,
        Some(HashAlgorithm::Sha512) => Algorithm::Sha512,
        Some(HashAlgorithm::Md5) => Algorithm::Md5,
    };
    (password.map(|hash| auth::encode_hash(&hash.salted)).unwrap_or_default(), algorithm.as_str())
}

/// A vhost. As in RabbitMQ it shows the type that its queues get, whether it is its own or the one of all vhosts.
pub(crate) fn vhost(vhost: &Vhost, default: Option<QueueType>) -> Value {
    let tags: Vec<String> = vhost.tags.iter().map(ShortStr::to_string).collect();
    let mut metadata = json!({"description": vhost.description, "tags": tags});
    let mut whole = json!({
        "name": vhost.name.to_string(), "description": vhost.description, "tags": tags, "tracing": vhost.tracing,
        "protected_from_deletion": vhost.protected,
    });
    if let Some(default) = vhost.default_queue_type.or(default) {
        metadata["default_queue_type"] = json!(default.as_str());
        whole["default_queue_type"] = json!(default.as_str());
    }
    whole["metadata"] = metadata;
    whole
}

/// A policy, or an operator policy.
pub(crate) fn policy(policy: &Policy) -> Value {
    json!({
        "vhost": policy.vhost.to_string(), "name": policy.name.to_string(), "pattern": policy.pattern.text(),
        "apply-to": policy.apply_to.as_str(), "definition": fields::to_json(&policy.definition), "priority": policy.priority,
    })
}

/// A queue as it was declared.
pub(crate) fn queue(queue: &Queue) -> Value {
    let mut value = queue_definition(queue);
    value["exclusive"] = json!(queue.owner.is_some());
    value
}

fn queue_definition(queue: &Queue) -> Value {
    json!({
        "name": queue.name.to_string(), "vhost": queue.vhost.to_string(), "type": queue.declared_type.as_str(),
        "durable": queue.durable, "auto_delete": queue.auto_delete, "arguments": fields::to_json(&queue.arguments),
    })
}

/// An exchange as it was declared.
pub(crate) fn exchange(exchange: &Exchange) -> Value {
    exchange_definition(exchange)
}

fn exchange_definition(exchange: &Exchange) -> Value {
    json!({
        "name": exchange.name.to_string(), "vhost": exchange.vhost.to_string(), "type": exchange.kind.as_str(),
        "durable": exchange.durable, "auto_delete": exchange.auto_delete, "internal": exchange.internal,
        "arguments": fields::to_json(&exchange.arguments),
    })
}

/// A binding, with the name of the queue that it leads to; `None` when the queue is exclusive or gone.
fn binding_definition(machine: &Machine, vhost: &ShortStr, one: BindingRef<'_>) -> Option<Value> {
    if let Destination::Queue(queue) = one.destination
        && machine.queue_by_id(*queue)?.owner.is_some()
    {
        return None;
    }
    binding(machine, vhost, one)
}

/// A binding; `None` when its queue is gone.
pub(crate) fn binding(machine: &Machine, vhost: &ShortStr, one: BindingRef<'_>) -> Option<Value> {
    let (destination, kind) = match one.destination {
        Destination::Queue(queue) => (machine.queue_by_id(*queue)?.name.to_string(), "queue"),
        Destination::Exchange(name) => (name.to_string(), "exchange"),
    };
    Some(json!({
        "source": one.source.to_string(), "vhost": vhost.to_string(), "destination": destination,
        "destination_type": kind, "routing_key": one.routing_key.to_string(), "arguments": fields::to_json(one.arguments),
    }))
}

/// Runtime parameters, and what RabbitMQ keeps among them: limits of vhosts and operator policies.
fn parameters(machine: &Machine, vhosts: &[&Vhost]) -> Value {
    let is_wanted = |name: &ShortStr| vhosts.iter().any(|vhost| vhost.name == *name);
    let plain = machine.parameters().filter(|parameter| is_wanted(parameter.vhost)).map(|parameter| {
        json!({
            "vhost": parameter.vhost.to_string(), "component": parameter.component.to_string(),
            "name": parameter.name.to_string(), "value": parsed(parameter.value),
        })
    });
    let limits = vhosts.iter().filter_map(|vhost| {
        let set = VhostLimit::ALL.into_iter().filter_map(|limit| Some((limit, vhost.limits.get(limit)?)));
        let set: Map<String, Value> = set.map(|(limit, value)| (limit.as_str().to_owned(), value.into())).collect();
        (!set.is_empty()).then(
            || json!({"vhost": vhost.name.to_string(), "component": "vhost-limits", "name": "limits", "value": set}),
        )
    });
    let operator = vhosts.iter().flat_map(|vhost| machine.policies(vhost.name.as_bytes(), true)).map(|policy| {
        json!({
            "vhost": policy.vhost.to_string(), "component": "operator_policy", "name": policy.name.to_string(),
            "value": {
                "pattern": policy.pattern.text(), "apply-to": policy.apply_to.as_str(), "priority": policy.priority,
                "definition": fields::to_json(&policy.definition),
            },
        })
    });
    plain.chain(limits).chain(operator).collect()
}

fn per_vhost(vhosts: &[&Vhost], items: impl Fn(&Vhost) -> Vec<Value>) -> Value {
    vhosts.iter().flat_map(|vhost| items(vhost)).collect()
}

/// What was checked to be JSON when it was set.
fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned()))
}
