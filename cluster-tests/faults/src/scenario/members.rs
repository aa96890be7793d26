//! S16: members come and go while clients work: nodes leave and come back, disks are replaced, and a leader dies in the middle of it.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Scenario, bounds};
use crate::{host::Need, stage::Stage};

pub(super) const MEMBERS: Scenario =
    Scenario { nodes: 4, ..Scenario::new("S16", "members come and go under load", Need::Processes, members) };

/// How long a change of members may take: dozens of steps, each with replicas that catch up under load.
const CHANGE_MAX: Duration = Duration::from_secs(120);

fn members(stage: &mut Stage) -> Result<()> {
    let mut with_kill = false;
    while stage.goes_on() {
        let node = stage.leader()?;
        let title = if with_kill { "leaves, and a leader is killed meanwhile" } else { "leaves" };
        stage.fault(format!("node{node} {title}"), bounds::KILL, |stage| leave(stage, node, with_kill))?;
        stage.fault(format!("node{node} joins"), bounds::FOLLOWER, |stage| come_empty(stage, node))?;
        let node = stage.any_node();
        stage.fault(format!("node{node} has a new disk"), bounds::KILL, |stage| come_empty(stage, node))?;
        with_kill = !with_kill;
    }
    Ok(())
}

/// The node gives its replicas to the others, and goes.
fn leave(stage: &mut Stage, node: usize, with_kill: bool) -> Result<()> {
    let others = stage.world.others(&[node]);
    stage.world.api(others[0]).order(node, "decommission")?;
    if with_kill {
        let pause = stage.random_ms(100, 1500);
        stage.work_for(pause);
        let victim = others[1];
        stage.world.kill(&[victim])?;
        stage.world.restart(&[victim])?;
    }
    let is_gone = |stage: &Stage| {
        let told = |other: &usize| stage.world.api(*other).members();
        others.iter().all(|other| told(other).is_ok_and(|members| !members.contains(&node)))
    };
    ensure!(stage.wait(CHANGE_MAX, is_gone), "node{node} does not leave");
    stage.world.kill(&[node])
}

/// The node starts with an empty disk: as a new member, which may have to wait until the old one is known to be gone.
fn come_empty(stage: &mut Stage, node: usize) -> Result<()> {
    if stage.world.is_running(node) {
        stage.world.kill(&[node])?;
    }
    stage.world.wipe(node)?;
    stage.world.start(&[node])?;
    let is_back = |stage: &Stage| {
        let all = stage.world.all();
        all.iter().all(|other| stage.world.api(*other).is_settled(all.len()).unwrap_or(false))
    };
    ensure!(stage.wait(CHANGE_MAX, is_back), "node{node} does not come back with an empty disk");
    Ok(())
}
