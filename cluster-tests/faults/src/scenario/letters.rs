//! S24: dead letters that must arrive, under partitions and kills.

use anyhow::Result;
use types::FieldValue;

use super::{Scenario, bounds};
use crate::{
    host::Need,
    plan::{ConsumerPlan, Plan, PublisherPlan, QueuePlan},
    stage::Stage,
};

pub(super) const KILLS: Scenario = Scenario {
    plan: letters,
    ..Scenario::new("S24-kill", "dead letters while leaders are killed", Need::Processes, kills).quick()
};
pub(super) const PARTITIONS: Scenario = Scenario {
    plan: letters,
    ..Scenario::new("S24-partition", "dead letters while leaders are cut off", Need::Network, partitions)
};

/// A queue whose messages expire after a second, if they are not refused before, and another where all of them end. Its publishers
/// are refused when it is full.
fn letters() -> Plan {
    // Slow enough for many to expire.
    let refusing = ConsumerPlan { prefetch: 1, reject_percent: 30, ..ConsumerPlan::default() };
    let work = QueuePlan {
        publishers: vec![PublisherPlan { rate: 100, ..PublisherPlan::default() }; 3],
        ..QueuePlan::new("work")
    };
    let work = work
        .argument("x-message-ttl", FieldValue::I64(1000))
        .letters_to(1, "letters")
        .argument("x-max-length", FieldValue::I64(2000))
        .consumer(refusing);
    let mut letters = QueuePlan::new("letters");
    letters.publishers.clear();
    letters.consumers = vec![ConsumerPlan::default(); 3];
    Plan { queues: vec![work, letters], ..Plan::default() }
}

fn kills(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        for queue in ["work", "letters"] {
            let leader = stage.leader_of(queue)?;
            stage.fault(format!("node{leader}, which leads {queue}, is killed"), bounds::KILL, |stage| {
                stage.world.kill(&[leader])?;
                let down = stage.random_ms(500, 3000);
                stage.work_for(down);
                stage.world.restart(&[leader])
            })?;
        }
    }
    Ok(())
}

fn partitions(stage: &mut Stage) -> Result<()> {
    while stage.goes_on() {
        for queue in ["work", "letters"] {
            let leader = stage.leader_of(queue)?;
            stage.fault(format!("node{leader}, which leads {queue}, is cut off"), bounds::SILENCE, |stage| {
                let others = stage.world.others(&[leader]);
                stage.world.partition(&[leader], &others)?;
                let apart = stage.random_ms(2500, 8000);
                stage.work_for(apart);
                stage.world.heal()
            })?;
        }
    }
    Ok(())
}
