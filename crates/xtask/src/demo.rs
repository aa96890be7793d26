//! `cargo xtask demo`: a stock Python client publishes to the running cluster while the leader of its queue is killed.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail, ensure};
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Deserialize;

use crate::{
    cluster::{Cluster, ClusterSpec, NODES},
    paths, python, shell,
};

/// The client. It is written to the target folder, so that a reader finds what was run.
const SCRIPT: &str = include_str!("../assets/demo.py");
/// The client's only dependency.
const PIKA: &str = "pika==1.3.2";
/// How many messages are published.
const MESSAGES: u64 = 20_000;
/// The longest time without confirms that is accepted when a leader is killed. Unit: seconds.
const GAP_S_MAX: f64 = 2.0;

/// What the client found.
#[derive(Debug, Deserialize)]
struct Outcome {
    published_through: String,
    killed: Vec<String>,
    reconnected: u64,
    consumed_from: String,
    confirmed: u64,
    consumed: u64,
    lost: u64,
    invented: u64,
    unflagged_duplicates: u64,
    flagged: u64,
    republished: u64,
    republished_stored_twice: u64,
    gap_s: f64,
    publish_s: f64,
}

/// Runs the client, starts the killed node again and prints what happened.
///
/// # Errors
/// When no cluster is up, a message was lost or came twice without a reason, or confirms paused for too long.
pub fn run() -> Result<()> {
    let root = paths::root()?;
    let cluster = Cluster::new(ClusterSpec::standard(&root));
    for number in 1..=NODES {
        let runs = cluster.pid(number)?.is_some() && cluster.is_ready(number);
        ensure!(runs, "node{number} of the local cluster is not ready: cargo xtask cluster up");
    }
    let python = python::environment(&root.join("target/venv"), &[PIKA])?;
    let script = root.join("target/demo.py");
    fs::write(&script, SCRIPT).with_context(|| format!("cannot write {}", script.display()))?;
    let mut client = Command::new(python);
    client.arg(&script).arg(cluster.spec().cluster_file()).arg(MESSAGES.to_string());
    let outcome = shell::capture(&mut client);
    restart(&cluster)?;
    let outcome: Outcome = serde_json::from_str(&outcome?).context("the client did not write its outcome")?;
    println!("{}", table(&outcome));
    judge(&outcome)
}

fn restart(cluster: &Cluster) -> Result<()> {
    for number in 1..=NODES {
        if cluster.pid(number)?.is_none() {
            println!("starting node{number} again");
            cluster.start(number)?;
        }
    }
    Ok(())
}

fn table(outcome: &Outcome) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY);
    let mut row = |what: &str, value: String| {
        table.add_row([what.to_owned(), value]);
    };
    row("published through", format!("{}, reconnected {} times", outcome.published_through, outcome.reconnected));
    row("killed (kill -9)", outcome.killed.join(", "));
    row("consumed from", outcome.consumed_from.clone());
    row("confirmed", format!("{} in {:.1} s", outcome.confirmed, outcome.publish_s));
    row("consumed", outcome.consumed.to_string());
    row("lost", outcome.lost.to_string());
    row("duplicates without the redelivered flag", outcome.unflagged_duplicates.to_string());
    row("deliveries with the redelivered flag", outcome.flagged.to_string());
    let again = format!("{}, of which stored twice {}", outcome.republished, outcome.republished_stored_twice);
    row("published again by the client, outcome unknown", again);
    row("longest gap without confirms", format!("{:.2} s", outcome.gap_s));
    table
}

fn judge(outcome: &Outcome) -> Result<()> {
    ensure!(!outcome.killed.is_empty(), "no leader was killed");
    ensure!(outcome.confirmed == MESSAGES, "{} of {MESSAGES} messages were confirmed", outcome.confirmed);
    ensure!(outcome.lost == 0, "{} confirmed messages were lost", outcome.lost);
    ensure!(outcome.invented == 0, "{} messages came that nobody published", outcome.invented);
    ensure!(outcome.unflagged_duplicates == 0, "{} duplicates had no flag", outcome.unflagged_duplicates);
    if outcome.gap_s > GAP_S_MAX {
        bail!("no confirm came for {:.2} s", outcome.gap_s);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        let text = r#"{"published_through": "node2", "killed": ["node2"], "reconnected": 1, "consumed_from": "node1",
            "confirmed": 20000, "consumed": 20003, "lost": 0, "invented": 0, "unflagged_duplicates": 0, "flagged": 0,
            "republished": 900, "republished_stored_twice": 3, "gap_s": 0.4, "publish_s": 3.1}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_clean_outcome_passes_and_a_duplicate_made_by_the_client_is_no_fault() {
        judge(&outcome()).unwrap();
        assert!(table(&outcome()).to_string().contains("900, of which stored twice 3"));
    }

    #[test]
    fn loss_duplicates_and_long_gaps_fail() {
        assert!(judge(&Outcome { lost: 1, ..outcome() }).is_err());
        assert!(judge(&Outcome { unflagged_duplicates: 1, ..outcome() }).is_err());
        assert!(judge(&Outcome { gap_s: 2.01, ..outcome() }).is_err());
        assert!(judge(&Outcome { killed: Vec::new(), ..outcome() }).is_err());
    }
}
