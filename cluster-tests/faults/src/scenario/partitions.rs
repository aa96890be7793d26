//! S1, S2 and S3: networks fall apart.

use std::time::Duration;

use anyhow::Result;

use super::{Scenario, bounds};
use crate::{
    host::Need,
    stage::Stage,
    world::net::{End, Fate},
};

pub(super) const MINORITY: Scenario =
    Scenario::new("S1", "a leader on the smaller side of a partition", Need::Network, minority).quick();
pub(super) const LEADER: Scenario =
    Scenario::new("S2-leader", "a leader that nobody reaches", Need::Network, isolated_leader);
pub(super) const FOLLOWER: Scenario =
    Scenario::new("S2-follower", "a node that nobody reaches", Need::Network, isolated_follower);
pub(super) const RING: Scenario = Scenario {
    nodes: 5,
    ..Scenario::new("S3-ring", "each of five nodes sees another majority", Need::Network, majorities_ring)
};
pub(super) const BRIDGE: Scenario = Scenario {
    nodes: 5,
    ..Scenario::new(
        "S3-bridge",
        "one of five nodes sees both halves, which do not see each other",
        Need::Network,
        bridge,
    )
};

/// Clients reach both sides.
fn minority(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        stage.fault(format!("node{leader} is cut off from the others"), bounds::SILENCE, |stage| {
            let others = stage.world.others(&[leader]);
            stage.world.partition(&[leader], &others)?;
            let apart = stage.random_ms(2500, 8000);
            stage.work_for(apart);
            stage.world.heal()
        })?;
    }
    Ok(())
}

fn isolated_leader(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        isolate(stage, leader)?;
    }
    Ok(())
}

fn isolated_follower(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        let follower = stage.world.others(&[leader])[0];
        isolate(stage, follower)?;
    }
    Ok(())
}

/// Neither nodes nor clients reach it.
fn isolate(stage: &mut Stage, node: usize) -> Result<()> {
    stage.fault(format!("node{node} is isolated"), bounds::SILENCE, |stage| {
        let others = stage.world.others(&[node]);
        stage.world.break_link(End::Clients, End::Node(node), Fate::Cut)?;
        stage.world.break_link(End::Node(node), End::Clients, Fate::Cut)?;
        stage.world.partition(&[node], &others)?;
        let apart = stage.random_ms(2500, 12_000);
        stage.work_for(apart);
        stage.world.heal()
    })
}

/// Each node sees its two neighbours on either side of a ring: all have a majority, each another one.
fn majorities_ring(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        stage.fault("a ring of majorities", None, |stage| {
            let nodes = stage.world.all().len();
            for node in 0..nodes {
                // In a ring of five, who is not a neighbour is two steps away, in either direction.
                stage.world.partition(&[node + 1], &[(node + 2) % nodes + 1])?;
            }
            stage.work_for(Duration::from_secs(8));
            stage.world.heal()
        })?;
    }
    Ok(())
}

fn bridge(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let bridge = stage.any_node();
        stage.fault(format!("only node{bridge} sees both halves"), None, |stage| {
            let others = stage.world.others(&[bridge]);
            let (one, other) = others.split_at(others.len() / 2);
            stage.world.partition(one, other)?;
            stage.work_for(Duration::from_secs(8));
            stage.world.heal()
        })?;
    }
    Ok(())
}
