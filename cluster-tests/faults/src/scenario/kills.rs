//! S8: processes are killed.

use std::time::Duration;

use anyhow::Result;

use super::{Scenario, bounds};
use crate::{host::Need, stage::Stage};

pub(super) const LEADER: Scenario =
    Scenario::new("S8-leader", "kill -9 of a leader", Need::Processes, kill_leaders).quick();
pub(super) const FOLLOWER: Scenario =
    Scenario::new("S8-follower", "kill -9 of a node that does not lead", Need::Processes, kill_followers);
pub(super) const ALL: Scenario = Scenario::new("S8-all", "kill -9 of all nodes at once", Need::Processes, kill_all);
pub(super) const ROLLING: Scenario =
    Scenario::new("S8-rolling", "kill -9 of one node after the other", Need::Processes, kill_rolling);
pub(super) const STORM: Scenario =
    Scenario::new("S8-storm", "kill -9 of one node again and again as it starts", Need::Processes, kill_storm).quick();

fn kill_leaders(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        kill(stage, leader, bounds::KILL)?;
    }
    Ok(())
}

/// Of one queue; it may lead others.
fn kill_followers(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let queue = stage.plan.queues[0].name.clone();
        let leader = stage.leader_of(&queue)?;
        let follower = *stage.world.others(&[leader]).first().unwrap_or(&leader);
        kill(stage, follower, bounds::KILL)?;
    }
    Ok(())
}

fn kill_rolling(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        for node in stage.world.all() {
            kill(stage, node, bounds::KILL)?;
        }
    }
    Ok(())
}

fn kill(stage: &mut Stage, node: usize, bound: Duration) -> Result<()> {
    stage.fault(format!("node{node} is killed"), bound, |stage| {
        stage.world.kill(&[node])?;
        let down = stage.random_ms(500, 4000);
        stage.work_for(down);
        stage.world.restart(&[node])
    })
}

fn kill_all(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        stage.fault("all nodes are killed", None, |stage| {
            let all = stage.world.all();
            stage.world.kill(&all)?;
            let down = stage.random_ms(0, 1000);
            stage.work_for(down);
            stage.world.restart(&all)
        })?;
    }
    Ok(())
}

fn kill_storm(stage: &mut Stage) -> Result<()> {
    let node = stage.any_node();
    stage.fault(format!("node{node} is killed again and again"), bounds::KILL, |stage| {
        while stage.goes_on() {
            stage.world.kill(&[node])?;
            stage.world.start(&[node])?;
            // Some kills hit the start, some the first moments after.
            let up = stage.random_ms(20, 1500);
            stage.work_for(up);
        }
        Ok(())
    })
}
