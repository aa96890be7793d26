//! S26: declarations, deletions and purges race each other and changes of leaders.

use anyhow::Result;

use super::{Scenario, bounds};
use crate::{host::Need, plan::Plan, stage::Stage};

pub(super) const KILLS: Scenario = Scenario {
    plan: races,
    ..Scenario::new("S26-kill", "declarations race while nodes are killed", Need::Processes, kills)
};
pub(super) const PARTITIONS: Scenario = Scenario {
    plan: races,
    ..Scenario::new("S26-partition", "declarations race while nodes are cut off", Need::Network, partitions)
};

fn races() -> Plan {
    let mut plan = Plan::standard();
    plan.queues.truncate(1);
    plan.declarers = 2;
    plan.racers = 3;
    plan
}

fn kills(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let node = stage.any_node();
        stage.fault(format!("node{node} is killed"), bounds::KILL, |stage| {
            stage.world.kill(&[node])?;
            let down = stage.random_ms(500, 3000);
            stage.work_for(down);
            stage.world.restart(&[node])
        })?;
    }
    Ok(())
}

fn partitions(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let node = stage.any_node();
        stage.fault(format!("node{node} is cut off from the others"), bounds::SILENCE, |stage| {
            let others = stage.world.others(&[node]);
            stage.world.partition(&[node], &others)?;
            let apart = stage.random_ms(2000, 6000);
            stage.work_for(apart);
            stage.world.heal()
        })?;
    }
    Ok(())
}
