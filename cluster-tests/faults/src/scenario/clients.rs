//! S23: clients that fall silent, do not read, or die at the worst moment. (That consumers die is part of most scenarios.)

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use types::FieldTable;

use super::{Scenario, bounds};
use crate::{amqp::Client, host::Need, stage::Stage};

pub(super) const CLIENTS: Scenario =
    Scenario::new("S23", "clients that fall silent, do not read, or die", Need::Processes, clients);

/// Consumers of a kind, in all.
const CONSUMERS: usize = 6;

/// What they hold or have not read comes to others: at the latest when their heartbeats are missed. Nobody else notices.
fn clients(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let nodes = stage.world.all().into_iter().map(|node| stage.world.amqp(node)).collect::<Vec<_>>();
        let queues = stage.plan.queues.iter().map(|queue| queue.name.clone()).collect::<Vec<_>>();
        stage.fault("consumers that do not read, and die", bounds::FOLLOWER, |stage| {
            let held = consumers(&nodes, &queues, 0)?;
            stage.work_for(Duration::from_secs(3));
            drop(held);
            stage.work_for(Duration::from_secs(1));
            Ok(())
        })?;
        stage.fault("consumers that fall silent", bounds::FOLLOWER, |stage| {
            let held = consumers(&nodes, &queues, 100)?;
            // Longer than the broker waits for heartbeats.
            stage.work_for(Duration::from_secs(14));
            drop(held);
            Ok(())
        })?;
    }
    Ok(())
}

/// Clients that consume and then are not looked after any more: no heartbeat, no acknowledgement.
fn consumers(nodes: &[SocketAddr], queues: &[String], prefetch: u16) -> Result<Vec<Client>> {
    let open = |number: usize| {
        let mut client = Client::open(nodes[number % nodes.len()], "silent")?;
        client.consume(&queues[number % queues.len()], prefetch, FieldTable::default())?;
        Ok(client)
    };
    (0..CONSUMERS).map(open).collect()
}
