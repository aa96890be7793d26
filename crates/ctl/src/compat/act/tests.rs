//! Commands against a server that answers from a script.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread::{self, JoinHandle},
};

use super::*;
use crate::{
    client::TIMEOUT,
    compat::{
        Program,
        failure::{DATA, NO_USER, USAGE},
        format::{Format, show},
    },
    target::Target,
};

/// Answers one request after another, and tells what they were.
fn serve(answers: &[(u16, &str)]) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answers: Vec<(u16, String)> = answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
    let server = thread::spawn(move || {
        let mut requests = Vec::new();
        for (status, body) in answers {
            let mut stream = listener.accept().unwrap().0;
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut text = vec![0; length];
            reader.read_exact(&mut text).unwrap();
            let words: Vec<&str> = first.split_whitespace().take(2).collect();
            requests.push(format!("{} {}", words.join(" "), String::from_utf8(text).unwrap()).trim().to_owned());
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
        }
        requests
    });
    (address, server)
}

/// What the command prints or fails with, and what it asked for.
fn run(words: &[&str], answers: &[(u16, &str)]) -> (std::result::Result<String, (u8, String)>, Vec<String>) {
    let (node, server) = serve(answers);
    let target = Target { node, user: Some("u".to_owned()), password: String::new(), data_dir: "nowhere".into() };
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let program = if words[0].starts_with("check") { Program::Diagnostics } else { Program::Ctl };
    let call = Call::parse(program, &words).unwrap();
    let done = act(&call, &Client::new(&target, TIMEOUT));
    let shown = done.map(|output| show(&output, Format::Table, true)).map_err(|failure| (failure.code, failure.text));
    (shown, server.join().unwrap())
}

const GONE: (u16, &str) = (404, r#"{"error":"Object Not Found","reason":"Not Found"}"#);
const VHOST: (u16, &str) = (200, r#"{"name":"/"}"#);

#[test]
fn a_policy_is_put_with_its_options() {
    let words = ["set_policy", "p", "^q", r#"{"max-length":1}"#, "--priority", "-2", "--apply-to", "queues"];
    let (shown, requests) = run(&words, &[(201, "")]);
    assert_eq!(shown, Ok(String::new()));
    let body = r#"{"apply-to":"queues","definition":{"max-length":1},"pattern":"^q","priority":-2}"#;
    assert_eq!(requests, [format!("PUT /api/policies/%2F/p {body}")]);
}

#[test]
fn what_is_not_json_is_refused_before_anything_is_asked() {
    let (shown, requests) = run(&["set_policy", "p", "^q", "bad"], &[]);
    assert!(shown.unwrap_err().1.starts_with("Error:\nJSON decoding error."));
    assert_eq!(requests, Vec::<String>::new());
}

#[test]
fn a_vhost_is_put_with_what_was_said_of_it() {
    let (_, requests) = run(&["add_vhost", "v", "--default-queue-type", "quorum"], &[(201, "")]);
    assert_eq!(requests, [r#"PUT /api/vhosts/v {"default_queue_type":"quorum"}"#]);
}

#[test]
fn a_user_that_is_there_is_not_added_again() {
    let (shown, requests) = run(&["add_user", "u1", "pw"], &[(200, r#"{"name":"u1"}"#)]);
    assert_eq!(shown, Err((70, "Error:\nUser \"u1\" already exists".to_owned())));
    assert_eq!(requests, ["GET /api/users/u1"]);
    let (shown, requests) = run(&["-q", "add_user", "u1", "pw"], &[GONE, (201, "")]);
    assert_eq!(shown, Ok(String::new()));
    assert_eq!(requests[1], r#"PUT /api/users/u1 {"password":"pw","tags":[]}"#);
}

#[test]
fn what_is_not_there_is_named() {
    let (shown, _) = run(&["delete_user", "u1"], &[GONE, VHOST]);
    assert_eq!(shown, Err((NO_USER, "Error:\nUser \"u1\" does not exist".to_owned())));
    let (shown, _) = run(&["-p", "v", "set_permissions", "u1", "a", "b", "c"], &[GONE, GONE]);
    assert_eq!(shown, Err((DATA, "Virtual host 'v' does not exist".to_owned())));
    let (shown, _) = run(&["delete_queue", "q"], &[GONE, VHOST]);
    assert_eq!(shown, Err((USAGE, "Error:\nQueue not found".to_owned())));
}

#[test]
fn a_user_without_tags_is_authenticated_all_the_same() {
    let answer = (401, r#"{"error":"not_authorized","reason":"Not management user"}"#);
    // It goes where the variables say, hence the option.
    let (node, server) = serve(&[answer]);
    let words = ["-n", &node, "authenticate_user", "u1", "pw"].map(str::to_owned);
    let call = Call::parse(Program::Ctl, &words).unwrap();
    let client = Client::new(&Target::from_env(call.url()), TIMEOUT);
    assert!(matches!(act(&call, &client), Ok(Output::Text(text)) if text == "Success"));
    assert_eq!(server.join().unwrap(), ["GET /api/whoami"]);
}

#[test]
fn connections_of_one_vhost_are_closed() {
    let all = r#"[{"name":"a","vhost":"/"},{"name":"b","vhost":"v"},{"name":"c","vhost":"/"}]"#;
    let (shown, requests) = run(&["close_all_connections", "bye"], &[(200, all), (204, ""), (404, "{}")]);
    assert_eq!(shown, Ok("Closed 1 connections\n".to_owned()));
    assert_eq!(requests, ["GET /api/connections", "DELETE /api/connections/a", "DELETE /api/connections/c"]);
}

#[test]
fn all_limits_of_a_vhost_are_cleared() {
    let set = r#"[{"vhost":"/","value":{"max-queues":1,"max-connections":2}}]"#;
    let (shown, requests) = run(&["clear_vhost_limits"], &[(200, set), (204, ""), (204, "")]);
    assert_eq!(shown, Ok(String::new()));
    assert_eq!(
        requests[1..],
        ["DELETE /api/vhost-limits/%2F/max-connections", "DELETE /api/vhost-limits/%2F/max-queues"]
    );
}

#[test]
fn a_node_that_is_not_ready_fails_the_check() {
    let (shown, _) = run(&["check_running"], &[(503, r#"{"status":"unavailable","reasons":["no leader"]}"#)]);
    let (code, text) = shown.unwrap_err();
    assert!(code == 69 && text.ends_with("is not ready: no leader"), "{text}");
}

#[test]
fn alarms_fail_the_check() {
    let alarms = r#"{"status":"failed","alarms":["memory alarm on node node1"]}"#;
    let (shown, _) = run(&["check_alarms"], &[(503, alarms)]);
    assert!(shown.unwrap_err().1.ends_with("reported alarms:\nmemory alarm on node node1"));
    let own = (200, r#"{"node":"node2"}"#);
    let (shown, _) = run(&["check_local_alarms"], &[own, (503, alarms)]);
    assert!(shown.unwrap().ends_with("reported no local alarms\n"));
}

#[test]
fn every_port_of_a_node_has_to_accept_connections() {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = open.local_addr().unwrap().port();
    let overview = format!(r#"{{"listeners":[{{"ip_address":"0.0.0.0","port":{port},"protocol":"amqp"}}]}}"#);
    let (shown, _) = run(&["check_port_connectivity"], &[(200, &overview)]);
    assert!(shown.unwrap().starts_with(&format!("Successfully connected to ports {port} on node ")));
    drop(open);
    let (shown, _) = run(&["check_port_connectivity"], &[(200, &overview)]);
    let (code, text) = shown.unwrap_err();
    assert!(code == 69 && text.contains(&format!("Connection to port {port} at 127.0.0.1 failed")), "{text}");
}

#[test]
fn a_report_for_programs_holds_numbers() {
    let overview = r#"{"node":"node1","rabbitmq_version":"4.0.0","alarms":[],"object_totals":{"queues":2,"connections":1},
        "listeners":[{"node":"node1","ip_address":"::","port":5672,"protocol":"amqp"}]}"#;
    let nodes = r#"[{"name":"node1","os_pid":"12","uptime":5100,"mem_used":1000,"data_dir":"/d"}]"#;
    let answers = [(200, overview), (200, nodes), (200, "[{}]"), (200, r#"{"status":"ok"}"#)];
    let (node, server) = serve(&answers);
    let target = Target { node, user: Some("u".to_owned()), password: String::new(), data_dir: "nowhere".into() };
    let call = Call::parse(Program::Ctl, &["status".to_owned()]).unwrap();
    let Ok(Output::Document(shown, document)) = act(&call, &Client::new(&target, TIMEOUT)) else {
        panic!("no document")
    };
    server.join().unwrap();
    assert_eq!(
        (&document["pid"], &document["uptime"], &document["totals"]["queue_count"]),
        (&12.into(), &5.into(), &2.into())
    );
    assert!(shown.contains("Interface: ::, port: 5672, protocol: amqp, purpose: AMQP 0-9-1"), "{shown}");
    assert!(shown.contains("Alarms\n\n(none)"), "{shown}");
}

#[test]
fn resource_limits_are_set_on_the_node_that_is_asked() {
    for (words, body) in [
        (&["set_vm_memory_high_watermark", "0.4"][..], r#"{"memory_high_watermark":0.4}"#),
        (&["set_vm_memory_high_watermark", "absolute", "2GiB"], r#"{"memory_high_watermark_bytes":2147483648}"#),
        (&["set_disk_free_limit", "5GB"], r#"{"disk_free_limit_bytes":5000000000}"#),
        (&["set_disk_free_limit", "mem_relative", "1.5"], r#"{"disk_free_limit_of_memory":1.5}"#),
    ] {
        let (outcome, requests) = run(words, &[(204, "")]);
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(requests, [format!("PUT /api/resource-limits {body}")]);
    }
    let refused = |words: &[&str]| run(words, &[]).0.unwrap_err();
    let (code, text) = refused(&["set_vm_memory_high_watermark", "1.5"]);
    assert_eq!((code, text.contains("The threshold should be a fraction between 0.0 and 1.0")), (DATA, true));
    assert_eq!(refused(&["set_vm_memory_high_watermark", "absolute"]).0, USAGE);
    assert_eq!(refused(&["set_disk_free_limit", "much"]).0, DATA);
}
