//! The report of runs that never were.

use clap::Parser;

use super::*;
use crate::{context::Context, stats::Interval};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    run: RunArgs,
}

fn context(line: &str) -> Context {
    Context::new(Cli::parse_from(std::iter::once("run").chain(line.split_whitespace())).run, 1)
}

fn outcome(counts: Counts) -> Outcome {
    let mut measured = Interval::new();
    measured.counts = counts;
    measured.confirm.record(0, 2_000_000);
    Outcome {
        all: counts,
        measured,
        measured_seconds: 2.0,
        seconds: Vec::new(),
        generator: CpuReport::default(),
        brokers: None,
        failure: None,
        interrupted: false,
    }
}

fn report(context: &Context, counts: Counts) -> Report {
    Report::new(context, vec![StageReport::new("run", context, outcome(counts))])
}

/// A run in which one publisher sent that many messages, all were confirmed, and those of the list arrived.
fn followed(context: &Context, sent: u64, arrived: &[u64]) {
    let ledger = context.book.ledger(0);
    let mut published = ledger.published.lock();
    published.sent = sent;
    for sequence in 0..sent {
        published.confirmed.add(sequence);
    }
    for sequence in arrived {
        ledger.received.lock().note(*sequence, false, true);
    }
}

#[test]
fn a_run_in_which_all_arrived_is_clean() {
    let context = context("");
    followed(&context, 3, &[0, 1, 2]);
    let report = report(&context, Counts { sent: 3, confirmed: 3, consumed: 3, ..Counts::default() });
    assert!(report.is_clean());
    assert_eq!(report.missing, 0);
}

#[test]
fn a_missing_or_repeated_message_is_not_clean() {
    for arrived in [&[0, 2][..], &[0, 1, 2, 2], &[0, 1, 2, 3]] {
        let context = context("");
        followed(&context, 3, arrived);
        let report = report(&context, Counts { sent: 3, confirmed: 3, consumed: 3, ..Counts::default() });
        assert!(!report.is_clean(), "{arrived:?}");
    }
}

#[test]
fn a_message_may_come_twice_after_it_was_published_twice() {
    let context = context("");
    followed(&context, 3, &[0, 1, 2, 2]);
    let counts = Counts { sent: 3, confirmed: 3, consumed: 4, republished: 1, ..Counts::default() };
    assert!(report(&context, counts).is_clean());
}

#[test]
fn messages_without_identity_are_counted() {
    let context = context("--size 8");
    let report = report(&context, Counts { sent: 5, confirmed: 4, consumed: 1, ..Counts::default() });
    assert_eq!(report.missing, 3);
    assert!(!report.is_clean());
    assert!(report.text().contains("3 missing"), "{}", report.text());
}

#[test]
fn the_text_has_rates_latencies_and_books() {
    let context = context("--seconds 2");
    followed(&context, 3, &[0, 1, 2]);
    let counts = Counts { sent: 200_000, confirmed: 100_000, consumed: 3, nacked: 1, ..Counts::default() };
    let text = report(&context, counts).text();
    for part in [
        "1 publisher, 1 consumer, 1 quorum queue, 1,024 B, persistent, 1,000 unconfirmed, prefetch 500, ack every 50",
        "│ published ┆  200,000 ┆    100,000 ┆  97.7 ┆ 200,000 │",
        "│ confirm ┆ 2.00 ms ┆",
        "│ perf-0 ┆         3 ┆         3 ┆        3 ┆       0 ┆",
        "99,999 never confirmed, 1 refused by the broker",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn many_queues_are_shown_when_something_is_wrong_with_them() {
    let context = context("--queues 50 --publishers 50");
    followed(&context, 3, &[0, 1]);
    let text = report(&context, Counts { sent: 3, ..Counts::default() }).text();
    assert!(text.contains("perf-0"), "{text}");
    assert!(!text.contains("perf-1 "), "{text}");
    assert!(text.contains("49 queues without loss"), "{text}");
}

#[test]
fn the_json_has_the_configuration_and_no_password() {
    let context = context("--uri amqp://me:secret@broker");
    let report = report(&context, Counts::default());
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.contains(r#""uri":["amqp://broker:5672"]"#), "{json}");
    assert!(!json.contains("secret"), "{json}");
}
