//! S27: two faults at once, by chance.

use std::time::Duration;

use anyhow::Result;
use rand::Rng;
use types::FieldValue;

use super::Scenario;
use crate::{
    host::Need,
    plan::{Plan, PublisherPlan, QueuePlan},
    stage::Stage,
    world::net::{End, Fate},
};

pub(super) const MIXED: Scenario =
    Scenario { plan: everything, ..Scenario::new("S27", "two faults at once, by chance", Need::Disks, mixed).quick() };

/// The usual clients, and a queue with priorities.
fn everything() -> Plan {
    let mut plan = Plan::standard();
    let publisher = |priority| PublisherPlan { priority: Some(priority), ..PublisherPlan::default() };
    let ranked = QueuePlan { publishers: [1, 5, 9].map(publisher).to_vec(), ..QueuePlan::new("priorities") };
    plan.queues.push(ranked.argument("x-max-priority", FieldValue::I64(10)).consumer(plan.queues[0].consumers[0]));
    plan
}

fn mixed(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let (first, second) = (stage.any_node(), stage.any_node());
        let (one, other) = (stage.rng.random_range(0..6), stage.rng.random_range(0..6));
        let name = format!("node{first} {} and node{second} {}", NAMES[one], NAMES[other]);
        stage.fault(name, None, |stage| {
            begin(stage, first, one)?;
            let between = stage.random_ms(0, 1500);
            stage.work_for(between);
            begin(stage, second, other)?;
            let both = stage.random_ms(500, 4000);
            stage.work_for(both);
            repair(stage)
        })?;
    }
    Ok(())
}

const NAMES: [&str; 6] =
    ["is killed", "loses power", "stands still", "is cut off", "loses packets", "has a disk that stalls"];

/// One of the faults, if the node is in a state for it.
fn begin(stage: &mut Stage, node: usize, fault: usize) -> Result<()> {
    let others = stage.world.others(&[node]);
    if fault < 3 && !stage.world.is_running(node) {
        return Ok(());
    }
    match fault {
        0 => {
            // One whose disk stands still cannot be killed.
            stage.world.thaw()?;
            stage.world.kill(&[node])
        }
        1 => {
            stage.world.thaw()?;
            stage.world.power_off(&[node])
        }
        2 => stage.world.pause(&[node]),
        3 => stage.world.partition(&[node], &others),
        4 => others
            .iter()
            .try_for_each(|other| stage.world.break_link(End::Node(*other), End::Node(node), Fate::Lossy(20))),
        _ => stage.world.freeze(node, Duration::from_secs(30)),
    }
}

fn repair(stage: &mut Stage) -> Result<()> {
    stage.world.thaw()?;
    stage.world.heal()?;
    let running = stage.world.all().into_iter().filter(|node| stage.world.is_running(*node)).collect::<Vec<_>>();
    stage.world.resume(&running)?;
    let dead = stage.world.others(&running);
    stage.world.restart(&dead)
}
