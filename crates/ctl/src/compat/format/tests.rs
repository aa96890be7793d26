//! Shapes of output, from answers such as the API gives.

use super::*;
use crate::compat::{
    Program,
    table::{Action, find},
};

fn rows(command: &str, columns: &[&str], items: &Value) -> Output {
    let Action::List(listing) = find(Program::Ctl, command).unwrap().action else { panic!("{command} is no list") };
    let asked: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    Output::Rows(listing.columns(&asked), items.as_array().unwrap().clone())
}

fn users() -> Output {
    rows("list_users", &[], &json!([{"name": "guest", "tags": ["administrator"]}, {"name": "u1", "tags": []}]))
}

#[test]
fn lists_look_as_those_of_rabbitmq() {
    assert_eq!(show(&users(), Format::Table, true), "user\ttags\nguest\t[administrator]\nu1\t[]\n");
    assert_eq!(show(&users(), Format::Table, false), "guest\t[administrator]\nu1\t[]\n");
    assert_eq!(show(&users(), Format::Csv, true), "\"user\",\"tags\"\n\"guest\",\"[administrator]\"\n\"u1\",\"[]\"\n");
    let json = show(&users(), Format::Json, true);
    assert_eq!(json, "[\n{\"user\":\"guest\",\"tags\":[\"administrator\"]}\n,{\"user\":\"u1\",\"tags\":[]}\n]\n");
    assert!(serde_json::from_str::<Value>(&json).is_ok());
    assert!(show(&users(), Format::Pretty, true).contains("[administrator]"));
}

#[test]
fn a_list_of_nothing_is_nothing() {
    let none = rows("list_queues", &[], &json!([]));
    assert_eq!(show(&none, Format::Table, true), "");
    assert_eq!(show(&none, Format::Json, true), "[\n]\n");
}

#[test]
fn queues_have_the_columns_that_are_asked_for() {
    let queues = json!([{"name": "q", "messages": 3, "arguments": {"x-max-length": 10, "x-queue-type": "quorum"}}]);
    assert_eq!(show(&rows("list_queues", &[], &queues), Format::Table, true), "name\tmessages\nq\t3\n");
    assert_eq!(
        show(&rows("list_queues", &["arguments", "name", "policy"], &queues), Format::Table, true),
        "arguments\tname\tpolicy\n[{\"x-max-length\",10},{\"x-queue-type\",\"quorum\"}]\tq\t\n"
    );
}

#[test]
fn definitions_of_policies_are_the_text_of_json() {
    let policies = json!([{
        "vhost": "/", "name": "p", "pattern": "^q", "apply-to": "queues", "definition": {"max-length": 10}, "priority": 3,
    }]);
    let policies = rows("list_policies", &[], &policies);
    assert_eq!(
        show(&policies, Format::Table, true),
        "vhost\tname\tpattern\tapply-to\tdefinition\tpriority\n/\tp\t^q\tqueues\t{\"max-length\":10}\t3\n"
    );
    let read: Value = serde_json::from_str(&show(&policies, Format::Json, true)).unwrap();
    assert_eq!(read[0]["definition"], "{\"max-length\":10}");
}

#[test]
fn bindings_say_what_their_ends_are() {
    let bindings =
        json!([{"source": "x", "destination": "q", "destination_type": "queue", "routing_key": "k", "arguments": {}}]);
    assert_eq!(show(&rows("list_bindings", &[], &bindings), Format::Table, false), "x\texchange\tq\tqueue\tk\t[]\n");
}

#[test]
fn names_cannot_break_a_line() {
    assert_eq!(cell(&json!("a\tb\nc\\d")), "a\\011b\\012c\\d");
}

#[test]
fn sentences_are_messages_for_programs() {
    let text = Output::Text("Ping succeeded".to_owned());
    assert_eq!(show(&text, Format::Table, true), "Ping succeeded\n");
    assert_eq!(show(&text, Format::Json, true), "{\"message\":\"Ping succeeded\"}\n");
    assert_eq!(show(&Output::Nothing, Format::Table, true), "");
}

#[test]
fn banners_are_for_people_who_did_not_ask_for_quiet() {
    let printed = |words: &[&str], format| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        banner(&Call::parse(Program::Ctl, &words).unwrap(), format, "n")
    };
    assert_eq!(
        printed(&["list_queues"], Format::Table).unwrap(),
        "Timeout: 60.0 seconds ...\nListing queues for vhost / ..."
    );
    assert_eq!(printed(&["export_definitions", "-"], Format::Table), None);
    assert!(printed(&["export_definitions", "d.json"], Format::Table).unwrap().contains("\"d.json\""));
    assert_eq!(printed(&["-q", "list_queues"], Format::Table), None);
    assert_eq!(printed(&["-s", "list_queues"], Format::Table), None);
    assert_eq!(printed(&["list_queues"], Format::Json), None);
    assert_eq!(printed(&["list_user_limits"], Format::Table).unwrap(), "Listing limits for all users ...");
    let of_one = printed(&["list_user_limits", "--user", "u"], Format::Table).unwrap();
    assert_eq!(of_one, "Listing limits for user \"u\" ...");
    let tags = printed(&["set_user_tags", "u", "a", "b"], Format::Table).unwrap();
    assert_eq!(tags, "Setting tags for user \"u\" to [a, b] ...");
}
