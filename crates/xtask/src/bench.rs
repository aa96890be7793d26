//! `cargo xtask bench`: the standard works on a three-node cluster that the task starts, and on another broker in turn.
//!
//! Absolute figures vary by host and by hour; what counts is the ratio within one run. So with another broker each work runs on
//! one and then on the other, round after round, and the medians of the rounds are compared.

mod outcome;
mod table;
mod usage;
mod work;

use std::{fs, path::Path, process::Command};

use anyhow::{Result, ensure};

use self::{
    outcome::Outcome,
    usage::Usage,
    work::{WORKS, Work},
};
use crate::{
    cargo,
    cluster::{Cluster, ClusterSpec, NODES},
    paths, shell,
};

/// Ports of the cluster that is started here are the standard ones plus this.
const PORT_OFFSET: u16 = 3000;

/// What to measure, and against what.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchArgs {
    /// Another broker to run the same works on, such as amqp://guest:guest@127.0.0.1:7672; several nodes with commas
    #[arg(long, value_name = "URI[,URI...]")]
    against: Option<String>,
    /// Processes of the other broker, for its CPU time
    #[arg(long, value_delimiter = ',', value_name = "PID[,PID...]", requires = "against")]
    against_pids: Vec<u32>,
    /// How long each work runs, with two seconds of warm-up
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// How often each work runs on each broker
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only works whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// A broker that works run on.
struct Broker {
    name: &'static str,
    uris: String,
    pids: Vec<u32>,
    /// `host:port` of the nodes' metrics; none for a broker that has other metrics.
    http: Vec<String>,
}

/// All outcomes of one work on one broker.
struct Series {
    work: &'static Work,
    ours: Vec<Outcome>,
    theirs: Vec<Outcome>,
}

/// Builds, starts a cluster, runs the works and prints the comparison.
///
/// # Errors
/// When a run fails, loses a message, or the machine does not show what processes use.
pub fn run(args: &BenchArgs) -> Result<()> {
    let root = paths::root()?;
    let binary = cargo::build_broker(&root)?;
    let works = WORKS.iter().filter(|work| args.only.as_ref().is_none_or(|only| work.name.contains(only.as_str())));
    let mut series = works.map(|work| Series { work, ours: Vec::new(), theirs: Vec::new() }).collect::<Vec<_>>();
    ensure!(!series.is_empty(), "no work has such a name");
    let cluster = Cluster::new(ClusterSpec::beside(&root, "bench", PORT_OFFSET));
    cluster.clean()?;
    cluster.up(&binary)?;
    let result = measure(&cluster, args, &mut series);
    cluster.clean()?;
    // What was measured before a failure is still worth seeing.
    println!("\n{}", table::render(&series));
    result
}

fn measure(cluster: &Cluster, args: &BenchArgs, series: &mut [Series]) -> Result<()> {
    let ours = ours(cluster)?;
    let theirs = args.against.as_ref().map(|uris| Broker {
        name: "the other broker",
        uris: uris.clone(),
        pids: args.against_pids.clone(),
        http: Vec::new(),
    });
    for round in 1..=args.rounds {
        for one in &mut *series {
            println!("\n{} (round {round} of {})", one.work.name, args.rounds);
            one.ours.push(run_work(&ours, cluster, one.work, args.seconds)?);
            if let Some(theirs) = &theirs {
                one.theirs.push(run_work(theirs, cluster, one.work, args.seconds)?);
            }
        }
    }
    Ok(())
}

fn ours(cluster: &Cluster) -> Result<Broker> {
    let mut pids = Vec::new();
    for number in 1..=NODES {
        pids.extend(cluster.pid(number)?);
    }
    ensure!(pids.len() == NODES, "a node has ended");
    let http = cluster.spec().nodes().into_iter().map(|node| node.http).collect();
    Ok(Broker { name: "quorate", uris: cluster.spec().uris().join(","), pids, http })
}

/// The load generator is the cluster's own binary: the same for both brokers.
fn run_work(broker: &Broker, cluster: &Cluster, work: &Work, seconds: u32) -> Result<Outcome> {
    let report = cluster.spec().folder.join("perf.json");
    let before = Usage::of(broker)?;
    let mut perf = Command::new(cluster.spec().binary());
    perf.args(["perf", "run", "--uri", &broker.uris, "--seconds", &seconds.to_string()]).args(work.arguments);
    perf.arg("--json").arg(&report);
    let pids = broker.pids.iter().map(u32::to_string).collect::<Vec<_>>();
    if !pids.is_empty() {
        perf.args(["--broker-pids", &pids.join(",")]);
    }
    shell::quiet(&mut perf)?;
    let used = Usage::of(broker)?.since(&before);
    let outcome = read(&report, &used)?;
    println!("  {}: {outcome}", broker.name);
    Ok(outcome)
}

fn read(report: &Path, used: &Usage) -> Result<Outcome> {
    let outcome = Outcome::read(&fs::read(report)?, used)?;
    fs::remove_file(report)?;
    Ok(outcome)
}
