//! Stock clients in other languages: each is a program below `clients/` that prints a line per behaviour.
//!
//! A client whose language is not on this machine is skipped, and says so. What a client needs is fetched and built in the user's
//! cache folder, never in the checkout.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use xtask::{python, shell};

use crate::{program::follow, report::Report};

/// How long one client may take. Each takes some seconds.
const LIMIT: Duration = Duration::from_secs(300);

/// One client library.
#[derive(Clone, Copy)]
struct Client {
    title: &'static str,
    /// Programs that must be on the machine.
    tools: &'static [&'static str],
    /// Fetches and builds; returns the command that takes URIs.
    prepare: fn(&Folders) -> Result<Command>,
}

const CLIENTS: [Client; 4] = [
    Client { title: "python: pika", tools: &["python3"], prepare: prepare_python },
    Client { title: "node: amqplib", tools: &["node", "npm"], prepare: prepare_node },
    Client { title: "go: amqp091-go", tools: &["go"], prepare: prepare_go },
    Client { title: "java: amqp-client", tools: &["java", "mvn"], prepare: prepare_java },
];

/// Where the clients' sources are and where they may write.
#[derive(Clone, Debug)]
struct Folders {
    clients: PathBuf,
    cache: PathBuf,
}

/// Runs every client that this machine has the tools for.
///
/// # Errors
/// When there is no cache folder.
pub fn run(root: &Path, uris: &[String], report: &mut Report) -> Result<()> {
    let folders = Folders { clients: root.join("cluster-tests/conformance/clients"), cache: xtask::paths::cache()? };
    for client in CLIENTS {
        report.heading(client.title);
        if let Some(missing) = client.tools.iter().find(|tool| shell::which(tool).is_none()) {
            report.skipped(&format!("no {missing}"));
            continue;
        }
        let before = report.count();
        let result = (client.prepare)(&folders)
            .and_then(|mut command| follow(command.args(uris), LIMIT, |line| report.line(line)));
        let nothing = report.count() == before;
        if result.is_err() || nothing {
            report.record("the client runs to its end", result.and(Err(anyhow::anyhow!("it looked at nothing"))));
        }
    }
    Ok(())
}

fn prepare_python(folders: &Folders) -> Result<Command> {
    let source = folders.clients.join("python");
    let requirements = fs::read_to_string(source.join("requirements.txt"))?;
    let packages = requirements.lines().collect::<Vec<_>>();
    let interpreter = python::environment(&folders.cache.join("venv"), &packages)?;
    let mut command = Command::new(interpreter);
    command.arg("-B").arg(source.join("conformance.py"));
    Ok(command)
}

fn prepare_node(folders: &Folders) -> Result<Command> {
    let build = copied(folders, "node")?;
    let mut install = Command::new("npm");
    install.args(["install", "--no-package-lock", "--no-audit", "--no-fund"]).current_dir(&build);
    shell::quiet(&mut install)?;
    let mut command = Command::new("node");
    command.arg(build.join("conformance.js"));
    Ok(command)
}

fn prepare_go(folders: &Folders) -> Result<Command> {
    let build = folders.cache.join("conformance/go");
    let binary = build.join("conformance");
    let mut compile = Command::new("go");
    compile.args(["build", "-o"]).arg(&binary).arg(".").current_dir(folders.clients.join("go"));
    // -modcacherw: so that the cache can be removed like any folder.
    compile.env("GOPATH", &build).env("GOFLAGS", "-modcacherw -buildvcs=false");
    shell::quiet(&mut compile)?;
    Ok(Command::new(binary))
}

fn prepare_java(folders: &Folders) -> Result<Command> {
    let build = copied(folders, "java")?;
    shell::quiet(Command::new("mvn").args(["--batch-mode", "--quiet", "compile"]).current_dir(&build))?;
    let mut command = Command::new("java");
    command.arg("-cp").arg("target/classes:target/dependency/*").arg("Conformance").current_dir(&build);
    Ok(command)
}

/// Copies a client's sources to the cache folder, over what an earlier run left there.
fn copied(folders: &Folders, name: &str) -> Result<PathBuf> {
    let target = folders.cache.join("conformance").join(name);
    copy(&folders.clients.join(name), &target).with_context(|| format!("cannot write {}", target.display()))?;
    Ok(target)
}

/// Copies a folder with everything below it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().context("an entry without a name")?);
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
