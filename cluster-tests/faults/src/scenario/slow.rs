//! S13: disks that take longer for every sync, on a leader, a follower, or all nodes. One group's slow disk holds up no other.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Scenario, bounds};
use crate::{host::Need, stage::Stage};

pub(super) const SLOW: Scenario =
    Scenario { shimmed: true, ..Scenario::new("S13", "disks are slow", Need::Processes, slow) };

/// How long the disks are slow.
const TIME: (u64, u64) = (3000, 6000);

fn slow(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        let follower = stage.world.others(&[leader])[0];
        let all = stage.world.all();
        // Where a majority's disks are slow, each confirm takes two syncs that follow each other, and one that is under way.
        for (nodes, name, bound) in [
            (vec![leader], format!("node{leader}, which leads"), bounds::SILENCE),
            (vec![follower], format!("node{follower}"), bounds::FOLLOWER),
            (all, "every node".to_owned(), bounds::SILENCE),
        ] {
            let delay = stage.random_ms(20, 200);
            let name = format!("{name} syncs {} ms longer", delay.as_millis());
            stage.fault(name, bound, |stage| {
                let before = syncs(stage, &nodes)?;
                slow_down(stage, &nodes, delay)?;
                let time = stage.random_ms(TIME.0, TIME.1);
                stage.work_for(time);
                slow_down(stage, &nodes, Duration::ZERO)?;
                ensure!(syncs(stage, &nodes)? > before, "nothing was synced");
                Ok(())
            })?;
        }
    }
    Ok(())
}

fn slow_down(stage: &Stage, nodes: &[usize], delay: Duration) -> Result<()> {
    nodes.iter().try_for_each(|node| stage.world.shim(*node)?.slow_syncs(delay))
}

fn syncs(stage: &Stage, nodes: &[usize]) -> Result<u64> {
    nodes.iter().map(|node| stage.world.shim(*node)?.syncs()).sum()
}
