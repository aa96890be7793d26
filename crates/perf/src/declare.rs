//! `quorate perf declare`: how fast queues come and go.

use std::{
    collections::VecDeque,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use amqp_codec::Method;
use anyhow::{Result, anyhow};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::{
    args::{DeclareArgs, queue_name},
    client::{CHANNEL, Client, unexpected},
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

/// Declares the queues, then deletes them unless they are to stay (or go with their connections).
///
/// # Errors
/// When a broker cannot be reached or refuses.
pub(crate) async fn run(args: DeclareArgs) -> Result<ExitCode> {
    let (declare, clients) = pass(&args, Verb::Declare).await?;
    println!("{}", declare.text("declared"));
    tokio::time::sleep(Duration::from_secs_f64(args.hold.unwrap_or(0.0))).await;
    close(clients).await;
    let stays = args.keep || args.exclusive;
    let delete = if stays { None } else { Some(pass(&args, Verb::Delete).await?) };
    let delete = match delete {
        Some((delete, clients)) => {
            println!("{}", delete.text("deleted"));
            close(clients).await;
            Some(delete)
        }
        None => None,
    };
    if let Some(path) = args.json.clone() {
        write_json(&path, &Report { config: args, declare, delete })?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn close(clients: Vec<Client>) {
    for client in clients {
        client.close().await;
    }
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

async fn pass(args: &DeclareArgs, verb: Verb) -> Result<(Pass, Vec<Client>)> {
    let clock = Clock::new();
    let mut clients = Vec::new();
    for number in 0..args.connections {
        clients.push(topology::connect(&one_of(&args.uri, number.into())).await?);
    }
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    let start = clock.now_ns();
    for client in clients.drain(..) {
        tasks.spawn(work(args.clone(), verb, clock, client, Arc::clone(&next)));
    }
    let mut latencies = Latencies::new();
    while let Some(ended) = tasks.join_next().await {
        let (client, mut of_client) = ended.map_err(|panic| anyhow!("a worker failed: {panic}"))??;
        latencies.add(&mut of_client);
        clients.push(client);
    }
    let seconds = ns_to_seconds(clock.now_ns() - start);
    let latency = LatencySummary::of(&mut latencies);
    let pass = Pass { queues: args.count, seconds, per_second: rate(args.count, seconds), latency };
    Ok((pass, clients))
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
) -> Result<(Client, Latencies)> {
    let mut latencies = Latencies::new();
    // When each declare was sent whose answer is not here. Answers come in order.
    let mut sent = VecDeque::new();
    loop {
        while sent.len() < usize::from(args.window) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= args.count {
                break;
            }
            send(&args, verb, &mut client, &queue_name(&args.queue_pattern, number))?;
            sent.push_back(clock.now_ns());
        }
        let Some(start) = sent.pop_front() else { break };
        match (verb, client.answer().await?) {
            (Verb::Declare, Method::QueueDeclareOk(_)) | (Verb::Delete, Method::QueueDeleteOk(_)) => {}
            (_, other) => return Err(unexpected(&other)),
        }
        latencies.record(start, clock.now_ns());
    }
    Ok((client, latencies))
}

fn send(args: &DeclareArgs, verb: Verb, client: &mut Client, name: &str) -> Result<()> {
    match verb {
        Verb::Declare if args.exclusive => client.link.push_method(CHANNEL, &topology::exclusive(name)?),
        Verb::Declare => client.link.push_method(CHANNEL, &topology::durable(name, args.queue_type)?),
        Verb::Delete => client.link.push_method(CHANNEL, &topology::delete_method(name)?),
    }
    Ok(())
}
