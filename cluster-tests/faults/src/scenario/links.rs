//! S4, S5 and S6: links that work in one direction, now and then, or badly.

use std::time::Duration;

use anyhow::Result;

use super::{Scenario, bounds};
use crate::{
    host::Need,
    stage::Stage,
    world::net::{End, Fate},
};

pub(super) const DEAF: Scenario =
    Scenario::new("S4-deaf", "a leader that hears no other node", Need::Network, deaf_leader).quick();
pub(super) const DUMB: Scenario =
    Scenario::new("S4-dumb", "a leader that no other node hears", Need::Network, dumb_leader);
pub(super) const CLIENTS: Scenario =
    Scenario::new("S4-clients", "clients lose a node that the others see", Need::Network, clients_only);
pub(super) const FLAPPING: Scenario = Scenario::new("S5", "a partition that comes and goes", Need::Network, flapping);
pub(super) const LOSS: Scenario = Scenario::new("S6-loss", "links that lose packets", Need::Network, loss).quick();
pub(super) const DELAY: Scenario =
    Scenario { detours: true, ..Scenario::new("S6-delay", "links that take their time", Need::Network, delay) };

fn deaf_leader(stage: &mut Stage) -> Result<()> {
    one_way(stage, "hears no other node", |leader, other| (End::Node(other), End::Node(leader)))
}

fn dumb_leader(stage: &mut Stage) -> Result<()> {
    one_way(stage, "is heard by no other node", |leader, other| (End::Node(leader), End::Node(other)))
}

fn one_way(stage: &mut Stage, what: &str, direction: fn(usize, usize) -> (End, End)) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        stage.fault(format!("node{leader} {what}"), bounds::SILENCE, |stage| {
            for other in stage.world.others(&[leader]) {
                let (from, to) = direction(leader, other);
                stage.world.break_link(from, to, Fate::Cut)?;
            }
            let apart = stage.random_ms(2500, 8000);
            stage.work_for(apart);
            stage.world.heal()
        })?;
    }
    Ok(())
}

fn clients_only(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let node = stage.leader()?;
        stage.fault(format!("node{node} is lost to clients"), bounds::FOLLOWER, |stage| {
            stage.world.break_link(End::Clients, End::Node(node), Fate::Cut)?;
            stage.world.break_link(End::Node(node), End::Clients, Fate::Cut)?;
            let apart = stage.random_ms(2500, 12_000);
            stage.work_for(apart);
            stage.world.heal()
        })?;
    }
    Ok(())
}

/// Shorter and longer than an election takes. Each time apart may cost an election, so there is no bound but that of recovery.
fn flapping(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let leader = stage.leader()?;
        let others = stage.world.others(&[leader]);
        stage.fault(format!("node{leader} comes and goes"), bounds::STALL, |stage| {
            for _ in 0..6 {
                stage.world.partition(&[leader], &others)?;
                let apart = stage.random_ms(200, 2000);
                stage.work_for(apart);
                stage.world.heal()?;
                let together = stage.random_ms(200, 1500);
                stage.work_for(together);
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn loss(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        // What TCP makes of every tenth packet's loss is slow; of every third, hardly anything. Then only safety counts.
        for (percent, bound) in [(10, Some(bounds::STALL)), (1, Some(bounds::SILENCE)), (30, None)] {
            stage.fault(format!("{percent} % of packets are lost"), bound, |stage| {
                for (from, to) in pairs(&stage.world.all()) {
                    stage.world.break_link(from, to, Fate::Lossy(percent))?;
                }
                stage.work_for(Duration::from_secs(5));
                stage.world.heal()
            })?;
            if !stage.goes_on() {
                break;
            }
        }
    }
    Ok(())
}

fn pairs(nodes: &[usize]) -> Vec<(End, End)> {
    let all = nodes.iter().flat_map(|a| nodes.iter().map(move |b| (*a, *b)));
    all.filter(|(a, b)| a != b).map(|(a, b)| (End::Node(a), End::Node(b))).collect()
}

fn delay(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        for (mean, jitter) in [(20, 10), (75, 50)] {
            stage.fault(format!("links take {mean} ± {jitter} ms"), bounds::SILENCE, |stage| {
                stage.world.slow_links(Duration::from_millis(mean), Duration::from_millis(jitter))?;
                stage.work_for(Duration::from_secs(6));
                stage.world.heal()
            })?;
        }
    }
    Ok(())
}
