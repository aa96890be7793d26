//! I14: disk space returns when messages are consumed, though one message is held for ever.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Scenario;
use crate::{
    amqp::Client,
    check::Finding,
    host::Need,
    plan::{ConsumerPlan, Plan, PublisherPlan, QueuePlan},
    stage::Stage,
};

pub(super) const SPACE: Scenario = Scenario {
    plan: busy,
    ..Scenario::new("I14", "disk space returns though one message is held for ever", Need::Disks, hold)
};

/// What a node may use in all: RocksDB's write-ahead logs take up to 256 MiB before they are let go, its tables and the Raft logs of
/// six groups some more. What is published in a minute is a multiple of it. Unit: bytes.
const USED_MAX: u64 = 600 * 1024 * 1024;

fn busy() -> Plan {
    let publisher = PublisherPlan { rate: 1000, size: 8 * 1024, priority: None };
    let consumer = ConsumerPlan { prefetch: 200, ..ConsumerPlan::default() };
    let queue = QueuePlan { publishers: vec![publisher; 3], ..QueuePlan::new("busy") };
    Plan { queues: vec![queue.consumer(consumer).consumer(consumer)], ..Plan::default() }
}

fn hold(stage: &mut Stage) -> Result<()> {
    let mut holder = Client::open(stage.world.amqp(1), "holder")?;
    holder.consume("busy", 1, types::FieldTable::default())?;
    holder.next(Instant::now() + Duration::from_secs(5))?.context("the holder gets nothing")?;
    let mut most = 0;
    while stage.goes_on() {
        // It sends heartbeats, and acknowledges nothing.
        holder.next(Instant::now() + Duration::from_secs(1))?;
        for node in stage.world.all() {
            most = most.max(stage.world.disk(node)?.used_bytes()?);
        }
    }
    if most > USED_MAX {
        let published = stage.load.confirmed() * 8 / 1024;
        let text = format!("a node used {} MiB while {published} MiB were published", most / 1024 / 1024);
        stage.findings.push(Finding { invariant: "I14", count: 1, text });
    }
    holder.close()
}
