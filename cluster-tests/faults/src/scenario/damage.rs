//! S18, S19 and S20: files are damaged, cut short, or gone, on one node while the others are well.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use rand::Rng;

use super::Scenario;
use crate::{host::Need, stage::Stage};

pub(super) const FLIPPED: Scenario =
    Scenario::new("S18", "bits of a node's files are flipped", Need::Processes, flipped).quick();
pub(super) const TORN: Scenario = Scenario::new("S19", "a node's log ends with a torn write", Need::Processes, torn);
pub(super) const WIPED: Scenario =
    Scenario::new("S20", "a node comes back with an empty disk, or with another's", Need::Processes, wiped);

/// How long a damaged node may take to refuse, or to be well.
const VERDICT_MAX: Duration = Duration::from_secs(20);

/// The node refuses to start, or is well: it must not go on with something else. When it refused, its files are put back.
fn flipped(stage: &mut Stage) -> Result<()> {
    for kind in [".log", "MANIFEST", ".sst", "CURRENT"].into_iter().cycle() {
        if !stage.goes_on() {
            break;
        }
        let node = stage.any_node();
        stage.fault(format!("{kind} of node{node} is damaged"), None, |stage| {
            stage.world.kill(&[node])?;
            stage.world.save(node)?;
            let seed = stage.rng.random();
            if kind == "CURRENT" {
                fs::remove_file(stage.world.file(node, kind)?.context("no CURRENT")?)?;
            } else if stage.world.corrupt(node, kind, seed).is_err() {
                // So early in a run there may be no such file.
                return stage.world.restart(&[node]);
            }
            come_back(stage, node)
        })?;
    }
    Ok(())
}

fn come_back(stage: &mut Stage, node: usize) -> Result<()> {
    stage.world.start(&[node])?;
    stage.wait(VERDICT_MAX, |stage| !stage.world.is_running(node) || stage.world.api(node).is_ready());
    if stage.world.api(node).is_ready() {
        return Ok(());
    }
    if stage.world.is_running(node) {
        stage.world.kill(&[node])?;
    }
    stage.world.put_back(node)?;
    stage.world.restart(&[node])
}

/// As a crash leaves it that comes in the middle of a write: behind what was synced is part of something else.
fn torn(stage: &mut Stage) -> Result<()> {
    for bytes in [1, 512, 4096].into_iter().cycle() {
        if !stage.goes_on() {
            break;
        }
        let node = stage.any_node();
        stage.fault(format!("{bytes} torn bytes are behind node{node}'s log"), None, |stage| {
            stage.world.kill(&[node])?;
            let seed = stage.rng.random();
            stage.world.tear(node, ".log", bytes, seed)?;
            stage.world.restart(&[node])
        })?;
    }
    Ok(())
}

fn wiped(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let node = stage.any_node();
        stage.fault(format!("node{node}'s disk is empty"), None, |stage| {
            stage.world.kill(&[node])?;
            stage.world.save(node)?;
            stage.world.wipe(node)?;
            come_back(stage, node)
        })?;
        let others = stage.world.others(&[node]);
        let (one, other) = (others[0], others[1]);
        stage.fault(format!("node{one} has node{other}'s disk"), None, |stage| {
            stage.world.kill(&[one, other])?;
            stage.world.save(one)?;
            stage.world.exchange(one, other)?;
            stage.world.start(&[one])?;
            stage.wait(VERDICT_MAX, |stage| !stage.world.is_running(one) || stage.world.api(one).is_ready());
            if stage.world.is_running(one) {
                stage.world.kill(&[one])?;
            }
            stage.world.exchange(one, other)?;
            stage.world.restart(&[one, other])
        })?;
    }
    Ok(())
}
