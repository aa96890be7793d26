//! `quorate perf run`: the queues, the stages, the report.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result};

use crate::{
    args::{RunArgs, queue_name},
    context::Context,
    identity::run_number,
    progress::tell,
    report::{Report, StageReport},
    stage::{self, Stage},
    topology,
};

/// The exit code when messages are missing, repeated without saying so, out of order or invented.
const EXIT_UNCLEAN: u8 = 2;

/// Runs the load and prints the report.
///
/// # Errors
/// When the run cannot start or fails on its way; what was measured until then is printed before.
pub(crate) async fn run(args: RunArgs) -> Result<ExitCode> {
    args.check()?;
    let context = Arc::new(Context::new(args, run_number()));
    let args = &context.args;
    declare_queues(args).await?;
    let (report, failure) = run_stages(&context).await?;
    print!("{}", report.text());
    if !args.keep && (args.consumes() || !args.publishes()) {
        delete_queues(args).await;
    }
    if let Some(path) = &args.json {
        report.write_json(path)?;
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_UNCLEAN) })
}

async fn run_stages(context: &Arc<Context>) -> Result<(Report, Option<anyhow::Error>)> {
    let args = &context.args;
    let mut reports = Vec::new();
    let mut failure = None;
    let mut interrupted = false;
    for name in stage_names(args) {
        let stage = match *name {
            "fill" => Stage { publishes: true, consumes: false, deliveries: None },
            "drain" => Stage { publishes: false, consumes: true, deliveries: Some(ready_messages(args).await?) },
            _ => Stage { publishes: args.publishes(), consumes: args.consumes(), deliveries: None },
        };
        let mut outcome = stage::run(context, stage).await?;
        failure = outcome.failure.take();
        interrupted = outcome.interrupted;
        reports.push(StageReport::new(name, context, outcome));
        if failure.is_some() || interrupted {
            break;
        }
    }
    let mut report = Report::new(context, reports);
    report.error = failure.as_ref().map(|failure| format!("{failure:#}"));
    report.interrupted = interrupted;
    Ok((report, failure))
}

fn stage_names(args: &RunArgs) -> &'static [&'static str] {
    match (args.fill, args.drain) {
        (false, false) => &["run"],
        (true, false) => &["fill"],
        (false, true) => &["drain"],
        (true, true) => &["fill", "drain"],
    }
}

fn queue_names(args: &RunArgs) -> impl Iterator<Item = String> {
    (0..args.queues).map(|queue| queue_name(&args.queue_pattern, queue.into()))
}

async fn declare_queues(args: &RunArgs) -> Result<()> {
    let mut client = topology::connect(&args.uri).await?;
    for name in queue_names(args) {
        topology::declare(&mut client, &name, args.queue_type).await?;
    }
    client.close().await;
    Ok(())
}

async fn ready_messages(args: &RunArgs) -> Result<u64> {
    let mut client = topology::connect(&args.uri).await?;
    let mut ready = 0;
    for name in queue_names(args) {
        ready += topology::ready_messages(&mut client, &name).await?;
    }
    client.close().await;
    Ok(ready)
}

/// The measurement is done: a queue that cannot be deleted is worth a word, not a failure.
async fn delete_queues(args: &RunArgs) {
    let deleted = async {
        let mut client = topology::connect(&args.uri).await?;
        for name in queue_names(args) {
            topology::delete(&mut client, &name).await?;
        }
        client.close().await;
        Ok::<(), anyhow::Error>(())
    };
    if let Err(error) = deleted.await.context("queues were left behind") {
        tell(&format!("{error:#}"));
    }
}
