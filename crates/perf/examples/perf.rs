//! The load generator as a program of its own: `cargo run --release --example perf -p perf -- run --help`.

#![expect(clippy::print_stderr, reason = "a command line tool")]

use std::process::ExitCode;

use clap::Parser;

/// Load generator for AMQP 0-9-1 brokers.
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: perf::Args,
}

#[tokio::main]
async fn main() -> ExitCode {
    perf::run(Cli::parse().args).await.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}
