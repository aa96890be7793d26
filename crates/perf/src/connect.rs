//! `quorate perf connect`: how fast connections are opened, and that many can be held.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, anyhow};
use serde::Serialize;
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    args::ConnectArgs,
    client::{CONNECT_TIME_MAX, Client, ConnectOptions},
    clock::Clock,
    context::{Phase, PhaseWatch},
    idle,
    progress::tell,
    report::write_json,
    stats::{Latencies, LatencySummary},
    units::{grouped, human_rate, human_us, index, ns_to_seconds, rate},
};

#[derive(Debug, Serialize)]
struct Report {
    config: ConnectArgs,
    connections: u64,
    seconds: f64,
    per_second: f64,
    latency: Option<LatencySummary>,
    /// Connections that were held and that the broker ended.
    lost: u64,
}

/// Opens the connections; closes each at once, or holds all.
///
/// # Errors
/// When a broker cannot be reached or refuses.
pub(crate) async fn run(args: ConnectArgs) -> Result<ExitCode> {
    let clock = Clock::new();
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    let start = clock.now_ns();
    for _ in 0..args.concurrency {
        tasks.spawn(open(args.clone(), clock, Arc::clone(&next)));
    }
    let mut latencies = Latencies::new();
    let mut held = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        let (mut theirs, clients) = ended.map_err(|panic| anyhow!("a worker failed: {panic}"))??;
        latencies.add(&mut theirs);
        held.extend(clients);
    }
    let seconds = ns_to_seconds(clock.now_ns() - start);
    let mut report = Report {
        connections: args.count,
        seconds,
        per_second: rate(args.count, seconds),
        latency: LatencySummary::of(&mut latencies),
        lost: 0,
        config: args,
    };
    println!("{}", report.text());
    if let Some(hold_seconds) = report.config.hold {
        report.lost = hold(held, hold_seconds).await;
        println!("held for {hold_seconds} s; {} were lost", grouped(report.lost));
    }
    if let Some(path) = &report.config.json {
        write_json(path, &report)?;
    }
    Ok(if report.lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Report {
    fn text(&self) -> String {
        let mut text = format!(
            "opened {} connections in {:.2} s: {} per second",
            grouped(self.connections),
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

async fn open(args: ConnectArgs, clock: Clock, next: Arc<AtomicU64>) -> Result<(Latencies, Vec<Client>)> {
    let options = ConnectOptions { heartbeat_s: args.heartbeat, time_max: CONNECT_TIME_MAX };
    let mut latencies = Latencies::new();
    let mut held = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= args.count {
            return Ok((latencies, held));
        }
        let start = clock.now_ns();
        let uri = args.uri.pick(index(number));
        let mut client = Client::connect(uri, &format!("perf connection {number}"), options).await?;
        if args.channel {
            client.open_channel().await?;
        }
        latencies.record(start, clock.now_ns());
        if args.hold.is_some() {
            held.push(client);
        } else {
            client.close().await;
        }
    }
}

/// Holds the connections and answers heartbeats; returns how many were lost.
async fn hold(clients: Vec<Client>, seconds: f64) -> u64 {
    let (phase, watch) = watch::channel(Phase::Publish);
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(idle::hold(client, PhaseWatch::new(watch.clone())));
    }
    let mut lost = 0;
    let mut count = |ended: Result<Result<()>, tokio::task::JoinError>| {
        if let Err(error) = ended.map_err(Into::into).and_then(|held| held) {
            if lost == 0 {
                tell(&format!("the first connection was lost: {error:#}"));
            }
            lost += 1;
        }
    };
    let early = async {
        while let Some(ended) = tasks.join_next().await {
            count(ended);
        }
        // All are lost: nothing is left to wait for.
    };
    timeout(Duration::from_secs_f64(seconds), early).await.ok();
    phase.send_replace(Phase::End);
    while let Some(ended) = tasks.join_next().await {
        count(ended);
    }
    lost
}
