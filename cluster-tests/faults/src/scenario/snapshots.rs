//! S17: a node is away until the others have thrown away the log that it needs, and gets snapshots while clients work. The leader that
//! sends one is killed meanwhile, and the node is cut off again in the middle.

use std::time::Duration;

use anyhow::{Result, ensure};
use rand::Rng;

use super::{Scenario, bounds};
use crate::{
    host::Need,
    plan::{ConsumerPlan, Plan, PublisherPlan, QueuePlan},
    stage::Stage,
};

pub(super) const SNAPSHOTS: Scenario = Scenario {
    plan: busy,
    settings: SETTINGS,
    ..Scenario::new("S17", "a node gets snapshots under load", Need::Network, snapshots).quick()
};

/// How often a node got the state of another's replica.
const INSTALLED: &str = "quorate_replication_snapshots_installed_total";
/// A log that is soon too short.
const SETTINGS: &str = "checkpoint_entries = 1000\nlag_entries_max = 2000\n";
/// So many entries are not there any more: what is kept, and what is written until a purge is worth it. Unit: entries.
const BEHIND: u64 = 6000;
/// How long it may take until the log that a node needs is gone.
const PURGED_MAX: Duration = Duration::from_secs(60);
/// How long a node may take to come level with the others again.
const LEVEL_MAX: Duration = Duration::from_secs(60);

/// Much is published, so that a log that is bounded by its bytes is soon cut; half of it waits until the end, so that snapshots are not small.
fn busy() -> Plan {
    let publisher = PublisherPlan { rate: 500, size: 16 * 1024, priority: None };
    let consumer = ConsumerPlan { prefetch: 200, ..ConsumerPlan::default() };
    let worked = QueuePlan { publishers: vec![publisher; 3], ..QueuePlan::new("worked") };
    let waiting = PublisherPlan { rate: 400, size: 200, priority: None };
    let kept = QueuePlan {
        publishers: vec![waiting; 2],
        late_consumers: vec![ConsumerPlan { prefetch: 500, ..ConsumerPlan::default() }; 3],
        ..QueuePlan::new("kept")
    };
    Plan { queues: vec![worked.consumer(consumer).consumer(consumer), kept], ..Plan::default() }
}

fn snapshots(stage: &mut Stage) -> Result<()> {
    // A short run has one of them, by its seed.
    let mut disturbance: usize = stage.rng.random_range(0..3);
    loop {
        let leader = stage.leader_of("worked")?;
        let late = stage.world.others(&[leader])[0];
        let name = ["", ", and is cut off meanwhile", ", and the leader is killed meanwhile"][disturbance % 3];
        stage.fault(format!("node{late} needs a snapshot{name}"), bounds::SILENCE, |stage| {
            let others = stage.world.others(&[late]);
            stage.world.partition(&[late], &others)?;
            let needed = applied(stage, late)?;
            let is_gone = |stage: &Stage| applied(stage, leader).is_ok_and(|applied| applied > needed + BEHIND);
            ensure!(stage.wait(PURGED_MAX, is_gone), "too little is published");
            let before = stage.world.api(late).metric(INSTALLED)?;
            stage.world.heal()?;
            match disturbance % 3 {
                1 => {
                    let begun = stage.random_ms(50, 400);
                    stage.work_for(begun);
                    stage.world.partition(&[late], &others)?;
                    stage.work_for(Duration::from_secs(2));
                    stage.world.heal()?;
                }
                2 => {
                    let begun = stage.random_ms(50, 400);
                    stage.work_for(begun);
                    stage.world.kill(&[leader])?;
                    stage.world.restart(&[leader])?;
                }
                _ => {}
            }
            let has = |stage: &Stage| stage.world.api(late).metric(INSTALLED).is_ok_and(|now| now > before);
            ensure!(stage.wait(LEVEL_MAX, has), "node{late} got no snapshot");
            Ok(())
        })?;
        disturbance += 1;
        if !stage.goes_on() {
            break;
        }
    }
    stage.load.start_late()
}

/// The last entry that a node has applied in the group that is ahead.
fn applied(stage: &Stage, node: usize) -> Result<u64> {
    let replicas = stage.world.api(node).replicas()?;
    Ok(replicas.iter().map(|replica| replica.applied).max().unwrap_or_default())
}
