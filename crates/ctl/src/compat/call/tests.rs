//! How arguments are read.

use super::*;

fn parse(words: &[&str]) -> Result<Call> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    Call::parse(Program::Ctl, &words)
}

#[test]
fn options_may_stand_anywhere() {
    for words in [
        &["-q", "-p", "v", "set_policy", "p", "^q", "{}", "--priority", "3"][..],
        &["set_policy", "--priority=3", "p", "^q", "--vhost", "v", "{}", "--quiet"],
        &["set_policy", "p", "^q", "{}", "--priority", "3", "-p", "v", "-q"],
    ] {
        let call = parse(words).unwrap();
        assert_eq!(call.arguments, ["p", "^q", "{}"]);
        assert_eq!((call.vhost(), call.is_quiet(), call.option("priority")), ("v", true, Some("3")));
        assert_eq!(call.option("apply-to"), Some("all"));
    }
}

#[test]
fn underlines_and_letters_name_options_too() {
    let call = parse(&["delete_queue", "q", "--if_empty", "-u"]).unwrap();
    assert!(call.flag("if-empty") && call.flag("if-unused"));
}

#[test]
fn numbers_below_zero_and_what_follows_two_dashes_are_arguments() {
    assert_eq!(parse(&["set_global_parameter", "a", "-1"]).unwrap().arguments, ["a", "-1"]);
    assert_eq!(parse(&["add_user", "--", "-u", "--password"]).unwrap().arguments, ["-u", "--password"]);
    assert_eq!(parse(&["export_definitions", "-"]).unwrap().arguments, ["-"]);
}

#[test]
fn wrong_calls_are_refused_with_the_way_to_call() {
    let refused = |words: &[&str]| {
        let failure = parse(words).unwrap_err();
        (failure.code, failure.text)
    };
    let (code, text) = refused(&["add_vhost"]);
    assert_eq!(code, USAGE);
    assert_eq!(
        text,
        "Error (argument validation): not enough arguments.\nArguments given:\n\tadd_vhost\n\nUsage\n\n\
         rabbitmqctl [--node <url>] [--quiet] add_vhost <vhost> [--description <value>] [--tags <value>] [--default-queue-type <value>]"
    );
    assert!(refused(&["list_users", "extra"]).1.contains("too many arguments."));
    assert!(refused(&["list_users", "--nope"]).1.contains("Invalid options for this command:\n--nope"));
    assert!(refused(&["list_users", "--priority", "1"]).1.contains("Invalid options for this command:\n--priority"));
    assert!(refused(&["list_users", "--vhost"]).1.contains("--vhost : needs a value"));
    assert!(refused(&["list_queues", "name", "nope", "no"]).1.contains("Info key(s) nope,no are not supported"));
    assert!(refused(&["nosuch"]).1.contains("Command 'nosuch' not found."));
    assert!(refused(&[]).1.contains("list_queues"));
}

#[test]
fn help_is_there_for_each_command() {
    let call = parse(&["set_policy", "p", "--help"]).unwrap();
    assert_eq!((call.command.name, call.arguments), ("help", vec!["set_policy".to_owned()]));
    assert_eq!(parse(&["-h"]).unwrap().command.name, "help");
}

#[test]
fn a_program_knows_its_own_commands() {
    let word = ["check_running".to_owned()];
    assert_eq!(Call::parse(Program::Ctl, &word).unwrap_err().code, USAGE);
    assert!(Call::parse(Program::Diagnostics, &word).is_ok());
    assert!(Call::parse(Program::Diagnostics, &["list_queues".to_owned()]).is_ok());
    assert!(Call::parse(Program::Diagnostics, &["add_user".to_owned(), "u".to_owned()]).is_err());
}

#[test]
fn what_is_refused_is_refused_with_any_arguments() {
    assert!(parse(&["join_cluster", "rabbit@a", "--ram"]).is_ok());
    assert!(parse(&["eval", "1 + 1."]).is_ok());
}

#[test]
fn templates_are_filled_for_people_and_for_paths() {
    let call = parse(&["-p", "a/b", "set_user_tags", "u ü", "x", "y"]).unwrap();
    assert_eq!(call.fill("{0} in {vhost} at {node}: [{1..}]", "n:1"), "u ü in a/b at n:1: [x, y]");
    assert_eq!(call.path("permissions/{vhost}/{0}"), "permissions/a%2Fb/u%20%C3%BC");
    // What was given is not looked at again.
    let call = parse(&["set_global_parameter", "g", "{\"{0}\":1}"]).unwrap();
    assert_eq!(call.fill("{1}", ""), "{\"{0}\":1}");
}

#[test]
fn names_of_erlang_nodes_mean_the_node_on_this_machine() {
    assert_eq!(parse(&["-n", "rabbit@host", "ping"]).unwrap().url(), None);
    assert_eq!(parse(&["--node", "http://h:1", "ping"]).unwrap().url(), Some("http://h:1"));
}

#[test]
fn formats_and_times_are_checked() {
    assert_eq!(parse(&["list_users", "--formatter", "json"]).unwrap().format(), Ok(Format::Json));
    assert_eq!(parse(&["list_users", "--formatter", "erlang"]).unwrap().format().unwrap_err().code, USAGE);
    assert_eq!(parse(&["list_users", "-t", "5"]).unwrap().timeout(), Ok(Duration::from_secs(5)));
    assert_eq!(parse(&["list_users", "-t", "infinity"]).unwrap().timeout(), Ok(TIMEOUT));
    assert_eq!(parse(&["list_users", "-t", "soon"]).unwrap().timeout().unwrap_err().code, DATA);
}
