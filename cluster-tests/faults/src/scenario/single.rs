//! S25: one consumer at a time, with and without priorities, while nodes pause and fall apart.

use std::time::Duration;

use anyhow::Result;
use types::FieldValue;

use super::{Scenario, bounds};
use crate::{
    host::Need,
    plan::{ConsumerPlan, Plan, QueuePlan},
    stage::Stage,
};

pub(super) const PAUSES: Scenario = Scenario {
    plan: single,
    ..Scenario::new("S25-pause", "one consumer at a time while nodes stand still", Need::Processes, pauses).quick()
};
pub(super) const PARTITIONS: Scenario = Scenario {
    plan: single,
    ..Scenario::new("S25-partition", "one consumer at a time while nodes are isolated", Need::Network, partitions)
};

fn single() -> Plan {
    let queue = |name: &str, priorities: [i32; 3]| {
        let queue = QueuePlan { is_single: true, ..QueuePlan::new(name) };
        let queue = queue.argument("x-single-active-consumer", FieldValue::Bool(true));
        // A few die, so that the turn changes also without a fault.
        let consumer =
            |priority| ConsumerPlan { prefetch: 1, crash_per_10_000: 20, priority, ..ConsumerPlan::default() };
        priorities.into_iter().fold(queue, |queue, priority| queue.consumer(consumer(priority)))
    };
    Plan { queues: vec![queue("single", [0, 0, 0]), queue("ranked", [0, 5, 1])], ..Plan::default() }
}

fn pauses(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        let node = stage.any_node();
        let time = stage.random_ms(1000, 6000);
        stage.fault(format!("node{node} stands still for {} ms", time.as_millis()), bounds::SILENCE, |stage| {
            stage.world.pause(&[node])?;
            stage.work_for(time);
            stage.world.resume(&[node])
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
            let apart: Duration = stage.random_ms(2500, 12_000);
            stage.work_for(apart);
            stage.world.heal()
        })?;
    }
    Ok(())
}
