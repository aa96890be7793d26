//! The scenarios, one small file each: what they need, what clients do meanwhile, and which faults there are.

mod clients;
mod clocks;
mod damage;
mod disks;
mod herd;
mod kills;
mod letters;
mod links;
mod members;
mod mixed;
mod partitions;
mod pauses;
mod power;
mod races;
mod restarts;
mod single;
mod slow;
mod snapshots;
mod space;

use std::time::Duration;

use anyhow::Result;

use crate::{host::Need, plan::Plan, stage::Stage};

/// A scenario.
#[derive(Debug)]
pub struct Scenario {
    /// `S8`, or a part of it: `S8-follower`.
    pub id: &'static str,
    /// What happens.
    pub title: &'static str,
    /// What it needs of the machine.
    pub need: Need,
    /// Nodes.
    pub nodes: usize,
    /// Whether links between nodes can be slow.
    pub detours: bool,
    /// Whether something stands between the nodes and their kernels.
    pub shimmed: bool,
    /// More of the nodes' configuration: keys of `[storage]`, as TOML.
    pub settings: &'static str,
    /// Whether nodes have an earlier version until they are upgraded.
    pub upgrades: bool,
    /// Whether it is among those that every change must pass.
    pub is_quick: bool,
    /// What clients do.
    pub plan: fn() -> Plan,
    /// Makes the faults, until the stage does not go on.
    pub run: fn(&mut Stage) -> Result<()>,
}

impl Scenario {
    /// Three nodes, the usual clients.
    const fn new(id: &'static str, title: &'static str, need: Need, run: fn(&mut Stage) -> Result<()>) -> Self {
        Scenario {
            id,
            title,
            need,
            nodes: 3,
            detours: false,
            shimmed: false,
            settings: "",
            upgrades: false,
            is_quick: false,
            plan: Plan::standard,
            run,
        }
    }

    const fn quick(mut self) -> Self {
        self.is_quick = true;
        self
    }
}

/// Longest times without confirms that are promised.
mod bounds {
    use super::Duration;

    /// A fault of a follower, or of a node that leads nothing that is asked for.
    pub(super) const FOLLOWER: Duration = Duration::from_millis(500);
    /// A leader's process is gone.
    pub(super) const KILL: Duration = Duration::from_secs(1);
    /// A leader is paused or cut off.
    pub(super) const SILENCE: Duration = Duration::from_secs(2);
    /// A leader's disk stalls.
    pub(super) const STALL: Duration = Duration::from_secs(10);
    /// A leader hands over and stops.
    pub(super) const HAND_OVER: Duration = Duration::from_millis(300);
}

/// All scenarios, in the order of their numbers.
pub const ALL: &[Scenario] = &[
    partitions::MINORITY,
    partitions::LEADER,
    partitions::FOLLOWER,
    partitions::RING,
    partitions::BRIDGE,
    links::DEAF,
    links::DUMB,
    links::CLIENTS,
    links::FLAPPING,
    links::LOSS,
    links::DELAY,
    pauses::LEADER,
    pauses::FOLLOWER,
    pauses::MAJORITY,
    pauses::LOCKS,
    kills::LEADER,
    kills::FOLLOWER,
    kills::ALL,
    kills::ROLLING,
    kills::STORM,
    power::ONE,
    power::TWO,
    power::ALL,
    power::PART_KILL,
    power::PAUSE_KILL,
    disks::EIO,
    disks::EIO_ONCE,
    disks::STALL,
    slow::SLOW,
    disks::ALARM,
    disks::FULL,
    clocks::CLOCKS,
    members::MEMBERS,
    snapshots::SNAPSHOTS,
    damage::FLIPPED,
    damage::TORN,
    damage::WIPED,
    restarts::ROLLING,
    restarts::UPGRADE,
    herd::HERD,
    clients::CLIENTS,
    letters::KILLS,
    letters::PARTITIONS,
    single::PAUSES,
    single::PARTITIONS,
    races::KILLS,
    races::PARTITIONS,
    mixed::MIXED,
    restarts::COLD,
    space::SPACE,
];
