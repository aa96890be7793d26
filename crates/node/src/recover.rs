//! `quorate recover-lost-majority`: offline, loud, and only when it was accepted.
#![expect(clippy::print_stdout, reason = "a command line tool")]

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use replication::{Environment, Founder, Recovered};
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
    refuse_if_not_lost(&config, &store)?;
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

/// While a majority runs nothing is lost: there would be two clusters that confirm, and one of them would have to be thrown away.
fn refuse_if_not_lost(config: &Config, store: &Arc<dyn LogStore>) -> anyhow::Result<()> {
    let nodes = config.cluster.nodes.iter();
    let founders: Vec<Founder> =
        nodes.map(|node| Founder { name: node.name.clone(), address: node.peer.clone() }).collect();
    let network = Environment::default().network;
    let asking = replication::members_up(store, &founders, &*network);
    let (up, members) = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(asking)?;
    if 2 * (up.len() + 1) > members {
        bail!(
            "the majority is not lost: of {members} nodes {} run, and node '{}' can be started beside them. Start it instead; nodes that \
             are gone for ever are forgotten with 'quorate ctl cluster forget'",
            up.join(", "),
            config.node.name
        );
    }
    Ok(())
}
