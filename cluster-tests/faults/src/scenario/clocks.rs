//! S15: wall clocks that are wrong. Nothing expires early, nobody loses a lease, and nobody waits.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rand::Rng;
use types::FieldValue;

use super::{Scenario, bounds};
use crate::{
    check::Finding,
    host::Need,
    plan::{ConsumerPlan, Plan, QueuePlan},
    stage::Stage,
};

pub(super) const CLOCKS: Scenario = Scenario {
    plan: expiring,
    shimmed: true,
    ..Scenario::new("S15", "wall clocks jump", Need::Processes, clocks).quick()
};

/// Tells by how much a node's clock is off. Unit: milliseconds.
const CLOCK_OFF: &str = "quorate_replication_clock_off_ms";
/// How long a node may take to notice that: clocks are told every second.
const NOTICE_MAX: Duration = Duration::from_secs(10);
/// How far a clock jumps. Unit: milliseconds.
const HOUR_MS: i64 = 3_600_000;
/// How long messages live in one queue: no run takes as long, but a clock that jumps by an hour seems to. Unit: milliseconds.
const LONG_MS: i64 = 1_800_000;
/// How long messages live in another. Unit: milliseconds.
const SHORT_MS: i64 = 1000;
/// How long after that a message may still be there, when clocks are right again and while they are wrong by minutes.
const EXPIRED_AFTER_MAX: Duration = Duration::from_secs(20);

/// The usual clients; a queue whose messages live long, and are consumed at the end, when all must be there; and one whose messages expire
/// after a second and go to another, where all of them must arrive.
fn expiring() -> Plan {
    let mut plan = Plan::standard();
    let lasting = QueuePlan {
        late_consumers: vec![ConsumerPlan::default(); 3],
        ..QueuePlan::new("lasting").argument("x-message-ttl", FieldValue::I64(LONG_MS))
    };
    let letters = u16::try_from(plan.queues.len() + 2).expect("there are few queues");
    let brief =
        QueuePlan::new("brief").argument("x-message-ttl", FieldValue::I64(SHORT_MS)).letters_to(letters, "expired");
    let expired = QueuePlan { publishers: Vec::new(), ..QueuePlan::new("expired") };
    plan.queues.extend([lasting, brief, expired.consumer(ConsumerPlan::default())]);
    plan
}

fn clocks(stage: &mut Stage) -> Result<()> {
    loop {
        jump(stage, HOUR_MS)?;
        jump(stage, -HOUR_MS)?;
        let node = stage.any_node();
        stage.fault(format!("node{node}'s clock jumps to and fro"), bounds::FOLLOWER, |stage| strobe(stage, node))?;
        stage.fault("every clock is wrong by another time", bounds::FOLLOWER, |stage| {
            for node in stage.world.all() {
                let offset = stage.rng.random_range(-60_000..=60_000);
                stage.world.shim(node)?.set_clock(offset)?;
            }
            stage.work_for(Duration::from_secs(4));
            right(stage)
        })?;
        if !stage.goes_on() {
            break;
        }
    }
    // Confirms are looked for in the moments after the last fault, too.
    stage.work_for(Duration::from_secs(3));
    stage.load.stop_publishing();
    expires(stage)?;
    stage.load.start_late()
}

fn jump(stage: &mut Stage, by_ms: i64) -> Result<()> {
    let node = stage.leader()?;
    stage.fault(format!("node{node}'s clock jumps by {} minutes", by_ms / 60_000), bounds::FOLLOWER, |stage| {
        stage.world.shim(node)?.set_clock(by_ms)?;
        let notices = |stage: &Stage| stage.world.api(node).metric(CLOCK_OFF).is_ok_and(|off_ms| off_ms > 0);
        ensure!(stage.wait(NOTICE_MAX, notices), "node{node} does not notice that its clock is wrong");
        stage.work_for(Duration::from_secs(3));
        stage.world.shim(node)?.set_clock(0)
    })
}

fn strobe(stage: &mut Stage, node: usize) -> Result<()> {
    for _ in 0..40 {
        let offset = stage.rng.random_range(-HOUR_MS..=HOUR_MS);
        stage.world.shim(node)?.set_clock(offset)?;
        stage.work_for(Duration::from_millis(50));
    }
    stage.world.shim(node)?.set_clock(0)
}

fn right(stage: &Stage) -> Result<()> {
    stage.world.all().into_iter().try_for_each(|node| stage.world.shim(node)?.set_clock(0))
}

/// Clocks that were wrong, and are right, keep nothing from expiring.
fn expires(stage: &mut Stage) -> Result<()> {
    let begin = Instant::now();
    let all_gone = stage.wait(EXPIRED_AFTER_MAX, |stage| {
        stage.load.is_all_published() && stage.world.api(1).depth("brief").is_ok_and(|depth| depth.ready == 0)
    });
    if !all_gone {
        let left = stage.world.api(1).depth("brief")?.ready;
        let text = format!("{left} messages that live a second are there after {:.0?}", begin.elapsed());
        stage.findings.push(Finding { invariant: "expiry", count: 1, text });
    }
    Ok(())
}
