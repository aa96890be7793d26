//! Logs and errors for people: to standard error, one line each.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// Starts logging at the configured level (`info`, or a filter such as `info,replication=debug`).
pub(crate) fn start(filter: &str, json: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| format!("log filter '{filter}' is not understood"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).init();
    }
    Ok(())
}

/// Tells on standard error why the program ends.
#[expect(clippy::print_stderr, reason = "the last words of a command line tool")]
pub(crate) fn report(error: &anyhow::Error) {
    eprintln!("quorate: {error:#}");
}
