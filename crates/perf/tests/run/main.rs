//! Whole runs against a broker that is told what to do wrong: the report must notice.

#![expect(clippy::unwrap_used, reason = "helpers of tests; the lint exempts only the test functions themselves")]

mod broker;

use std::{process::ExitCode, time::Duration};

use broker::{Broker, Script};
use clap::Parser;
use serde_json::Value;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: perf::Args,
}

struct Ended {
    exit: Result<ExitCode, String>,
    report: Value,
}

impl Ended {
    fn number(&self, pointer: &str) -> u64 {
        self.report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}\n{:#}", self.report))
    }

    /// The sum over all queues.
    fn queues(&self, field: &str) -> u64 {
        let queues = self.report["queues"].as_array().unwrap();
        queues.iter().map(|queue| queue[field].as_u64().unwrap()).sum()
    }
}

async fn perf(broker: &Broker, line: &str) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("report.json");
    let line = format!("perf {line} --uri amqp://{} --json {}", broker.address, json.display());
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    let exit = perf::run(cli.args).await.map_err(|error| format!("{error:#}"));
    let report = std::fs::read(json).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap());
    Ended { exit, report }
}

#[tokio::test]
async fn all_that_is_confirmed_arrives_and_the_queues_are_deleted() {
    let broker = Broker::start(Script::default()).await;
    let ended = perf(&broker, "run --messages 9001 --publishers 3 --consumers 2 --queues 4 --size 64").await;
    assert_eq!(ended.exit, Ok(ExitCode::SUCCESS));
    assert_eq!((ended.queues("published"), ended.queues("confirmed"), ended.queues("received")), (9001, 9001, 9001));
    assert_eq!((ended.number("/missing"), ended.queues("duplicates"), ended.queues("out_of_order")), (0, 0, 0));
    assert_eq!(ended.number("/stages/0/confirm_latency/count"), 9001);
    assert_eq!(ended.number("/stages/0/measured/consumed"), ended.number("/stages/0/end_to_end_latency/count"));
    assert_eq!(broker.queues(), [""; 0]);
}

#[tokio::test]
async fn several_threads_and_competing_consumers_come_to_the_same_result() {
    let broker = Broker::start(Script::default()).await;
    let line =
        "run --messages 20000 --publishers 4 --consumers 4 --queues 2 --size 32 --threads 2 --connections-idle 3";
    let ended = perf(&broker, line).await;
    assert_eq!(ended.exit, Ok(ExitCode::SUCCESS));
    assert_eq!((ended.queues("received"), ended.number("/missing")), (20_000, 0));
}

#[tokio::test]
async fn bodies_of_many_frames_arrive() {
    let broker = Broker::start(Script::default()).await;
    let ended = perf(&broker, "run --messages 20 --size 1M --confirm-window 2").await;
    assert_eq!(ended.exit, Ok(ExitCode::SUCCESS));
    assert_eq!(ended.queues("received"), 20);
}

#[tokio::test]
async fn small_bodies_are_counted_also_without_confirms_and_acks() {
    let broker = Broker::start(Script::default()).await;
    let ended = perf(&broker, "run --messages 500 --size 3 --confirm-window 0 --ack-every 0").await;
    assert_eq!(ended.exit, Ok(ExitCode::SUCCESS));
    assert_eq!((ended.number("/stages/0/total/sent"), ended.number("/stages/0/total/consumed")), (500, 500));
    let ended = perf(&broker, "run --messages 500 --size 3 --confirm-window 1").await;
    assert_eq!((ended.number("/stages/0/total/confirmed"), ended.number("/missing")), (500, 0));
}

#[tokio::test]
async fn confirmed_messages_that_do_not_arrive_are_missing() {
    let broker = Broker::start(Script { lose_every: 100, ..Script::default() }).await;
    for size in [3, 1024] {
        let ended = perf(&broker, &format!("run --messages 1000 --size {size} --drain-timeout 0.2")).await;
        assert_ne!(ended.exit, Ok(ExitCode::SUCCESS));
        assert_eq!(ended.number("/missing"), 10);
    }
}

#[tokio::test]
async fn repeated_deliveries_are_duplicates() {
    let broker = Broker::start(Script { repeat_every: 50, ..Script::default() }).await;
    let ended = perf(&broker, "run --messages 1000").await;
    assert_ne!(ended.exit, Ok(ExitCode::SUCCESS));
    let duplicates = ended.queues("duplicates");
    assert!((19..=20).contains(&duplicates), "{duplicates}: the last one may come after the end");
    assert_eq!((ended.queues("duplicates_unflagged"), ended.number("/missing")), (duplicates, 0));
}

#[tokio::test]
async fn refused_messages_are_neither_confirmed_nor_missing() {
    let broker = Broker::start(Script { nack_every: 10, lose_every: 10, ..Script::default() }).await;
    let ended = perf(&broker, "run --messages 1000").await;
    assert_eq!(ended.exit, Ok(ExitCode::SUCCESS));
    assert_eq!((ended.number("/stages/0/total/nacked"), ended.queues("confirmed")), (100, 900));
}

#[tokio::test]
async fn a_lost_connection_ends_the_run_with_its_reason() {
    let broker = Broker::start(Script { cut_at: 500, ..Script::default() }).await;
    let ended = perf(&broker, "run --messages 100000 --confirm-window 100").await;
    let error = ended.exit.clone().unwrap_err();
    assert!(error.starts_with("publisher 0: "), "{error}");
    assert_eq!(ended.report["error"].as_str(), Some(error.as_str()));
    assert_eq!(ended.number("/stages/0/total/disconnects"), 0);
}

#[tokio::test]
async fn after_a_reconnect_what_was_not_confirmed_is_published_again() {
    let broker = Broker::start(Script { cut_at: 5_000, ..Script::default() }).await;
    let ended = perf(&broker, "run --messages 20000 --confirm-window 100 --reconnect").await;
    assert_eq!(ended.exit, Ok(ExitCode::SUCCESS));
    assert_eq!(ended.number("/stages/0/total/disconnects"), 1);
    let republished = ended.number("/stages/0/total/republished");
    assert!((1..=100).contains(&republished), "{republished}");
    assert!(ended.queues("duplicates") >= 1, "the message before the cut was kept");
    assert_eq!((ended.queues("received"), ended.number("/missing")), (20_000, 0));
}

#[tokio::test]
async fn a_stall_shows_in_the_latency_of_every_message_that_was_due_in_it() {
    let stall = Duration::from_millis(300);
    let broker = Broker::start(Script { stall_at: 200, stall, ..Script::default() }).await;
    let ended = perf(&broker, "run --messages 1000 --rate 1000 --confirm-window 10").await;
    assert_eq!(ended.exit, Ok(ExitCode::SUCCESS));
    // Of 1000 messages in a second, 300 were due in the stall, 200 of them more than 100 ms before its end.
    assert!(ended.number("/stages/0/confirm_latency/p90_us") > 100_000, "{:#}", ended.report);
    let gap = ended.report.pointer("/stages/0/longest_gap/ms").and_then(Value::as_f64).unwrap();
    assert!(gap >= 299.0, "{gap}");
}

#[tokio::test]
async fn a_backlog_is_filled_and_drained_by_runs_of_their_own() {
    let broker = Broker::start(Script { lose_every: 500, ..Script::default() }).await;
    let filled = perf(&broker, "run --fill --messages 2200 --queues 2 --publishers 2").await;
    assert_eq!(filled.exit, Ok(ExitCode::SUCCESS));
    assert_eq!((filled.queues("confirmed"), filled.number("/missing")), (2200, 0));
    assert_eq!(broker.queues(), ["perf-0", "perf-1"]);

    let drained = perf(&broker, "run --drain --queues 2 --publishers 2 --consumers 2").await;
    assert_ne!(drained.exit, Ok(ExitCode::SUCCESS));
    assert_eq!((drained.number("/stages/0/measured/consumed"), drained.number("/missing")), (2196, 4));
    assert_eq!(broker.queues(), [""; 0]);
}

#[tokio::test]
async fn a_run_can_fill_and_then_drain() {
    let broker = Broker::start(Script::default()).await;
    let ended = perf(&broker, "run --fill --drain --messages 3000 --keep").await;
    assert_eq!(ended.exit, Ok(ExitCode::SUCCESS));
    assert_eq!(
        (ended.number("/stages/0/measured/confirmed"), ended.number("/stages/1/measured/consumed")),
        (3000, 3000)
    );
    assert_eq!(broker.queues(), ["perf-0"]);
}

#[tokio::test]
async fn a_broker_that_refuses_is_quoted() {
    let broker = Broker::start(Script { refuse_consumers: true, ..Script::default() }).await;
    let ended = perf(&broker, "run --messages 10").await;
    let expected = "consumer 0: the broker closed the channel: 404 NOT_FOUND - no queue 'x' in vhost '/'";
    assert_eq!(ended.exit.unwrap_err(), expected);
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_named() {
    let broker = Broker::start(Script::default()).await;
    let cli = Cli::try_parse_from(["perf", "run", "--uri", "amqp://127.0.0.1:1"]).unwrap();
    let error = perf::run(cli.args).await.unwrap_err();
    assert!(format!("{error:#}").starts_with("cannot connect to amqp://127.0.0.1:1: "), "{error:#}");
    drop(broker);
}

#[tokio::test]
async fn queues_are_declared_and_deleted_by_many_connections() {
    let broker = Broker::start(Script::default()).await;
    let kept = perf(&broker, "declare --count 50 --connections 3 --keep").await;
    assert_eq!(kept.exit, Ok(ExitCode::SUCCESS));
    assert_eq!((kept.number("/declare/latency/count"), broker.queues().len()), (50, 50));
    let deleted = perf(&broker, "declare --count 50 --connections 3").await;
    assert_eq!((deleted.number("/delete/latency/count"), broker.queues().len()), (50, 0));
}

#[tokio::test]
async fn many_declares_are_sent_before_the_first_is_answered() {
    let broker = Broker::start(Script::default()).await;
    let all = perf(&broker, "declare --count 50 --connections 2 --window 20").await;
    assert_eq!(all.exit, Ok(ExitCode::SUCCESS));
    assert_eq!(all.number("/declare/latency/count"), 50);
    assert_eq!((all.number("/delete/latency/count"), broker.queues().len()), (50, 0));
    let exclusive = perf(&broker, "declare --count 30 --connections 1 --window 40 --exclusive").await;
    assert_eq!((exclusive.number("/declare/latency/count"), broker.queues().len()), (30, 30));
    assert!(exclusive.report["delete"].is_null(), "they go with their connections");
}

#[tokio::test]
async fn connections_are_opened_and_held() {
    let broker = Broker::start(Script::default()).await;
    let churned = perf(&broker, "connect --count 40 --concurrency 4 --channel").await;
    assert_eq!(churned.number("/latency/count"), 40);
    let held = perf(&broker, "connect --count 20 --hold 0.05").await;
    assert_eq!((held.exit, held.report["lost"].as_u64()), (Ok(ExitCode::SUCCESS), Some(0)));
}
