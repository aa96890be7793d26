//! One test per behaviour of queues and exchanges, in `python/behaviours`: each runs on replicated queues and on queues in memory
//! where that makes a difference, with publisher and consumer on different nodes.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::Result;
use xtask::{paths, python};

use crate::{
    program::{Program, run_all},
    report::Report,
};

/// How long all of them may take together: they run side by side, and take about a minute.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs the behaviours, or those whose name or module holds the text `named`.
///
/// # Errors
/// When there is no Python, or no cache folder.
pub fn run(root: &Path, uris: &[String], https: &[String], named: Option<&str>, report: &mut Report) -> Result<()> {
    let folder = root.join("cluster-tests/conformance");
    let requirements = fs::read_to_string(folder.join("clients/python/requirements.txt"))?;
    let interpreter = python::environment(&paths::cache()?.join("venv"), &requirements.lines().collect::<Vec<_>>())?;
    let mut command = Command::new(interpreter);
    command.args(["-B", "-m", "behaviours"]).args(uris).current_dir(folder.join("python"));
    if !https.is_empty() {
        command.arg("--http").arg(https.join(","));
    }
    if let Some(text) = named {
        command.arg("--named").arg(text);
    }
    run_all(vec![Ok(Program { title: "behaviours".to_owned(), command, limit: LIMIT })], report);
    Ok(())
}
