//! S9 and S10: power fails, and everything that was not synced is gone.

use std::time::Duration;

use anyhow::Result;

use super::{Scenario, bounds};
use crate::{host::Need, stage::Stage};

pub(super) const ONE: Scenario = Scenario::new("S9-one", "power loss of a leader", Need::Disks, one);
pub(super) const TWO: Scenario = Scenario::new("S9-majority", "power loss of two nodes at once", Need::Disks, two);
pub(super) const ALL: Scenario = Scenario::new("S9-all", "power loss of all nodes at once", Need::Disks, all).quick();
pub(super) const PART_KILL: Scenario =
    Scenario::new("S10-part", "power loss between two partitions", Need::Disks, part_kill).quick();
pub(super) const PAUSE_KILL: Scenario =
    Scenario::new("S10-pause", "power loss between two pauses", Need::Disks, pause_kill);

fn one(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        lose(stage, &[leader], Some(bounds::KILL))?;
    }
    Ok(())
}

fn two(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let spared = stage.any_node();
        let others = stage.world.others(&[spared]);
        lose(stage, &others, None)?;
    }
    Ok(())
}

fn all(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let all = stage.world.all();
        lose(stage, &all, None)?;
    }
    Ok(())
}

fn lose(stage: &mut Stage, nodes: &[usize], bound: Option<Duration>) -> Result<()> {
    stage.fault(format!("nodes {nodes:?} lose power"), bound, |stage| {
        stage.world.power_off(nodes)?;
        let down = stage.random_ms(200, 2500);
        stage.work_for(down);
        stage.world.restart(nodes)
    })
}

/// A node that was cut off and one that lost power are a majority. If the second did not have on its disk what it answered for,
/// they agree on less than was confirmed.
fn part_kill(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let behind = stage.any_node();
        let others = stage.world.others(&[behind]);
        let (killed, knowing) = (others[0], others[1]);
        stage.fault(format!("node{behind} misses what node{killed} loses"), None, |stage| {
            stage.world.partition(&[behind], &others)?;
            stage.work_for(Duration::from_secs(3));
            stage.world.power_off(&[killed])?;
            stage.world.heal()?;
            stage.world.partition(&[knowing], &[behind, killed])?;
            stage.world.start(&[killed])?;
            stage.work_for(Duration::from_secs(5));
            stage.world.heal()?;
            stage.world.wait_ready(&[killed], Duration::from_secs(30))
        })?;
    }
    Ok(())
}

fn pause_kill(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let behind = stage.any_node();
        let others = stage.world.others(&[behind]);
        let (killed, knowing) = (others[0], others[1]);
        stage.fault(format!("node{behind} sleeps through what node{killed} loses"), None, |stage| {
            stage.world.pause(&[behind])?;
            stage.work_for(Duration::from_secs(3));
            stage.world.power_off(&[killed])?;
            stage.world.pause(&[knowing])?;
            stage.world.resume(&[behind])?;
            stage.world.start(&[killed])?;
            stage.work_for(Duration::from_secs(5));
            stage.world.resume(&[knowing])?;
            stage.world.wait_ready(&[killed], Duration::from_secs(30))
        })?;
    }
    Ok(())
}
