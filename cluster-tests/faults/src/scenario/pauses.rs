//! S7: processes stand still, and go on as if nothing had happened.

use std::time::Duration;

use anyhow::Result;

use super::{Scenario, bounds};
use crate::{host::Need, plan::Plan, stage::Stage};

pub(super) const LEADER: Scenario =
    Scenario::new("S7-leader", "SIGSTOP of a leader", Need::Processes, pause_leaders).quick();
pub(super) const FOLLOWER: Scenario =
    Scenario::new("S7-follower", "SIGSTOP of another node", Need::Processes, pause_followers);
pub(super) const MAJORITY: Scenario = Scenario::new("S7-majority", "SIGSTOP of two nodes", Need::Processes, pause_two);
pub(super) const LOCKS: Scenario = Scenario {
    plan: locks,
    ..Scenario::new(
        "S7-locks",
        "SIGSTOP of leaders while clients take turns with a lock",
        Need::Processes,
        pause_leaders,
    )
};

fn locks() -> Plan {
    let mut plan = Plan::standard();
    plan.queues.truncate(1);
    plan.lockers = 6;
    plan
}

fn pause_leaders(stage: &mut Stage) -> Result<()> {
    for seconds in [1, 5, 2, 20].into_iter().cycle() {
        if !stage.goes_on() {
            break;
        }
        let leader = stage.leader()?;
        pause(stage, &[leader], Duration::from_secs(seconds), Some(bounds::SILENCE))?;
    }
    Ok(())
}

/// It leads something else, perhaps; then its silence is noticed as that of any leader.
fn pause_followers(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        let follower = stage.world.others(&[leader])[0];
        pause(stage, &[follower], Duration::from_secs(4), Some(bounds::SILENCE))?;
    }
    Ok(())
}

/// Without a majority nothing is confirmed; afterwards all goes on.
fn pause_two(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let spared = stage.any_node();
        let others = stage.world.others(&[spared]);
        pause(stage, &others, Duration::from_secs(4), None)?;
    }
    Ok(())
}

fn pause(stage: &mut Stage, nodes: &[usize], time: Duration, bound: Option<Duration>) -> Result<()> {
    stage.fault(format!("nodes {nodes:?} stand still for {} s", time.as_secs()), bound, |stage| {
        stage.world.pause(nodes)?;
        stage.work_for(time);
        stage.world.resume(nodes)
    })
}
