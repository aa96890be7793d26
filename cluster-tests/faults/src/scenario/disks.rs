//! S11, S12 and S14: disks that fail, stall or are full.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Scenario, bounds};
use crate::{host::Need, stage::Stage};

pub(super) const EIO: Scenario = Scenario::new("S11", "a leader's disk fails for good", Need::Disks, failing);
pub(super) const EIO_ONCE: Scenario = Scenario {
    shimmed: true,
    ..Scenario::new(
        "S11-once",
        "a sync of a leader fails once, and the disk is well again",
        Need::Processes,
        failing_once,
    )
    .quick()
};
pub(super) const STALL: Scenario = Scenario::new("S12", "a leader's disk stalls", Need::Disks, stalling).quick();
pub(super) const ALARM: Scenario =
    Scenario::new("S14-alarm", "a disk that is almost full blocks publishers", Need::Disks, almost_full).quick();
pub(super) const FULL: Scenario = Scenario::new("S14-full", "a leader's disk is full", Need::Disks, full);

/// How long a node may take to notice that its disk fails, and to end itself: syncs are under way all the time.
const NOTICE_MAX: Duration = Duration::from_secs(10);
/// How long publishers may take to be blocked, and to be let go on: nodes look at their disks every few seconds.
const ALARM_MAX: Duration = Duration::from_secs(20);
/// Less than the free space below which a node raises its alarm. Unit: MiB.
const ALMOST_FULL_MIB: u64 = 30;

/// Nothing is tried again: the node ends itself, and comes back when its disk does.
fn failing(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        stage.fault(format!("node{leader}'s disk fails"), bounds::KILL, |stage| {
            stage.world.fail_writes(leader)?;
            stage.world.wait_ended(leader, NOTICE_MAX)?;
            stage.world.power_off(&[leader])?;
            stage.world.restart(&[leader])
        })?;
    }
    Ok(())
}

/// Once is enough: what the failed sync was for is lost to the next, though that succeeds.
fn failing_once(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        stage.fault(format!("a sync of node{leader} fails"), bounds::KILL, |stage| {
            stage.world.shim(leader)?.fail_syncs(1)?;
            stage.world.wait_ended(leader, NOTICE_MAX).context("I15: it goes on after a sync that failed")?;
            stage.world.restart(&[leader])
        })?;
    }
    Ok(())
}

/// A leader whose disk stands still must not stay one.
fn stalling(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        let stall = stage.random_ms(5000, 15_000);
        stage.fault(format!("node{leader}'s disk stalls for {} ms", stall.as_millis()), bounds::STALL, |stage| {
            // The watchdog is for when this program does not come to the thaw.
            stage.world.freeze(leader, stall + Duration::from_secs(20))?;
            stage.work_for(stall);
            stage.world.thaw()?;
            if !stage.world.is_running(leader) {
                stage.world.start(&[leader])?;
            }
            stage.world.wait_ready(&[leader], Duration::from_secs(30))
        })?;
    }
    Ok(())
}

/// Publishers wait everywhere while one node is short of disk, and go on without a restart when it is not.
fn almost_full(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let node = stage.any_node();
        stage.fault(format!("node{node}'s disk is almost full"), None, |stage| {
            stage.world.disk(node)?.fill(ALMOST_FULL_MIB)?;
            let blocked = stage.wait(ALARM_MAX, |stage| stage.load.blocked() > 0);
            stage.work_for(Duration::from_secs(2));
            stage.world.disk(node)?.free()?;
            ensure!(blocked, "no publisher is blocked");
            ensure!(stage.wait(ALARM_MAX, |stage| stage.load.blocked() == 0), "publishers are blocked for good");
            Ok(())
        })?;
    }
    Ok(())
}

/// The node ends itself or waits; it may lose nothing, and comes back when there is space again.
fn full(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        stage.fault(format!("node{leader}'s disk is full"), None, |stage| {
            stage.world.disk(leader)?.fill(0)?;
            stage.work_for(Duration::from_secs(6));
            stage.world.disk(leader)?.free()?;
            if !stage.world.is_running(leader) {
                stage.world.start(&[leader])?;
            }
            stage.world.wait_ready(&[leader], Duration::from_secs(30))?;
            ensure!(stage.wait(ALARM_MAX, |stage| stage.load.blocked() == 0), "publishers are blocked for good");
            Ok(())
        })?;
    }
    Ok(())
}
