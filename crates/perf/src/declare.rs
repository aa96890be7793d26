//! `quorate perf declare`: how fast queues come and go.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Result, anyhow};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::{
    args::{DeclareArgs, queue_name},
    client::Client,
    clock::Clock,
    report::write_json,
    stats::{Latencies, LatencySummary},
    topology,
    units::{grouped, human_rate, human_us, ns_to_seconds, rate},
    uri::UriList,
};

#[derive(Debug, Serialize)]
struct Report {
    config: DeclareArgs,
    declare: Pass,
    delete: Option<Pass>,
}

/// One pass over all queues.
#[derive(Debug, Serialize)]
struct Pass {
    queues: u64,
    seconds: f64,
    per_second: f64,
    latency: Option<LatencySummary>,
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Declare,
    Delete,
}

/// Declares the queues, then deletes them unless they are to stay.
///
/// # Errors
/// When a broker cannot be reached or refuses.
pub(crate) async fn run(args: DeclareArgs) -> Result<ExitCode> {
    let declare = pass(&args, Verb::Declare).await?;
    println!("{}", declare.text("declared"));
    let delete = if args.keep { None } else { Some(pass(&args, Verb::Delete).await?) };
    if let Some(delete) = &delete {
        println!("{}", delete.text("deleted"));
    }
    if let Some(path) = args.json.clone() {
        write_json(&path, &Report { config: args, declare, delete })?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Pass {
    fn text(&self, verb: &str) -> String {
        let mut text = format!(
            "{verb} {} queues in {:.2} s: {} per second",
            grouped(self.queues),
            self.seconds,
            human_rate(self.per_second)
        );
        if let Some(latency) = &self.latency {
            let [p50, p99, max] = [latency.p50_us, latency.p99_us, latency.max_us].map(human_us);
            text += &format!(" (p50 {p50}, p99 {p99}, max {max})");
        }
        text
    }
}

async fn pass(args: &DeclareArgs, verb: Verb) -> Result<Pass> {
    let clock = Clock::new();
    let mut clients = Vec::new();
    for number in 0..args.connections {
        clients.push(topology::connect(&one_of(&args.uri, number.into())).await?);
    }
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    let start = clock.now_ns();
    for client in clients {
        tasks.spawn(work(args.clone(), verb, clock, client, Arc::clone(&next)));
    }
    let mut latencies = Latencies::new();
    while let Some(ended) = tasks.join_next().await {
        latencies.add(&mut ended.map_err(|panic| anyhow!("a worker failed: {panic}"))??);
    }
    let seconds = ns_to_seconds(clock.now_ns() - start);
    let latency = LatencySummary::of(&mut latencies);
    Ok(Pass { queues: args.count, seconds, per_second: rate(args.count, seconds), latency })
}

/// The list, beginning with another broker for each connection.
fn one_of(uris: &UriList, number: usize) -> UriList {
    UriList::from(uris.pick(number).clone())
}

async fn work(
    args: DeclareArgs,
    verb: Verb,
    clock: Clock,
    mut client: Client,
    next: Arc<AtomicU64>,
) -> Result<Latencies> {
    let mut latencies = Latencies::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= args.count {
            break;
        }
        let name = queue_name(&args.queue_pattern, number);
        let start = clock.now_ns();
        match verb {
            Verb::Declare => topology::declare(&mut client, &name, args.queue_type).await?,
            Verb::Delete => topology::delete(&mut client, &name).await?,
        }
        latencies.record(start, clock.now_ns());
    }
    client.close().await;
    Ok(latencies)
}
