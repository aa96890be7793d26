//! Runs the conformance tests: on a cluster of its own, or against nodes that run.
#![expect(clippy::print_stderr, reason = "a command line tool")]

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use conformance::{
    adversarial, bad_input, behaviours, edges, life, minority, power_loss, report::Report, rust_client, sasl, stock,
    suites,
};
use xtask::{
    cluster::{Cluster, ClusterSpec, NODES},
    paths,
};

/// Stock clients, bad input and power loss against three nodes
#[derive(Debug, Parser)]
struct Args {
    /// Binary of the broker: a cluster of three nodes is started for the tests and removed afterwards
    #[arg(long, required_unless_present = "uri")]
    broker: Option<PathBuf>,
    /// Binary of an older broker: the last node runs it, as in the middle of an upgrade
    #[arg(long, requires = "broker")]
    old_binary: Option<PathBuf>,
    /// Nodes that run already, such as amqp://guest:guest@127.0.0.1:5672/%2F; one node is enough
    #[arg(long, conflicts_with = "broker", value_delimiter = ',')]
    uri: Vec<String>,
    /// Addresses (host:port) of those nodes' HTTP API; without them, what needs it is skipped
    #[arg(long, requires = "uri", value_delimiter = ',')]
    http: Vec<String>,
    /// Only behaviours whose name or module holds this text
    #[arg(long)]
    named: Option<String>,
    /// Ports of the cluster that is started for the tests are the standard ones plus this
    #[arg(long, default_value_t = 1000)]
    port_offset: u16,
    /// Only these parts
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
}

/// How far the ports of the cluster whose life is tested are from those of the other.
const LIFE_PORTS: u16 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// pika, amqplib, amqp091-go, the Java client, lapin
    Stock,
    /// Bytes that no client library sends
    BadInput,
    /// Clients that ask for more than their share
    Adversarial,
    /// Orders of frames and odd requests that no client library shows
    Edges,
    /// One test per behaviour of queues and exchanges, on replicated queues and on those in memory
    Behaviours,
    /// Tests that kombu, py-amqp and lapin ship, and Celery at work
    Suites,
    /// Two of three nodes are gone (needs --broker)
    Minority,
    /// kill -9 of all nodes at once (needs --broker)
    PowerLoss,
    /// Nodes join, leave, lose their disks and are forgotten, under load (needs --broker)
    Life,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let root = paths::root()?;
    let mut report = Report::default();
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    // What is off by default, but is to be tested.
    let settings = "\n[auth]\nmechanisms = [\"PLAIN\", \"AMQPLAIN\", \"RABBIT-CR-DEMO\"]\n".to_owned();
    let spec = ClusterSpec { settings, ..ClusterSpec::beside(&root, "conformance", args.port_offset) };
    let cluster = Cluster::new(spec);
    let (uris, https) = if let Some(broker) = &args.broker {
        cluster.clean()?;
        if let Some(old) = &args.old_binary {
            cluster.give_binary(NODES, old)?;
        }
        cluster.up(broker)?;
        (cluster.spec().uris(), cluster.spec().nodes().into_iter().map(|node| node.http).collect())
    } else {
        (args.uri.clone(), args.http.clone())
    };
    ensure!(!uris.is_empty(), "no nodes");
    let result = (|| {
        if wanted(Part::Stock) {
            stock::run(&root, &uris, &mut report)?;
            rust_client::run(&uris, &mut report);
        }
        if wanted(Part::BadInput) {
            bad_input::run(&uris, &mut report)?;
        }
        if wanted(Part::Adversarial) {
            adversarial::run(&uris, args.broker.is_some().then_some(&cluster), &mut report)?;
        }
        if wanted(Part::Edges) {
            edges::run(&uris, &mut report);
            sasl::run(&uris, &mut report);
        }
        if wanted(Part::Behaviours) {
            behaviours::run(&root, &uris, &https, args.named.as_deref(), &mut report)?;
        }
        if wanted(Part::Suites) {
            suites::run(&root, &uris, &mut report)?;
        }
        if wanted(Part::Minority) && args.broker.is_some() {
            minority::run(&cluster, &mut report);
        }
        if wanted(Part::PowerLoss) && args.broker.is_some() {
            power_loss::run(&cluster, &mut report);
        }
        if let Some(broker) = args.broker.as_ref().filter(|_| wanted(Part::Life)) {
            // The other nodes are not needed any more, and this needs the machine's cores.
            cluster.down()?;
            life::run(&root, broker, args.port_offset + LIFE_PORTS, &mut report)?;
        }
        Ok(())
    })();
    // A cluster with a failed test is stopped too, but its logs and data stay.
    if args.broker.is_some() {
        cluster.down()?;
    }
    result.and_then(|()| report.finish())
}
