//! Documents become commands, and metadata becomes documents again.

use metadata::{Machine, Reply};
use serde_json::{Value, json};
use types::{ShortStr, Timestamp};

use super::*;

/// An export of RabbitMQ 3.10.8, made with rabbitmqctl: users of all hashes, vhosts, permissions, policies, limits, bindings.
const EXPORTED: &str = include_str!("../../tests/rabbitmq-3.10.8.json");

fn import(machine: &mut Machine, document: &Value) {
    for command in crate::fuzzing::commands(document).unwrap() {
        let (reply, _) = machine.apply(&command, Timestamp(1));
        assert!(!matches!(reply, Reply::Refused(_)), "{command:?}: {reply:?}");
    }
}

fn imported(document: &Value) -> Machine {
    let mut machine = Machine::new();
    import(&mut machine, document);
    machine
}

fn exported(machine: &Machine) -> Value {
    export(machine, None, ("Quorate", "1"), None)
}

/// A list of the document, each item only with the keys that were in the original.
fn like(original: &Value, now: &Value, list: &str, id: &[&str]) {
    for item in original[list].as_array().unwrap() {
        let same = |other: &&Value| id.iter().all(|key| other[*key] == item[*key]);
        let other = now[list].as_array().unwrap().iter().find(same);
        let other = other.unwrap_or_else(|| panic!("{list}: {item} is missing"));
        for (key, value) in item.as_object().unwrap() {
            assert_eq!(other.get(key), Some(value), "{list}: {key} of {item}");
        }
    }
}

#[test]
fn an_export_of_rabbitmq_comes_in_and_out_again() {
    let original: Value = serde_json::from_str(EXPORTED).unwrap();
    let now = exported(&imported(&original));
    like(&original, &now, "users", &["name"]);
    like(&original, &now, "permissions", &["user", "vhost"]);
    like(&original, &now, "topic_permissions", &["user", "vhost"]);
    let mut parameters = original.clone();
    // This one it writes as a list of pairs, where it writes other policies as objects.
    for parameter in parameters["parameters"].as_array_mut().unwrap() {
        if parameter["component"] == "operator_policy" {
            parameter["value"]["definition"] = json!({"max-length": 1000});
        }
    }
    like(&parameters, &now, "parameters", &["component", "name"]);
    like(&original, &now, "policies", &["vhost", "name"]);
    like(&original, &now, "queues", &["vhost", "name"]);
    like(&original, &now, "exchanges", &["vhost", "name"]);
    like(&original, &now, "bindings", &["vhost", "source", "destination", "routing_key"]);
}

#[test]
fn users_of_an_export_of_rabbitmq_can_log_in() {
    let machine = imported(&serde_json::from_str(EXPORTED).unwrap());
    for (user, password, algorithm) in
        [("alice", "wonder-land", auth::Algorithm::Sha256), ("guest", "guest", auth::Algorithm::Sha256)]
    {
        let stored = machine.user(user.as_bytes()).unwrap().password.clone().unwrap();
        assert!(auth::check_password(Some((algorithm, &stored.salted)), password.as_bytes()), "{user}");
        assert!(!auth::check_password(Some((algorithm, &stored.salted)), b"another"), "{user}");
    }
}

#[test]
fn an_import_may_be_repeated() {
    let original: Value = serde_json::from_str(EXPORTED).unwrap();
    let mut machine = imported(&original);
    let once = exported(&machine);
    import(&mut machine, &original);
    assert_eq!(exported(&machine), once);
}

#[test]
fn an_export_imported_elsewhere_exports_the_same() {
    let once = exported(&imported(&serde_json::from_str(EXPORTED).unwrap()));
    assert_eq!(exported(&imported(&once)), once);
}

#[test]
fn tags_of_older_exports_are_one_text() {
    let document = json!({"users": [{"name": "u", "password_hash": "", "tags": "administrator, monitoring"}]});
    let machine = imported(&document);
    let tags: Vec<String> = machine.user(b"u").unwrap().tags.iter().map(ShortStr::to_string).collect();
    assert_eq!(tags, ["administrator", "monitoring"]);
}

#[test]
fn a_document_of_one_vhost_goes_into_the_vhost_that_is_asked() {
    let document = json!({"queues": [{"name": "q", "durable": true, "auto_delete": false, "arguments": {}}]});
    let vhost = ShortStr::from_static("other");
    let steps = plan(&document, Some(&vhost)).unwrap();
    let Step::Queue(queue) = &steps[0].step else { panic!("{steps:?}") };
    assert_eq!(queue.vhost, "other");
}

#[test]
fn a_document_that_cannot_be_understood_is_refused_as_a_whole_and_by_item() {
    let error = |document: Value| plan(&document, None).unwrap_err().to_string();
    assert_eq!(error(json!([])), "definitions: they have to be an object");
    assert_eq!(error(json!({"queues": {}})), "queues: they have to be a list");
    assert_eq!(error(json!({"queues": [{"vhost": "/"}]})), "queues[0]: 'name' is missing");
    assert_eq!(
        error(json!({"users": [{"name": "u", "password_hash": "x", "tags": []}]})),
        "users[0]: password hash is not base64"
    );
    let pattern = json!({"permissions": [{"user": "u", "vhost": "/", "configure": "(", "write": "", "read": ""}]});
    assert!(error(pattern).starts_with("permissions[0]: 'configure'"));
}
