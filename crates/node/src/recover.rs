//! `quorate recover-lost-majority`: offline, loud, and only when it was accepted.
#![expect(clippy::print_stdout, reason = "a command line tool")]

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use replication::Recovered;
use storage::{LogStore, RocksStore};
use types::GroupId;

use crate::{config::Config, damage, keys::Flags};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// That messages and declarations are lost which only the lost nodes have, confirmed ones too
    #[arg(long)]
    i_accept_data_loss: bool,
}

/// Does it, on the data directory of a node that does not run.
pub(crate) fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.flags)?;
    if !args.i_accept_data_loss {
        bail!(
            "this makes node '{}' a cluster of its own with the data in {}. What was confirmed and is only on other nodes is LOST, and those \
             nodes can come back only with empty disks. While a majority of nodes can still be started, start them instead. To go on: \
             --i-accept-data-loss",
            config.node.name,
            config.node.data_dir.display()
        );
    }
    let path = damage::store(&config.node.data_dir);
    if !path.exists() {
        bail!("there is no store in {}", config.node.data_dir.display());
    }
    damage::refuse_known(&config.node.data_dir)?;
    let options = storage::Options::new(Arc::new(|error: &storage::Error| tracing::error!(%error, "storage failed")));
    let store = RocksStore::open(&path, options)
        .with_context(|| format!("cannot open {}: the node has to be stopped", path.display()))?;
    let store: Arc<dyn LogStore> = store;
    let Recovered { node, kept, emptied } = replication::recover_lost_majority(&store)?;
    let list = |groups: &[GroupId]| groups.iter().map(GroupId::to_string).collect::<Vec<_>>().join(", ");
    println!("node {} (id {node}) is a cluster of its own now", config.node.name);
    println!("it goes on with its replicas of groups {}", list(&kept));
    if !emptied.is_empty() {
        println!("it had no replica of groups {}: their queues begin empty", list(&emptied));
    }
    println!(
        "start it; then 'quorate ctl cluster forget' each lost node, and let others join with empty data directories"
    );
    Ok(ExitCode::SUCCESS)
}
