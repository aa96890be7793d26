//! `cargo xtask cluster ...`: the command line over a [`Cluster`], and its table.

use std::path::Path;

use anyhow::{Result, ensure};
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};

use super::{Cluster, ClusterFile, ClusterSpec, NODES};
use crate::{cargo, paths};

/// What to do with the local cluster.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum ClusterCommand {
    /// Installs what is missing, builds, starts three nodes on loopback and waits until they are ready
    Up,
    /// Shows the nodes
    Status,
    /// Kills nodes with SIGKILL, all at once
    Kill {
        /// Numbers of the nodes
        #[arg(required = true)]
        nodes: Vec<usize>,
    },
    /// Starts a node that does not run and waits until it is ready
    Start {
        /// Number of the node
        node: usize,
    },
    /// Stops a node gracefully and waits until it has stopped
    Stop {
        /// Number of the node
        node: usize,
    },
    /// Stops all nodes; their data stays
    Down,
    /// Stops all nodes and removes their data
    Clean,
}

/// Runs the command on the standard cluster.
///
/// # Errors
/// When the command fails, or `status` finds no cluster.
pub fn run(command: ClusterCommand) -> Result<()> {
    let root = paths::root()?;
    let cluster = Cluster::new(ClusterSpec::standard(&root));
    match command {
        ClusterCommand::Up => {
            let binary = cargo::build_broker(&root)?;
            cluster.up(&binary)?;
            print_urls(&cluster, &binary);
        }
        ClusterCommand::Status => print_status(&cluster)?,
        ClusterCommand::Kill { nodes } => {
            cluster.kill(&nodes)?;
            println!("killed");
        }
        ClusterCommand::Start { node } => cluster.start(node)?,
        ClusterCommand::Stop { node } => {
            cluster.stop(node)?;
            println!("node{node} has stopped");
        }
        ClusterCommand::Down => {
            cluster.down()?;
            println!("no node runs");
        }
        ClusterCommand::Clean => {
            cluster.clean()?;
            println!("no node runs, and their data is gone");
        }
    }
    Ok(())
}

fn print_urls(cluster: &Cluster, binary: &Path) {
    println!("\nA cluster of {NODES} nodes is up (user guest, password guest, from this machine only):");
    for node in cluster.spec().nodes() {
        println!(
            "  {}   amqp://{}   http://{}/metrics   log {}",
            node.name,
            node.amqp,
            node.http,
            node.log_file().display()
        );
    }
    let node = cluster.spec().node(1);
    println!(
        "\nAdminister it: {} ctl --node http://{} --data-dir {} queues list",
        binary.display(),
        node.http,
        node.data_dir().display()
    );
    println!("See what it can take: cargo xtask demo");
}

fn print_status(cluster: &Cluster) -> Result<()> {
    let file = ClusterFile::read(cluster.spec())?;
    ensure!(file.is_some(), "no cluster is up: cargo xtask cluster up");
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY).set_header(["node", "pid", "alive", "ready", "amqp", "http", "peer"]);
    for number in 1..=NODES {
        let (node, pid) = (cluster.spec().node(number), cluster.pid(number)?);
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let ready = pid.is_some() && cluster.is_ready(number);
        let shown = pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        table.add_row([node.name, shown, yes(pid.is_some()), yes(ready), node.amqp, node.http, node.peer]);
    }
    println!("{table}");
    Ok(())
}
