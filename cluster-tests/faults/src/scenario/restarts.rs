//! S21 and S28: nodes are restarted in good order, one after the other; all are stopped and started with a backlog.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Scenario, bounds};
use crate::{
    host::Need,
    plan::{ConsumerPlan, Plan, PublisherPlan, QueuePlan},
    stage::Stage,
    world::Version,
};

pub(super) const ROLLING: Scenario = Scenario::new("S21", "a rolling restart", Need::Processes, rolling).quick();
pub(super) const UPGRADE: Scenario = Scenario {
    upgrades: true,
    ..Scenario::new(
        "S21-upgrade",
        "a rolling upgrade, a downgrade of one node, and an upgrade again",
        Need::Processes,
        upgrade,
    )
};
pub(super) const COLD: Scenario = Scenario {
    plan: backlog,
    ..Scenario::new("S28", "all nodes are stopped and started with a backlog", Need::Processes, cold)
};

fn rolling(stage: &mut Stage) -> Result<()> {
    for node in stage.world.all() {
        stage.fault(format!("node{node} is restarted"), bounds::HAND_OVER, |stage| {
            stage.world.stop(node)?;
            stage.world.restart(&[node])
        })?;
    }
    Ok(())
}

/// One node after the other gets the new version, as an operator does it; then one goes back, and comes again.
fn upgrade(stage: &mut Stage) -> Result<()> {
    let all = stage.world.all();
    for node in &all {
        change(stage, *node, Version::New)?;
    }
    change(stage, all[0], Version::Old)?;
    change(stage, all[0], Version::New)
}

fn change(stage: &mut Stage, node: usize, version: Version) -> Result<()> {
    stage.fault(format!("node{node} gets the {version:?} version").to_lowercase(), bounds::HAND_OVER, |stage| {
        stage.world.stop(node)?;
        stage.world.set_version(node, version)?;
        stage.world.restart(&[node])
    })
}

/// As fast as it goes, and nobody consumes until the nodes are back.
fn backlog() -> Plan {
    let publisher = PublisherPlan { rate: 5000, size: 1024, priority: None };
    let queue = |name: &str| QueuePlan {
        publishers: vec![publisher; 2],
        late_consumers: vec![ConsumerPlan { prefetch: 500, ..ConsumerPlan::default() }; 3],
        ..QueuePlan::new(name)
    };
    Plan { queues: vec![queue("backlog1"), queue("backlog2")], ..Plan::default() }
}

fn cold(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        stage.work_for(Duration::from_millis(200));
    }
    stage.load.stop_publishing();
    let all_confirmed = stage.wait(Duration::from_secs(20), |stage| stage.load.is_all_published());
    ensure!(all_confirmed, "publishers do not end");
    let confirmed = stage.load.confirmed();
    stage.restart_all(format!("a cold restart with {confirmed} messages"))?;
    for node in stage.world.all() {
        let mut ready = 0;
        for queue in &stage.plan.queues {
            ready += stage.world.api(node).depth(&queue.name)?.ready;
        }
        ensure!(ready >= confirmed, "node{node} has {ready} of {confirmed} messages");
    }
    stage.load.start_late()
}
