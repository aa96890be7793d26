//! Many seeds, each in a process of its own: nothing that a process has is left over from another run.

use std::{
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;

use crate::mutation::Mutation;

/// How often progress is printed.
const PROGRESS: Duration = Duration::from_secs(10);

/// Which seeds to run.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// How many
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Stop after so many seconds, however many are left
    #[arg(long)]
    seconds: Option<u64>,
    /// Run each seed twice and compare the traces
    #[arg(long)]
    twice: bool,
    /// How many at once
    #[arg(long, default_value_t = 2)]
    jobs: u64,
    /// Put a bug into the nodes, and stop at the first seed that finds it
    #[arg(long, value_enum)]
    mutation: Option<Mutation>,
}

/// What became of one seed.
struct Ended {
    seed: u64,
    is_ok: bool,
    text: String,
}

/// Runs them; `false` when something was found.
pub(crate) fn run(args: &BatchArgs) -> Result<bool> {
    let next = AtomicU64::new(args.from);
    let begin = Instant::now();
    let (sender, ended) = std::sync::mpsc::channel();
    let failed = thread::scope(|scope| {
        for _ in 0..args.jobs {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || work(args, next, begin, &sender));
        }
        drop(sender);
        gather(args, &next, begin, ended.iter())
    })?;
    for ended in &failed {
        print!("\n{}", ended.text);
        println!("replay it: cargo xtask sim --seed {}{}", ended.seed, mutation_flag(args));
    }
    Ok(failed.is_empty())
}

fn mutation_flag(args: &BatchArgs) -> String {
    args.mutation.map_or_else(String::new, |mutation| format!(" --mutation {}", mutation.name()))
}

fn work(args: &BatchArgs, next: &AtomicU64, begin: Instant, sender: &std::sync::mpsc::Sender<Result<Ended>>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        let late = args.seconds.is_some_and(|seconds| begin.elapsed() >= Duration::from_secs(seconds));
        if seed >= args.from + args.seeds || late {
            return;
        }
        if sender.send(one(args, seed)).is_err() {
            return;
        }
    }
}

fn gather(
    args: &BatchArgs,
    next: &AtomicU64,
    begin: Instant,
    all: impl Iterator<Item = Result<Ended>>,
) -> Result<Vec<Ended>> {
    let (mut count, mut failed, mut printed) = (0_u64, Vec::new(), Instant::now());
    for ended in all {
        let ended = ended?;
        count += 1;
        if !ended.is_ok {
            println!("seed {}: failed", ended.seed);
            failed.push(ended);
            if args.mutation.is_some() {
                next.store(u64::MAX / 2, Ordering::Relaxed);
            }
        }
        if printed.elapsed() >= PROGRESS {
            printed = Instant::now();
            progress(count, failed.len(), begin.elapsed());
        }
    }
    progress(count, failed.len(), begin.elapsed());
    failed.sort_by_key(|ended| ended.seed);
    Ok(failed)
}

fn progress(count: u64, failed: usize, elapsed: Duration) {
    let seconds = elapsed.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = count as f64 / seconds.max(0.001);
    println!("{count} seeds, {failed} failed, {seconds:.0} s, {rate:.2} seeds/s");
}

fn one(args: &BatchArgs, seed: u64) -> Result<Ended> {
    let (mut is_ok, mut text) = process(args, seed)?;
    if args.twice {
        let (_, again) = process(args, seed)?;
        if again != text {
            is_ok = false;
            text = format!("seed {seed}: VIOLATION the same seed ran in two ways\n{text}{again}");
        }
    }
    Ok(Ended { seed, is_ok, text })
}

/// Runs a seed; its verdict, and what it printed.
fn process(args: &BatchArgs, seed: u64) -> Result<(bool, String)> {
    let program = std::env::current_exe().context("this program has no path")?;
    let mut command = Command::new(program);
    command.args(["run", "--seed", &seed.to_string()]).stdin(Stdio::null());
    if let Some(mutation) = args.mutation {
        command.args(["--mutation", &mutation.name()]);
    }
    let output = command.output().context("a seed's process could not be started")?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() && !text.contains("VIOLATION") {
        text.push_str(&format!(
            "seed {seed}: VIOLATION {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok((output.status.success(), text))
}
